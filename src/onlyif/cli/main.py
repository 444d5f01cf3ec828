"""`onlyif`: read, call one function, print."""

import sys
import traceback
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from importlib import import_module
from typing import Any, NoReturn

from onlyif.cli.arguments import WrongUsageError, parsed, parser
from onlyif.cli.completion import completion_script
from onlyif.cli.config import RUN_CONFIG, config_text
from onlyif.cli.dataset import write_dataset
from onlyif.cli.digests import code_digests
from onlyif.cli.doctor import doctor_report
from onlyif.cli.exits import INTERRUPTED, OK, OUT_OF_TIME, PIPE_CLOSED, UNEXPECTED, exit_code
from onlyif.cli.inputs import Inputs, read_inputs
from onlyif.cli.measure import measured, measured_record, measured_text
from onlyif.cli.printing import (
    Progress,
    error_json,
    fault_of,
    forecast_json,
    full_text,
    json_text,
    strict_json,
    table_text,
    terminal_width,
)
from onlyif.cli.record import record_of
from onlyif.cli.report import report
from onlyif.cli.rows import chosen_rows
from onlyif.cli.saving import Folder
from onlyif.cli.settings import need_together, need_use, options_of, unused
from onlyif.cli.spoken import spoken
from onlyif.cli.streams import Results, results_apart, tell
from onlyif.core.errors import Interrupted, ModelError, OnlyIfError, StorageError
from onlyif.core.extras import missing
from onlyif.core.nouns import counted
from onlyif.core.progress import Meter, meter_of
from onlyif.explanation.explanations import Explanations, collected, joined
from onlyif.explanation.storage import load_folder
from onlyif.explanation.summary import summary
from onlyif.progress_bar import progress_bar
from onlyif.runs.rows import RowsRun, run_against, run_of
from onlyif.setup.foundation import Source
from onlyif.setup.jobs import count_jobs
from onlyif.setup.prepare import prepare


def run() -> NoReturn:
    """The entry point of the command `onlyif`."""
    if sys.stdout is None:
        tell("there is no stdout to print results on")
        raise SystemExit(exit_code(StorageError()))
    sys.stdout = results = results_apart()
    code = main(sys.argv[1:])
    Results(results).let_go()
    # What code of the user's prints when the process ends is no result either.
    sys.stdout = sys.stderr
    raise SystemExit(code)


def main(argv: Sequence[str]) -> int:
    """Run one command; the exit code says how it ended.

    Args:
        argv: The arguments, without the program's name.
    """
    results = Results(sys.stdout)
    try:
        arguments = parsed(argv)
    except SystemExit as left:
        return int(left.code or OK)
    except OnlyIfError as error:
        if "--json" in argv:
            results.write(error_json(error, exit_code(error)))
        if not isinstance(error, WrongUsageError):
            tell(spoken(str(error)))
        return exit_code(error)
    arguments.results, arguments.told = results, False
    code = _code_of(arguments)
    if code != OK:
        arguments.results.let_go()
    return code


def _code_of(arguments: Namespace) -> int:
    try:
        with redirect_stdout(sys.stderr), _warnings_as_lines(quiet=arguments.quiet):
            _COMMANDS[arguments.command](arguments)
            arguments.results.flush()
    except BrokenPipeError:
        return PIPE_CLOSED
    except (OutOfTime, KeyboardInterrupt) as end:
        return _ended(end)
    except SystemExit as left:
        return _failed(
            ModelError(f"code of yours or of a library ended the program: {_told(left)}"), arguments
        )
    except Exception as error:
        return _failed(error, arguments)
    return OK


def _ended(end: BaseException) -> int:
    match end:
        case OutOfTime():
            return OUT_OF_TIME
        case Interrupted():
            return INTERRUPTED
    tell("interrupted")
    return INTERRUPTED


class OutOfTime(Exception):  # noqa: N818 - no error: what was finished was printed and saved
    """The time limit left rows out."""


def explain_command(arguments: Namespace) -> None:
    """`onlyif explain`."""
    need_together(arguments)
    need_use(arguments)
    pictures, jobs = _pictures() if arguments.plots else None, count_jobs(arguments.jobs)
    folder = None if arguments.out is None else Folder.named(arguments.out)
    inputs = read_inputs(arguments)
    bar = progress_bar(False if arguments.quiet else None)
    rows = _run(arguments, inputs, meter_of(arguments.time_limit, bar))
    if arguments.estimate:
        told = rows.forecast()
        arguments.results.write(forecast_json(told) if arguments.json else str(told))
        return
    total, found = len(rows), _begun(arguments, inputs, rows, folder)
    if folder is not None and pictures is not None:
        pictures.save_missing_pictures(found, folder.place)
    try:
        for part in bar.over(rows.parts(len(found), jobs), total, len(found)):
            first = len(found)
            if folder is not None:
                folder.add(part, first)
            found = joined([found, part]) if first else part
            if pictures is not None and folder is not None:
                pictures.save_pictures(part, folder.place, first)
    except (Exception, SystemExit, KeyboardInterrupt) as stopped:
        found = _kept(found, folder)
        _print_unfinished(found, arguments, Progress(len(found), total), stopped)
        if isinstance(stopped, KeyboardInterrupt):
            raise Interrupted(found) from stopped
        raise
    rest = rows.rows_left(len(found))
    _print(found, arguments, Progress(len(found), total))
    if rest:
        again = "" if folder is None else f"; what is there is saved in {folder.path}, go on with --resume"
        tell(rest + again)
        raise OutOfTime
    if folder is not None and not arguments.quiet:
        again = f"print them again with: onlyif show {folder.path}"
        tell(f"saved {counted(len(found), 'explanation')} in {folder.path}; {again}")


def _kept(found: Explanations, folder: Folder | None) -> Explanations:
    """What was finished, with a block that was saved in the moment in which the run stopped."""
    if folder is not None:
        # A folder that cannot be read is no reason to hide why the run stopped.
        with suppress(StorageError):
            return folder.held()
    return found


def _begun(arguments: Namespace, inputs: Inputs, rows: RowsRun, folder: Folder | None) -> Explanations:
    """What the folder holds of this run already."""
    if not arguments.quiet:
        for sentence in unused(arguments, rows.portions[0].work):
            tell(f"note: {sentence}")
    if folder is None:
        return Explanations(())
    # Code that is imported when the model is first asked is loaded by now.
    code = code_digests(arguments.model_from, inputs.here)
    found = folder.begin(record_of(arguments, inputs, rows.answers, code), resume=arguments.resume)
    _need_same_rows(found, rows)
    folder.note(RUN_CONFIG, config_text(arguments, parser().parse_args(["explain", "--data", ""])))
    return found


def report_command(arguments: Namespace) -> None:
    """`onlyif report`."""
    written, missing = report(arguments)
    if missing and not arguments.quiet:
        tell(f"note: not all is on the page: {'; '.join(f'{name}: {why}' for name, why in missing.items())}")
    arguments.results.write(str(written))


def show_command(arguments: Namespace) -> None:
    """`onlyif show`."""
    folder = Folder.named(arguments.folder)
    found = load_folder(folder.place)
    chosen = chosen_rows(arguments.rows, len(found))
    _print(collected(found[chosen]), arguments, Progress(len(found), folder.rows()))


def measure_command(arguments: Namespace) -> None:
    """`onlyif measure`."""
    found = measured(arguments, parsed)
    results: Results = arguments.results
    if arguments.markdown:
        results.write(summary(found).to_markdown().rstrip("\n"))
    elif arguments.json:
        results.write(strict_json(measured_record(found), ascii_only=True))
    else:
        results.show(measured_text(found, terminal_width(), rows=arguments.further is not None))


def dataset_command(arguments: Namespace) -> None:
    """`onlyif dataset`."""
    for path in write_dataset(arguments):
        arguments.results.write(str(path))


def completion_command(arguments: Namespace) -> None:
    """`onlyif completion`."""
    arguments.results.write(completion_script(arguments.shell, parser()))


def doctor_command(arguments: Namespace) -> None:
    """`onlyif doctor`."""
    write = arguments.results.write if arguments.json else arguments.results.show
    write(doctor_report(as_json=arguments.json))


_COMMANDS: Mapping[str, Callable[[Namespace], None]] = {
    "explain": explain_command,
    "show": show_command,
    "report": report_command,
    "measure": measure_command,
    "dataset": dataset_command,
    "completion": completion_command,
    "doctor": doctor_command,
}


def _run(arguments: Namespace, inputs: Inputs, meter: Meter) -> RowsRun:
    options = options_of(arguments, inputs)
    if arguments.against is None:
        return run_of(prepare(inputs.model, inputs.rows, inputs.background, options, meter))
    source = Source(inputs.model, inputs.background, options)
    return run_against(source, inputs.rows, arguments.against, meter)


def _pictures() -> Any:
    try:
        return import_module("onlyif.cli.pictures")
    except ModuleNotFoundError as error:
        raise missing("matplotlib", "plots", "--plots") from error


def _need_same_rows(found: Explanations, rows: RowsRun) -> None:
    labels = [str(label) for label in rows.labels]
    if [str(item.row) for item in found] != labels[: len(found)]:
        raise StorageError("the saved explanations are not of the first rows; name another folder with --out")


def _print(
    found: Explanations, arguments: Namespace, progress: Progress, stopped: BaseException | None = None
) -> None:
    results: Results = arguments.results
    if arguments.json:
        fault = {} if stopped is None else fault_of(stopped, exit_code(stopped))
        text = json_text(found, progress, fault)
        results.write(text if results.holds(text) else json_text(found, progress, fault, ascii_only=True))
    elif len(found):
        width = terminal_width()
        whole = arguments.details or len(found) == 1
        results.show((full_text if whole else table_text)(found, width))
        if not progress.complete:
            results.show(f"\n! {progress.sentence}: the rest is not explained yet")


def _print_unfinished(
    found: Explanations, arguments: Namespace, progress: Progress, stopped: BaseException
) -> None:
    """What was finished before a run stopped, where it is, and how to go on."""
    interrupted = isinstance(stopped, KeyboardInterrupt)
    if not (len(found) or interrupted):
        return
    # The error that stopped the run is the one to tell, not that its results cannot be printed.
    with suppress(OSError):
        _print(found, arguments, progress, stopped)
        arguments.results.flush()
        arguments.told = True
    saved = "" if arguments.out is None else f"; they are saved in {arguments.out}, go on with --resume"
    word = "interrupted" if interrupted else "stopped by an error"
    tell(f"{word} after {len(found)} of {progress.asked} rows{saved if len(found) else ''}")


def _failed(error: BaseException, arguments: Namespace) -> int:
    code = exit_code(error)
    if arguments.debug:
        traceback.print_exception(error)
    if arguments.json and not arguments.told:
        with suppress(OSError):
            arguments.results.write(error_json(error, code))
    if code == UNEXPECTED:
        tell(f"unexpected {type(error).__name__}: {error} (--debug shows where)")
    else:
        tell(spoken(str(error)) or type(error).__name__)
    return code


def _told(left: SystemExit) -> str:
    return f"it called sys.exit({'' if left.code is None else repr(left.code)})"


@contextmanager
def _warnings_as_lines(*, quiet: bool) -> Iterator[None]:
    def line(message: Warning | str, *_: object, **__: object) -> None:
        tell(f"note: {spoken(' '.join(str(message).split()))}")

    with warnings.catch_warnings():
        if quiet:
            warnings.simplefilter("ignore")
        warnings.showwarning = line
        yield
