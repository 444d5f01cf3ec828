"""A piece of work by either criterion: sets, or causes."""

from typing import Any

from onlyif.core.progress import Meter
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.explained import Explained
from onlyif.explanation.explanations import Explanations
from onlyif.predictors.own_answers import OwnAnswers
from onlyif.recipes.causal_work import CausalWork, prepare_causes
from onlyif.recipes.options import Options, criterion_of
from onlyif.recipes.prepare import Work, prepare

AnyWork = Work | CausalWork


def any_work(model: Any, rows: Any, background: Any, options: Options, meter: Meter | None = None) -> AnyWork:
    """A piece of work by the criterion of the options, with every input checked.

    Args:
        model: The user's model.
        rows: The rows to explain.
        background: The background.
        options: All that can be chosen.
        meter: What counts the work, shows it, and ends it when time is up.
    """
    causes = criterion_of(options.criterion)
    if causes is None:
        return prepare(model, rows, background, options, meter)
    return prepare_causes(model, rows, background, options, causes, meter)


def nothing_yet(work: AnyWork) -> Explained:
    """No explanation of a piece of work, of the kind that it makes.

    Args:
        work: The work.
    """
    if isinstance(work, CausalWork):
        return CausalExplanations((), work.backend)
    return Explanations((), work.backend)


def answers_of(work: AnyWork) -> OwnAnswers | None:
    """What the model answered to the rows of a piece of work, if that is known.

    Args:
        work: The work.
    """
    return work.whole.own if isinstance(work, CausalWork) else work.own
