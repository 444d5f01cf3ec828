"""Results that are kept part by part: a run that was ended goes on where it was."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd
from outputs import save_frame


def kept(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """A table that is read where it was made before, and otherwise made and written whole.

    Args:
        path: Its CSV.
        make: What makes it.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        save_frame(path, make())
        print(path.parent.name, path.name, flush=True)
    return pd.read_csv(path)


def of_each(folder: Path, names: Iterable[str], make: Callable[[int], pd.DataFrame]) -> pd.DataFrame:
    """One table of several parts, each a CSV of its own in a folder.

    Args:
        folder: Where they are kept.
        names: The name of each part's file, without its ending.
        make: From the number of a part to its table.
    """
    tables = [kept(folder / f"{name}.csv", lambda i=i: make(i)) for i, name in enumerate(names)]
    return pd.concat(tables, ignore_index=True)
