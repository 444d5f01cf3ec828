"""`onlyif report`: one page for a browser, of what a folder holds."""

import argparse
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onlyif.cli.exits import EXIT_TEXT
from onlyif.cli.printing import Progress
from onlyif.cli.saving import Folder
from onlyif.core.errors import SettingError, StorageError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.page.document import Page, page_of
from onlyif.explanation.storage import load, saved_in

_EXAMPLES = """\
examples:
  a page of what a run saved, in results/report.html
    onlyif report results/

  of what onlyif.save wrote, under a name and a title of one's own
    onlyif report audit/ --out audit.html --title "Declined in March"
"""


def add_report(commands: "argparse._SubParsersAction[Any]") -> None:
    """The command's arguments.

    Args:
        commands: All commands.
    """
    made = commands.add_parser(
        "report",
        help="write explanations that --out or onlyif.save wrote as one page for a browser",
        description="Write the explanations of a folder as one page for a browser, which needs no network.",
        epilog=f"{_EXAMPLES}\n{EXIT_TEXT}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.set_defaults(command="report", json=False)
    made.add_argument("folder", metavar="DIR", help="the folder that was named with --out")
    made.add_argument("--out", metavar="FILE", help="the page (default: report.html in the folder)")
    made.add_argument("--title", help="what the page is called (default: the folder's name)")
    made.add_argument("--quiet", action="store_true", help="no notes on stderr")
    made.add_argument("--debug", action="store_true", help="show where an error comes from")


def report(arguments: Namespace) -> tuple[Path, Mapping[str, str]]:
    """Write the page; a file that cannot be read is named on it, and the others are there.

    Args:
        arguments: Those of the command.

    Returns:
        The page's path, and what is not on it with the reason.

    Raises:
        StorageError: if the folder holds no explanations, or the page cannot be written.
    """
    folder = Folder.named(arguments.folder)
    files = saved_in(folder.place)
    if not files:
        raise StorageError(f"{folder.path} holds no saved explanations: need files named *.onlyif.json")
    items: list[Explanation] = []
    missing = {}
    for file in files:
        try:
            items += load(file).items
        except (StorageError, SettingError) as error:
            missing[file.name] = str(error)
    missing |= _unfinished(folder, len(items))
    target = folder.path / "report.html" if arguments.out is None else arguments.out
    title = folder.place.resolve().name if arguments.title is None else arguments.title
    return Page(page_of(items, title, missing)).write(target), missing


def _unfinished(folder: Folder, finished: int) -> Mapping[str, str]:
    """Rows of a run that are not there."""
    try:
        progress = Progress(finished, folder.rows())
    except StorageError as error:
        return {"run.json": str(error)}
    return {} if progress.complete else {"rows": progress.sentence}
