"""The arguments of the command line, and what --help says of them."""

import argparse
import sys
from collections.abc import Sequence
from typing import NoReturn, final

from typing_extensions import override

from onlyif.cli.causal_arguments import add_causes
from onlyif.cli.commands import add_command, add_json, add_quiet
from onlyif.cli.completion import add_completion
from onlyif.cli.config import arguments_of
from onlyif.cli.dataset import add_dataset
from onlyif.cli.exits import EXIT_TEXT
from onlyif.cli.help_texts import (
    DESCRIPTION,
    DOCTOR_EXAMPLES,
    EXAMPLES,
    EXPLAIN_EXAMPLES,
    MODELS,
    SHOW_EXAMPLES,
)
from onlyif.cli.measure import add_measure
from onlyif.cli.report import add_report
from onlyif.core.errors import SettingError
from onlyif.setup.names import DISTANCES, FAULTS, OUTPUTS, REFERENCES, SEARCHES
from onlyif.version import __version__


class WrongUsageError(SettingError):
    """Arguments that are none of the command's; the user was shown its usage."""


@final
class _Parser(argparse.ArgumentParser):
    """A parser that leaves it to its caller how the program ends."""

    @override
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self._print_message(f"{self.prog}: error: {message}\n", sys.stderr)
        raise WrongUsageError(message)


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    made = _Parser(
        prog="onlyif",
        description=DESCRIPTION,
        epilog=f"{MODELS}\n\nexamples:\n{EXAMPLES}\n\n{EXIT_TEXT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("--version", action="version", version=f"onlyif {__version__}")
    commands = made.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_explain(commands)
    _add_show(commands)
    add_report(commands)
    add_measure(commands)
    add_dataset(commands)
    _add_doctor(commands)
    add_completion(commands)
    return made


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The arguments, with those of the file that --config names before the others.

    Args:
        argv: The arguments, without the program's name.

    Raises:
        WrongUsageError: if they are none of the command's.
        OnlyIfError: if the file cannot be used.
    """
    made = parser()
    looked = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    looked.add_argument("--config", nargs="?")
    named = looked.parse_known_args(argv[1:])[0].config if argv[:1] == ["explain"] else None
    if named is None:
        return made.parse_args(argv)
    model, before = arguments_of(named)
    arguments = made.parse_args(["explain", *before, *argv[1:]])
    if arguments.model is None and arguments.model_from is None:
        arguments.model = model
    return arguments


def _add_doctor(commands: "argparse._SubParsersAction[_Parser]") -> None:
    told = "say what is installed, and what can be explained with it"
    add_json(add_command(commands, "doctor", told, DOCTOR_EXAMPLES))


def _add_explain(commands: "argparse._SubParsersAction[_Parser]") -> None:
    made = add_command(commands, "explain", "explain rows of a table", EXPLAIN_EXAMPLES, MODELS)
    made.description = DESCRIPTION
    made.set_defaults(further=None)
    _add_inputs(made)
    _add_question(made)
    add_causes(made)
    _add_method(made)
    _add_results(made)


def _add_show(commands: "argparse._SubParsersAction[_Parser]") -> None:
    made = add_command(commands, "show", "print explanations that --out saved", SHOW_EXAMPLES)
    made.add_argument("folder", metavar="DIR", help="the folder that was named with --out")
    made.add_argument("--rows", metavar="ROWS", help="which of them, by position: 0,5-9 (default: all)")
    _add_printing(made)


def _add_inputs(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group(
        "model and tables (CSV, also .gz, .bz2, .xz or .zip; .xlsx, Parquet or Feather)"
    )
    group.add_argument("model", metavar="MODEL", nargs="?", help="the file of the model")
    group.add_argument(
        "--config",
        metavar="FILE",
        help='TOML file with options of this command, such as background = "train.parquet"; --out writes one',
    )
    group.add_argument(
        "--model-from",
        metavar="PACKAGE.MODULE:NAME",
        help="import your own code instead: a model, a function from a table to outputs, "
        "or a function without arguments that returns one of these",
    )
    group.add_argument(
        "--trust", metavar="TYPE", action="append", default=[], help="a type that a .skops file may hold"
    )
    group.add_argument("--data", metavar="FILE", required=True, help="the rows to explain")
    group.add_argument(
        "--background",
        metavar="FILE",
        help="rows like those the model was trained on: what is hidden takes its values from them",
    )
    group.add_argument("--rows", metavar="ROWS", help="positions of rows of --data: 0,5-9 (default: all)")
    _add_columns(group)
    group.add_argument(
        "--groups", metavar="FILE", help='TOML file with [groups] and lines like city = ["city_a", "city_b"]'
    )


def _add_columns(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--drop", metavar="COLUMN", action="append", default=[], help="a column that the model does not use"
    )
    group.add_argument(
        "--text",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column of CSV files that holds text, also where it looks like numbers (01234)",
    )
    group.add_argument(
        "--number",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column of CSV files that holds numbers, also where they have leading zeros",
    )
    group.add_argument(
        "--delimiter",
        metavar="MARK",
        type=_delimiter,
        help="what divides the values in CSV files: one character, or tab (default: a comma, in .tsv a tab)",
    )
    group.add_argument(
        "--decimal",
        metavar="MARK",
        choices=[".", ","],
        default=".",
        help="the decimal mark of the numbers in CSV files, . or , (default: a point)",
    )


def _add_question(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("what is asked")
    group.add_argument(
        "--target",
        metavar="TARGET",
        help="class label, or number of the output; a number that is a label is the label "
        "(default: the class that the model predicts)",
    )
    group.add_argument(
        "--against",
        metavar="ROWS",
        help='give the reasons for the model\'s decision: "other decisions" hides columns by the values of '
        "background rows that the model decides otherwise, a class label by those of rows that it decides so "
        "(default: all background rows)",
    )
    group.add_argument(
        "--output",
        choices=[*OUTPUTS],
        default="auto",
        help="what is explained (default: probability if there is one, else the value)",
    )
    group.add_argument(
        "--alpha",
        type=float,
        default=0.5,
        metavar="A",
        help="weight of sufficiency in the best of both, 0 to 1 (default: 0.5)",
    )
    group.add_argument(
        "--size", type=int, metavar="N", help="most columns in the best of both (default: as many as needed)"
    )
    group.add_argument("--exact-size", action="store_true", help="exactly --size columns instead of at most")
    group.add_argument(
        "--epsilon",
        type=float,
        metavar="E",
        help="tolerance (default: a tenth of the distance between prediction and average)",
    )
    group.add_argument(
        "--distance",
        choices=[*DISTANCES],
        default="absolute",
        help="how two predictions are compared (default: absolute)",
    )
    _add_members(group)


def _add_members(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--keep",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column (or group, by its name or number) that every set must hold",
    )
    group.add_argument(
        "--never",
        metavar="COLUMN",
        action="append",
        default=[],
        help="a column (or group) that no set may hold, such as an age that may not be given as a reason",
    )
    group.add_argument(
        "--costs",
        metavar="COLUMN=COST",
        action="append",
        default=[],
        help="what a column (or group) costs, 1 where it is not said: the cheapest sets are then sought "
        "instead of the smallest",
    )
    group.add_argument(
        "--order",
        metavar="COLUMN=NEEDED",
        action="append",
        default=[],
        help="a column (or group) that is in a set only together with another, such as region=country",
    )


def _add_method(made: argparse.ArgumentParser) -> None:
    group = made.add_argument_group("how it is computed")
    group.add_argument(
        "--reference",
        choices=[*REFERENCES],
        help="what hidden columns are replaced by: rows of the background (marginal, the default), one fixed "
        "row (baseline), a Gaussian given what is kept (gaussian), background rows that are close to the row "
        "(empirical), both ways at each split of the model's own trees, by training weight (tree-path)",
    )
    group.add_argument(
        "--background-rows",
        type=_count_or_all,
        metavar="N",
        help="background rows that are used, or all (default: as many as are affordable, 100 at least)",
    )
    group.add_argument(
        "--baseline", metavar="FILE", help="table with the one row that is the baseline (default: medians)"
    )
    group.add_argument(
        "--search",
        choices=["auto", *SEARCHES],
        default="auto",
        help="how sets are found (default: exhaustive where it fits --budget, else beam)",
    )
    group.add_argument(
        "--seed", type=int, default=0, metavar="N", help="equal seeds give equal results (default: 0)"
    )
    _add_limits(group)


def _add_limits(group: "argparse._ArgumentGroup") -> None:
    group.add_argument(
        "--max-rows",
        type=int,
        default=16_384,
        metavar="N",
        help="most rows of one model call; bounds memory (default: 16384)",
    )
    group.add_argument(
        "--budget",
        type=int,
        metavar="N",
        help="most model rows for one explained row (default: 2000000)",
    )
    group.add_argument(
        "--time-limit",
        type=float,
        metavar="S",
        help="most seconds for all rows together: the row under way ends with the sets compared so far and "
        "says so, rows after it are left out and can be had with --resume (default: none)",
    )
    group.add_argument(
        "--jobs",
        type=int,
        metavar="N",
        help="explain so many blocks of rows at once, each in a process of its own; -1 for all cores. The "
        "results are the same for any number (default: 1)",
    )
    group.add_argument(
        "--tolerate", choices=[*FAULTS], action="append", default=[], help="go on with a model that does this"
    )
    group.add_argument("--keep-table", action="store_true", help="save the prediction of every set too")
    group.add_argument(
        "--stability",
        type=int,
        metavar="N",
        help="say how sure the sets are: the share of N resampled backgrounds that give each, such as 50",
    )
    group.add_argument(
        "--confidence",
        type=float,
        metavar="P",
        help="choose sets that are within --epsilon for other rows too, with this confidence, such as 0.95 "
        "(default: for the rows of the background)",
    )


def _add_results(made: argparse.ArgumentParser) -> None:
    group = _add_printing(made)
    group.add_argument(
        "--estimate",
        action="store_true",
        help="say how many model rows, how much time and how much memory it would take, and explain nothing",
    )
    group.add_argument("--out", metavar="DIR", help="save explanations in this folder, as they are finished")
    group.add_argument("--resume", action="store_true", help="go on with what --out holds already")
    group.add_argument(
        "--plots",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="save a PNG picture a row in --out",
    )


def _add_printing(made: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    group = made.add_argument_group("results")
    add_json(group)
    group.add_argument(
        "--details", action="store_true", help="print all of every explanation, not a line a row"
    )
    add_quiet(group)
    return group


def _delimiter(text: str) -> str:
    mark = {"tab": "\t", "\\t": "\t"}.get(text, text)
    if len(mark) != 1 or mark in '\r\n"' or mark.isalnum() or not mark.isascii():
        raise argparse.ArgumentTypeError(f"need one character such as ; or |, or tab, got {text!r}")
    return mark


def _count_or_all(text: str) -> int | None:
    if text == "all":
        return -1
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"need a number of rows from 1, or all, got {text!r}")
    return int(text)
