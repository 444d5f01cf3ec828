"""How far a call has come, for `show_progress=True`, as Captum's own methods take it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

Told = Callable[[int], object]


@contextmanager
def progress(name: str, rows: int, *, shown: bool) -> Iterator[Told]:
    """A bar of the model rows that were asked for, on standard error.

    Args:
        name: What is at work.
        rows: About how many rows there will be.
        shown: Whether there is a bar at all.
    """
    with tqdm(total=rows, desc=name, unit="row", disable=not shown) as bar:
        yield bar.update
        bar.total = bar.n
        bar.refresh()
