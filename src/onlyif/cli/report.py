"""`onlyif report`: one page for a browser, of what a folder holds."""

import argparse
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from onlyif.cli.commands import add_command, add_quiet
from onlyif.cli.printing import Progress
from onlyif.cli.saving import Folder
from onlyif.core.errors import SettingError, StorageError
from onlyif.core.nouns import PIXEL
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.page.document import Page, page_of
from onlyif.explanation.storage import load, saved_in

_EXAMPLES = """\
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
    told = "write explanations that --out or onlyif.save wrote as one page for a browser"
    made = add_command(commands, "report", told, _EXAMPLES)
    made.add_argument("folder", metavar="DIR", help="the folder that was named with --out")
    made.add_argument("--out", metavar="FILE", help="the page (default: report.html in the folder)")
    made.add_argument("--title", help="what the page is called (default: the folder's name)")
    add_quiet(made)


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
            loaded = load(file).items
        except (StorageError, SettingError) as error:
            # Whoever is given the page need not know where the folder lies.
            missing[file.name] = str(error).replace(f"{folder.place}{os.sep}", "")
        else:
            items += loaded
            missing |= _without_images(file.name, loaded)
    missing |= _unfinished(folder, len(items))
    target = folder.path / "report.html" if arguments.out is None else arguments.out
    title = folder.place.resolve().name if arguments.title is None else arguments.title
    return Page(page_of(items, title, missing)).write(target), missing


def _without_images(name: str, items: Sequence[Explanation]) -> Mapping[str, str]:
    """Images that a file lacks: sets of their pixels are drawn without them."""
    lacking = [str(one.row) for one in items if one.noun == PIXEL and one.details.picture is None]
    if not lacking:
        return {}
    rows = ", ".join(dict.fromkeys(lacking))
    return {name: f"the images of {rows}: save the explanations .with_images(images)"}


def _unfinished(folder: Folder, finished: int) -> Mapping[str, str]:
    """Rows of a run that are not there."""
    try:
        progress = Progress(finished, folder.rows())
    except StorageError as error:
        return {"run.json": str(error)}
    return {} if progress.complete else {"rows": progress.sentence}
