"""`onlyif`: read, call one function, print."""

import os
import sys
import traceback
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from onlyif.cli.arguments import need_together, parser
from onlyif.cli.exits import INTERRUPTED, OK, OUT_OF_TIME, PIPE_CLOSED, UNEXPECTED, exit_code
from onlyif.cli.inputs import Inputs, read_inputs
from onlyif.cli.printing import full_text, json_text, table_text, terminal_width
from onlyif.cli.rows import chosen_rows
from onlyif.cli.saving import Folder, record_of
from onlyif.cli.settings import options_of
from onlyif.core.errors import Interrupted, StorageError
from onlyif.core.extras import missing
from onlyif.core.progress import Meter, meter_of
from onlyif.core.visible import visible
from onlyif.door import rows_left
from onlyif.door import run as run_work
from onlyif.explanation.explained import Explained, joined_alike, many
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import counted
from onlyif.explanation.storage import load_folder
from onlyif.progress_bar import progress_bar
from onlyif.recipes.works import AnyWork, any_work


def run() -> NoReturn:
    """The entry point of the command `onlyif`."""
    raise SystemExit(main(sys.argv[1:]))


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit code says how it ended.

    Args:
        argv: The arguments, without the program's name.
    """
    try:
        arguments = parser().parse_args(argv)
    except SystemExit as left:
        return int(left.code or OK)
    try:
        with _warnings_as_lines(quiet=arguments.quiet):
            _COMMANDS[arguments.command](arguments)
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has gone; python would complain again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except (OutOfTime, KeyboardInterrupt) as end:
        return _ended(end)
    except Exception as error:
        return _failed(error, debug=arguments.debug)
    return OK


def _ended(end: BaseException) -> int:
    match end:
        case OutOfTime():
            return OUT_OF_TIME
        case Interrupted():
            return INTERRUPTED
    _tell("interrupted")
    return INTERRUPTED


class OutOfTime(Exception):  # noqa: N818 - no error: what was finished was printed and saved
    """The time limit left rows out."""


def explain_command(arguments: Namespace) -> None:
    """`onlyif explain`."""
    need_together(arguments)
    pictures = _pictures() if arguments.plots else None
    inputs = read_inputs(arguments)
    bar = progress_bar(False if arguments.quiet else None)
    work = _work(arguments, inputs, meter_of(arguments.time_limit, bar))
    folder = None if arguments.out is None else Folder(Path(arguments.out))
    found: Explained = (
        Explanations(())
        if folder is None
        else folder.begin(record_of(arguments, inputs.positions), resume=arguments.resume)
    )
    _need_same_rows(found, work)
    try:
        for part in bar.over(run_work(work, len(found)), len(work.x), len(found)):
            if folder is not None:
                folder.add(part, len(found))
            if pictures is not None and folder is not None:
                pictures.save_pictures(part, folder.path, len(found))
            found = joined_alike([found, part]) if len(found) else part
    except KeyboardInterrupt as interrupt:
        _print(found, arguments, complete=False)
        saved = "" if folder is None else f"; they are saved in {folder.path}, go on with --resume"
        _tell(f"interrupted after {len(found)} of {len(work.x)} rows{saved if len(found) else ''}")
        raise Interrupted(found) from interrupt
    rest = rows_left(work, len(found))
    _print(found, arguments, complete=not rest)
    if rest:
        again = "" if folder is None else f"; what is there is saved in {folder.path}, go on with --resume"
        _tell(rest + again)
        raise OutOfTime
    if folder is not None and not arguments.quiet:
        again = f"print them again with: onlyif show {folder.path}"
        _tell(f"saved {counted(len(found), 'explanation')} in {folder.path}; {again}")


def show_command(arguments: Namespace) -> None:
    """`onlyif show`."""
    found = load_folder(arguments.folder)
    chosen = chosen_rows(arguments.rows, len(found))
    _print(many(found[chosen]), arguments, complete=True)


_COMMANDS: Mapping[str, Callable[[Namespace], None]] = {"explain": explain_command, "show": show_command}


def _work(arguments: Namespace, inputs: Inputs, meter: Meter) -> AnyWork:
    return any_work(inputs.model, inputs.rows, inputs.background, options_of(arguments, inputs), meter)


def _pictures() -> Any:
    try:
        return import_module("onlyif.cli.pictures")
    except ModuleNotFoundError as error:
        raise missing("matplotlib", "plots", "--plots") from error


def _need_same_rows(found: Explained, work: AnyWork) -> None:
    labels = [str(subject.row) for subject in work.subjects]
    if [str(item.row) for item in found] != labels[: len(found)]:
        raise StorageError("the saved explanations are not of the first rows; name another folder with --out")


def _print(found: Explained, arguments: Namespace, *, complete: bool) -> None:
    if arguments.json:
        print(json_text(found, complete=complete))
    elif len(found):
        width = terminal_width()
        whole = arguments.details or len(found) == 1
        print((full_text if whole else table_text)(found, width))


def _failed(error: Exception, *, debug: bool) -> int:
    code = exit_code(error)
    if debug:
        traceback.print_exception(error)
    if code == UNEXPECTED:
        _tell(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
    else:
        _tell(str(error))
    return code


def _tell(text: str) -> None:
    sys.stderr.write(f"onlyif: {visible(text)}\n")


@contextmanager
def _warnings_as_lines(*, quiet: bool) -> Iterator[None]:
    def line(message: Warning | str, *_: object, **__: object) -> None:
        _tell(f"note: {' '.join(str(message).split())}")

    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        warnings.showwarning = line
        yield
