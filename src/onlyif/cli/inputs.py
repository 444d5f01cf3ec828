"""What a run is about: the model and the tables that the arguments name."""

import inspect
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, final

from onlyif.cli.digests import file_digests
from onlyif.cli.rows import chosen_rows, take_rows
from onlyif.cli.streams import tell
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.files.model_columns import Known, known_columns
from onlyif.files.models import read_model
from onlyif.files.tables import csv_columns, is_csv, listed, need_columns, read_table
from onlyif.modalities.groups import read_groups
from onlyif.modalities.table_fit import Sort
from onlyif.models.detect import column_places


@final
@dataclass(frozen=True, eq=False)
class Inputs:
    """Everything that was read.

    Args:
        model: The model.
        rows: The rows to explain.
        positions: Their positions in the file.
        background: The background, or None.
        baseline: A table with one row, or None.
        further: Rows like the background's that sets are judged on, or None.
        groups: Groups of columns, by name.
        files: The digests of all files, where results are saved.
        here: The folder that the command was started in.
    """

    model: Any
    rows: Any
    positions: list[int]
    background: Any
    baseline: Any
    further: Any
    groups: Mapping[str, Sequence[str]]
    files: Mapping[str, str]
    here: Path


def read_inputs(arguments: Namespace) -> Inputs:
    """The model and the tables.

    The file of a model comes first, for it knows types that a CSV file does not say. All files are
    read before code of the user's runs, which may change the working folder or the files.

    Raises:
        InputError: if a column that is named is in no table, or a table cannot be used.
        OnlyIfError: if the model cannot be used.
    """
    named = (arguments.background, arguments.data, arguments.baseline, arguments.further)
    paths = [path for path in named if path is not None]
    # A table that is not there is found before the model is loaded.
    csv = {path: is_csv(path) for path in paths}
    known = None if arguments.model_from is not None else _model(arguments)
    # Of two tables the one whose file says its types is read first, and the other like it.
    first = next((path for path in paths[:2] if not csv[path]), paths[0])
    seen = set[str]()
    tables = {first: _read(first, arguments, None, known if csv[first] else None, seen)}
    for path in paths:
        if path not in tables:
            tables[path] = _read(path, arguments, tables[first], None, seen)
    for done, columns in {
        "drop": arguments.drop,
        "read as told": [*arguments.text, *arguments.number],
    }.items():
        unknown = [name for name in columns if name not in seen]
        if unknown:
            raise InputError(f"cannot {done} {listed(unknown)}: the columns are {listed(sorted(seen))}")
    data, background = tables[arguments.data], tables.get(arguments.background)
    baseline, further = tables.get(arguments.baseline), tables.get(arguments.further)
    if background is not None:
        used = _used(known, background)
        for path, table in zip(named[1:], (data, baseline, further), strict=True):
            if table is not None:
                need_columns(table, used, (_name(path), _name(arguments.background)))
    positions = chosen_rows(arguments.rows, len(data))
    rows, groups, here = take_rows(data, positions), read_groups(arguments.groups), Path.cwd()
    files = {} if arguments.out is None else file_digests(arguments)
    model = _model(arguments) if known is None else known
    return Inputs(model, rows, positions, background, baseline, further, groups, files, here)


def _read(path: str, arguments: Namespace, like: Any, model: Any, seen: set[str]) -> Any:
    """A table without the columns that are left out, read by what is known of its types."""
    known = dict[str, Known]()
    if is_csv(path):
        columns = [name for name in csv_columns(path, arguments.delimiter) if name not in arguments.drop]
        known = {} if model is None else known_columns(model, columns)
        known |= {name: Known(Sort.TEXT) for name in (*arguments.text, *arguments.drop)}
        known |= {name: Known(Sort.REAL) for name in arguments.number}
    return _without(
        read_table(path, like, known, arguments.delimiter, arguments.decimal), arguments.drop, seen
    )


def _used(model: Any, background: Any) -> list[str]:
    """The columns of the background that a model was fitted on; all where that is not known."""
    names = [str(name) for name in background.columns]
    places = None if model is None else column_places(model, names)
    return names if places is None else [names[place] for place in places]


def _without(table: Any, drop: Sequence[str], seen: set[str]) -> Any:
    seen.update(str(column) for column in table.columns)
    return table[[column for column in table.columns if str(column) not in drop]]


def _name(path: str) -> str:
    return Path(path).name


def _model(arguments: Namespace) -> Any:
    if arguments.model_from is None:
        return read_model(arguments.model, arguments.trust)
    if arguments.trust:
        raise SettingError(
            "--trust is for types in a .skops file; with --model-from your own code is run anyway"
        )
    return imported_model(arguments.model_from)


def imported_model(text: str) -> Any:
    """The model that the user's own code gives.

    Args:
        text: "package.module:name" of a model, of a function from a table to outputs, or of a
            function without arguments that returns one of these.

    Raises:
        SettingError: if there is no such module or name.
        ModelError: if the code raises.
    """
    module, mark, name = text.partition(":")
    if not (module and mark and name):
        raise SettingError(f"--model-from takes package.module:name, got {text!r}")
    tell(f"importing your own code {module!r} for --model-from")
    with _from_here():
        held = _attribute(_module(module), name, text)
        return _called(held, text) if _takes_nothing(held) else held


def _module(name: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise SettingError(
                f"there is no module {name!r}, neither installed nor in this folder"
            ) from error
        raise ModelError(f"importing {name!r} failed: {error}") from error
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise ModelError(f"importing {name!r} failed: {type(error).__name__}: {error}") from error


def _attribute(module: Any, name: str, text: str) -> Any:
    held = module
    try:
        for part in name.split("."):
            held = getattr(held, part, None)
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise ModelError(f"reading {text!r} failed: {type(error).__name__}: {error}") from error
    if held is None:
        raise SettingError(f"{text!r}: the module has no {name!r}")
    return held


def _takes_nothing(held: Any) -> bool:
    return inspect.isfunction(held) and not inspect.signature(held).parameters


def _called(function: Any, text: str) -> Any:
    try:
        return function()
    except (Exception, SystemExit) as error:  # the user's own code may raise anything
        raise ModelError(f"{text} raised {type(error).__name__}: {error}") from error


@contextmanager
def _from_here() -> Iterator[None]:
    """The current folder may be imported from, as with `python -m`."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        if here in sys.path:
            sys.path.remove(here)
