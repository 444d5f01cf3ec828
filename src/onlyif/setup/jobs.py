"""Blocks of rows on several cores, by joblib's conventions.

Processes are joblib's default: most of the work is Python and small arrays, which threads of one process do
one after another. A process gets a block with all that is needed to explain it. Threads share the model
instead; they are for models that cannot be sent, and are chosen by joblib's own
`parallel_config(backend="threading")`.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from onlyif.answers.case import Case
from onlyif.answers.explained import explain_case
from onlyif.core.arguments import Either, Whole
from onlyif.core.errors import SettingError
from onlyif.core.extras import check_installed
from onlyif.core.progress import TimeUpError
from onlyif.explanation.explanation import Explanation
from onlyif.setup.work import Work

Found = tuple[Explanation, ...]
_DEEPEST = 8


def count_jobs(n_jobs: Any) -> int:
    """How many blocks are explained at once.

    Args:
        n_jobs: As joblib has it: None for 1, unless joblib's `parallel_config` says otherwise; -1 for all
            cores, -2 for all but one.

    Raises:
        SettingError: unless it is a whole number other than 0, or None.
        ExtraError: if joblib is needed and not installed.
    """
    wanted = Either((Whole(), None)).take("n_jobs", n_jobs)
    if wanted == 0:
        raise SettingError("n_jobs must be None or a whole number other than 0, got 0")
    if wanted == 1 or (wanted is None and "joblib" not in sys.modules):
        return 1
    check_installed("joblib", "jobs", "n_jobs")
    from joblib import effective_n_jobs

    return int(effective_n_jobs(wanted))


def blocks_in_jobs(work: Work, blocks: Sequence[slice], count: int) -> Iterator[Found]:
    """The explanations of blocks of rows, in their order; of a block that time ended those that were whole.

    Args:
        work: The work.
        blocks: The blocks.
        count: How many are explained at once.

    Raises:
        SettingError: if the model cannot be sent to another process.
    """
    from joblib import Parallel, delayed
    from joblib.parallel import get_active_backend

    planned, whole = work.planned_rows, work.whole
    if getattr(get_active_backend()[0], "uses_threads", False):
        copies = [work.apart() for _ in range(min(count, len(blocks)))]
        tasks = (delayed(_in_thread)(copies, rows) for rows in blocks)
    else:
        _check_sendable(whole.part(blocks[0]), work.setup.foundation.source.model)
        tasks = (delayed(explained_in_time)(whole.part(rows), planned) for rows in blocks)
    results = Parallel(n_jobs=count, return_as="generator")(tasks)
    try:
        for found in results:  # noqa: UP028 - what ends this must not end them before warnings are stilled
            yield found
    finally:
        with warnings.catch_warnings():
            # That blocks were begun which nobody waits for is no news: time is up, or something failed.
            warnings.simplefilter("ignore", UserWarning)
            results.close()


def explained_in_time(case: Case, planned_rows: int) -> Found:
    """The explanations of a block; none where time is up.

    Args:
        case: The block.
        planned_rows: Model rows that a row takes at most.
    """
    if case.meter.left_s <= 0:
        return ()
    case.meter.begin(len(case.subjects), len(case.subjects) * planned_rows)
    try:
        found = explain_case(case)
    except TimeUpError:
        return ()
    case.meter.end()
    return found


def _in_thread(copies: list[Work], rows: slice) -> Found:
    """A block by one of the copies of the work that no other thread uses now: each has a meter of its own."""
    work = copies.pop()
    try:
        return explained_in_time(work.whole.part(rows), work.planned_rows)
    finally:
        copies.append(work)


def _check_sendable(case: Case, model: Any) -> None:
    """Refuse what cannot be sent to another process before any is started.

    Raises:
        SettingError: naming what it is.
    """
    error = _refusal(case)
    if error is None:
        return
    place, reason = _culprit(model, f"the {type(model).__name__}", error)
    raise SettingError(
        f"n_jobs sends the model to other processes, and {place} cannot be sent ({reason}); leave n_jobs "
        'out, or share the model among threads: with joblib.parallel_config(backend="threading")'
    )


def _culprit(thing: Any, place: str, error: Exception, depth: int = 0) -> tuple[str, str]:
    """The innermost part that cannot be sent, and why; the thing itself where no part of it is to blame."""
    own = _refusal(thing)
    if own is None or depth > _DEEPEST:
        return place if own else f"what is asked of {place}", str(own or error)
    parts = {f"{place}.{name}": part for name, part in getattr(thing, "__dict__", {}).items()}
    if isinstance(thing, dict):
        parts = {f"{place}[{name!r}]": part for name, part in thing.items()}
    elif isinstance(thing, list | tuple):
        parts = {f"{place}[{i}]": part for i, part in enumerate(thing)}
    for name, part in parts.items():
        if _refusal(part) is not None:
            return _culprit(part, name, own, depth + 1)
    return place, str(own)


def _refusal(thing: Any) -> Exception | None:
    """What is raised when a thing is packed as joblib packs it for its processes; None where nothing is."""
    held = "joblib.externals.cloudpickle"
    packer = import_module(held if find_spec(held) else "cloudpickle")
    try:
        packer.dumps(thing)
    except Exception as error:  # whatever a part of the user's model raises when it is packed
        return error
    return None
