"""`summary`: what many explanations have in common."""

from onlyif.core.errors import SettingError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations, collected
from onlyif.explanation.summaries import Summary, summary_of


def summary(explanations: Explanation | Explanations) -> Summary:
    """How often each player is in which set, with the means of the measures of the sets.

    Gaps of fresh draws are taken where there are any: those that a search has
    minimised are too small on average.

    Args:
        explanations: One or more rows. A player's shares are among the rows that have it.

    Raises:
        SettingError: if there is no explanation.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> summary(example_explanations()).players[0].shares["sufficient"]
        Share(count=2, total=3)
    """
    whole = collected(explanations)
    if not whole.items:
        raise SettingError("a summary needs at least one explanation, got none")
    return summary_of(whole.items, whole.backend)
