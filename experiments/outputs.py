"""What an experiment leaves behind: tables, pages and pictures, each there whole or not at all."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onlyif.core.whole_files import write_whole


def save_text(path: Path, text: str) -> None:
    """A text in UTF-8."""
    write_whole(path, text.encode("utf-8"))


def save_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """A CSV of equal dictionaries."""
    held = io.StringIO(newline="")
    writer = csv.DictWriter(held, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    save_text(path, held.getvalue())


def save_frame(path: Path, frame: Any, **how: Any) -> None:
    """A pandas frame as CSV, without its index."""
    save_text(path, frame.to_csv(index=False, **how))


def save_figure(path: Path, figure: Any, **how: Any) -> None:
    """A matplotlib figure as PNG."""
    held = io.BytesIO()
    figure.savefig(held, format="png", **how)
    write_whole(path, held.getvalue())
