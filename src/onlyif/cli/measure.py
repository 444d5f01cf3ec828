"""`onlyif measure`: what results in folders have in common, and whether their sets hold on further rows."""

import argparse
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

from onlyif.cli.commands import add_command, add_json, add_quiet
from onlyif.cli.config import RUN_CONFIG
from onlyif.cli.digests import code_digests
from onlyif.cli.inputs import Inputs, read_inputs
from onlyif.cli.printing import measure_value, plain_value
from onlyif.cli.record import differences, record_of, row_digests
from onlyif.cli.saving import Folder
from onlyif.cli.settings import need_together, options_of
from onlyif.cli.streams import tell
from onlyif.core.errors import SettingError
from onlyif.core.progress import Meter
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations, joined
from onlyif.explanation.layout import aligned, clipped, measure_text, number
from onlyif.explanation.storage import load_folder, save
from onlyif.explanation.summary import summary
from onlyif.explanation.verdicts import GAPS
from onlyif.runs.rows import RowsRun, run_against, run_of
from onlyif.setup.foundation import Source
from onlyif.setup.judged import judged
from onlyif.setup.prepare import prepare
from onlyif.version import __version__

_EXAMPLES = """\
  who is in which set how often, how large sets are, which of them hold
    onlyif measure results/

  do the sets hold on rows of another month, which the run never saw
    onlyif measure results/ --further march.csv

  of several folders at once, as a section of a model card, for another program
    onlyif measure january/ february/ --markdown > card.md
    onlyif measure results/ --further march.csv --json > measured.json

  the model and the tables have moved since the run; a page with the new verdicts
    onlyif measure results/ --further march.csv --model new/model.onnx --data new/rows.csv --out judged/
    onlyif report judged/"""
_FURTHER = """\
With --further the options of the run are read from run.toml in the folder, paths as seen from
the folder in which this command is started. Model, table and rows must be those of the run:
that is checked by digests and by what the model answers. A set holds if its gap and 1.64
standard errors are within ε on the further rows; it does not if the gap is above ε by as much."""
Read: TypeAlias = Callable[[Sequence[str]], Namespace]
_MOVED = ("model", "data", "background")


def add_measure(commands: "argparse._SubParsersAction[Any]") -> None:
    """The command's arguments.

    Args:
        commands: All commands.
    """
    told = "say what saved explanations have in common, and whether their sets hold on further rows"
    made = add_command(commands, "measure", told, _EXAMPLES, _FURTHER)
    made.add_argument("folder", metavar="DIR", nargs="+", help="a folder that was named with --out")
    made.add_argument(
        "--further",
        metavar="FILE",
        help="rows like the background's, with none of them: the sets are judged on it",
    )
    for name, what in {
        "model": "model",
        "data": "rows that were explained",
        "background": "background",
    }.items():
        made.add_argument(f"--{name}", metavar="FILE", help=f"where the file of the {what} is now")
    made.add_argument(
        "--out", metavar="DIR", help="save the explanations with their new verdicts in this folder"
    )
    made.add_argument("--markdown", action="store_true", help="print a section of a model card")
    add_json(made)
    add_quiet(made)


def measured(arguments: Namespace, read: Read) -> Explanations:
    """The explanations of all folders, with verdicts on the further rows where these are named.

    Args:
        arguments: Those of the command.
        read: What reads the arguments of a command.

    Raises:
        SettingError: if arguments do not fit each other, or the further rows the run.
        StorageError: if a folder or a file cannot be read.
    """
    moved = [name for name in _MOVED if getattr(arguments, name) is not None]
    for name in [*moved, *(["out"] if arguments.out is not None else [])]:
        if arguments.further is None:
            raise SettingError(f"--{name} has no use without --further, a table of rows to judge the sets on")
    if arguments.json and arguments.markdown:
        raise SettingError("--markdown has no use with --json; leave one out")
    target = None if arguments.out is None else Folder.named(arguments.out)
    folders = [Folder.named(each) for each in arguments.folder]
    held = [load_folder(folder.place) for folder in folders]
    if arguments.further is not None:
        held = [_judged(*pair, arguments, read) for pair in zip(folders, held, strict=True)]
    found = joined(held)
    if target is not None:
        save(found, target.place / "measured")
    return found


def _judged(folder: Folder, found: Explanations, arguments: Namespace, read: Read) -> Explanations:
    """The explanations of a run with verdicts on further rows."""
    given = _arguments_of_run(folder, arguments, read)
    inputs = read_inputs(given)
    source = Source(inputs.model, inputs.further, options_of(given, inputs))
    run = (
        run_of(prepare(source.model, inputs.rows, source.background, source.options, Meter()))
        if given.against is None
        else run_against(source, inputs.rows, given.against, Meter())
    )
    _check_same_run(folder, given, inputs, run)
    _tell_known(inputs, arguments)
    items: dict[int, Explanation] = {}
    for portion in run.portions:
        places = [place for place in portion.places if place < len(found)]
        items |= zip(places, judged(portion.work, [found.items[k] for k in places]), strict=True)
    said = f"Verdicts are on {len(inputs.further):,} rows of {Path(arguments.further).name}."
    return replace(
        found, items=tuple(replace(items[k], notes=(*items[k].notes, said)) for k in range(len(found)))
    )


def _arguments_of_run(folder: Folder, arguments: Namespace, read: Read) -> Namespace:
    """The arguments of the run in a folder, with those that were said now.

    Raises:
        SettingError: if its sets are of no kind that further rows can be asked about.
        StorageError: if it holds no run.
    """
    path = str(folder.path / RUN_CONFIG)
    moved = [f"--{name}={text}" for name in _MOVED[1:] if (text := getattr(arguments, name)) is not None]
    given = read(["explain", "--config", path, *moved, *([arguments.model] if arguments.model else [])])
    need_together(given)
    if given.criterion != "sne":
        raise SettingError(f"{folder.path} holds causes, which no ε is asked of: --further judges sets")
    if given.baseline is not None or given.reference not in (None, "marginal"):
        way = given.reference or "baseline"
        raise SettingError(
            f"the sets in {folder.path} were found with --reference {way}; further rows can judge those that "
            "hide columns by rows of the background (--reference marginal)"
        )
    given.out, given.further = str(folder.path), arguments.further
    return given


def _check_same_run(folder: Folder, given: Namespace, inputs: Inputs, run: RowsRun) -> None:
    """Refuse another model, table or setting than those of the run; versions may have changed.

    Raises:
        SettingError: naming what is another.
    """
    record = record_of(given, inputs, run.answers, code_digests(given.model_from, inputs.here))
    other = differences(folder.stored(), {**record, "versions": {}}, str(folder.path))
    if other:
        raise SettingError(
            f"these are not what made {folder.path} (different: {', '.join(other)}); name files that have "
            "moved with --model, --data and --background"
        )


def _tell_known(inputs: Inputs, arguments: Namespace) -> None:
    """Say how many of the further rows are no further ones."""
    known = set(row_digests(inputs.background))
    again = sum(one in known for one in row_digests(inputs.further))
    if again and not arguments.quiet:
        rows = f"{again:,} of {len(inputs.further):,} rows of {Path(arguments.further).name}"
        tell(f"note: {rows} are rows of the background too, on which the sets were chosen")


def measured_text(found: Explanations, width: int, *, rows: bool) -> str:
    """What was measured, for a terminal.

    Args:
        found: The explanations.
        width: Columns of the terminal.
        rows: Whether each set has its line.
    """
    lines = [[clipped(cell, 40) for cell in line] for line in _lines(found)] if rows else []
    heads = ("row", "set", "columns", "ε", "gap", "gap on further rows", "verdict")
    told = ["", *aligned(heads, lines, indent="", width=width)] if lines else []
    return "\n".join([str(summary(found)), *told])


def _lines(found: Explanations) -> Iterator[list[str]]:
    for item, kind in _sets(found):
        chosen = item.sets[kind]
        gaps = (measure_text(chosen.measure(name)) for name in (GAPS[kind], f"fresh_{GAPS[kind]}"))
        yield [
            str(item.row), kind, str(chosen), number(item.epsilon), *gaps, item.verdicts[kind].finding.value
        ]  # fmt: skip


def _sets(found: Explanations) -> Iterator[tuple[Explanation, str]]:
    return ((item, kind) for item in found for kind in item.verdicts)


def measured_record(found: Explanations) -> Mapping[str, Any]:
    """What was measured, as values for strict JSON.

    Args:
        found: The explanations.
    """
    told = summary(found)
    return {
        "onlyif": __version__,
        "n_rows": told.n_rows,
        "n_informative": told.n_informative,
        "statuses": dict(told.statuses),
        "sets": {
            one.selection: {
                "size": plain_value(one.size),
                "measures": {name: plain_value(mean) for name, mean in one.measures.items()},
                "verdicts": dict(one.verdicts),
            }
            for one in told.sets
        },
        "players": {
            one.name: {kind: share.count for kind, share in one.shares.items()} for one in told.players
        },
        "verdicts": [_verdict(item, kind) for item, kind in _sets(found)],
    }


def _verdict(item: Explanation, kind: str) -> Mapping[str, Any]:
    given, chosen = item.verdicts[kind], item.sets[kind]
    return {
        "row": plain_value(item.row),
        "set": kind,
        "names": [*chosen.names],
        "epsilon": item.epsilon,
        "gap": measure_value(chosen.measure(GAPS[kind])),
        "fresh_gap": measure_value(given.gap) if given.fresh else None,
        "verdict": given.finding.value,
    }
