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
from onlyif.recipes.groups import read_groups
from onlyif.recipes.model_files import read_model
from onlyif.recipes.table_files import listed, read_table, same_columns


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
        groups: Groups of columns, by name.
        files: The digests of all files, where results are saved.
        here: The folder that the command was started in.
    """

    model: Any
    rows: Any
    positions: list[int]
    background: Any
    baseline: Any
    groups: Mapping[str, Sequence[str]]
    files: Mapping[str, str]
    here: Path


def read_inputs(arguments: Namespace) -> Inputs:
    """The model and the tables, tables first: they are quicker to be wrong.

    All files are read before code of the user's runs, which may change the working folder or the files.

    Raises:
        InputError: if a column to drop is in no table, or a table cannot be used.
        OnlyIfError: if the model cannot be used.
    """
    drop, seen = arguments.drop, set[str]()
    background = None
    if arguments.background is not None:
        background = _without(read_table(arguments.background), drop, seen)
    data = _like(arguments.data, arguments, background, seen)
    baseline = None if arguments.baseline is None else _like(arguments.baseline, arguments, background, seen)
    unknown = [name for name in drop if name not in seen]
    if unknown:
        raise InputError(f"cannot drop {listed(unknown)}: the columns are {listed(sorted(seen))}")
    positions = chosen_rows(arguments.rows, len(data))
    rows, groups, here = take_rows(data, positions), read_groups(arguments.groups), Path.cwd()
    files = {} if arguments.out is None else file_digests(arguments)
    return Inputs(_model(arguments), rows, positions, background, baseline, groups, files, here)


def _like(path: str, arguments: Namespace, background: Any, seen: set[str]) -> Any:
    table = _without(read_table(path, background), arguments.drop, seen)
    if background is None:
        return table
    return same_columns(table, background, (_name(path), _name(arguments.background)))


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
