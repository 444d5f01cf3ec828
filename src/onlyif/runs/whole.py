"""From a run to all of its explanations."""

import warnings
from dataclasses import replace

from onlyif.core.errors import Interrupted, OnlyIfWarning
from onlyif.explanation.explanations import Explanations, joined
from onlyif.progress_bar import ProgressBar
from onlyif.setup.run import Run


def explanations_of(run: Run, bar: ProgressBar, jobs: int, stacklevel: int) -> Explanations:
    """All that a run explains; a warning says what was left out when time was up.

    Args:
        run: The run.
        bar: What shows how far it is.
        jobs: How many blocks are explained at once.
        stacklevel: Whose line the warning names, as `warnings.warn` counts it from here.

    Raises:
        Interrupted: on Ctrl-C, with what was finished.
    """
    finished: list[Explanations] = [Explanations((), run.backend)]
    try:
        for part in bar.over(run.parts(jobs=jobs), len(run)):
            finished.append(part)
    except KeyboardInterrupt as interrupt:
        raise Interrupted(joined(finished)) from interrupt
    found = joined(finished)
    rest = run.rows_left(len(found))
    if not rest:
        return found
    warnings.warn(rest, OnlyIfWarning, stacklevel=stacklevel)
    return replace(found, left_out=run.labels[len(found) :])
