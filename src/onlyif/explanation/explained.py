"""What can be explained in two ways, sets or causes, handled alike: text, summary, joining."""

from collections.abc import Iterable

from onlyif.core.arguments import Whole
from onlyif.core.errors import SettingError
from onlyif.explanation import summary as of_sets
from onlyif.explanation import text as text_of_sets
from onlyif.explanation.causal import CausalExplanation
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.causal_summary import CausalSummary, summary_of_causes
from onlyif.explanation.causal_text import causal_text
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations, collected, joined

Explained = Explanations | CausalExplanations
OneExplained = Explanation | CausalExplanation


def explanation_text(item: OneExplained, width: int = 100) -> str:
    """All that an explanation says, in words beside the paper's symbols.

    Args:
        item: The explanation of one row.
        width: Longest line, in characters; at least 60 are used.

    Raises:
        SettingError: if it is no single explanation, or the width no whole number.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> print(explanation_text(example_explanations()[0]))
        Row 0: probability of 'yes' (python function)
        ...
    """
    longest = Whole().take("width", width)
    match item:
        case CausalExplanation():
            return causal_text(item, longest)
        case Explanation():
            return text_of_sets.explanation_text(item, longest)
        case _:
            raise not_one(item, "explanation_text")


def not_one(given: object, user: str) -> SettingError:
    """The error for what is no single explanation.

    Args:
        given: What was given.
        user: What needs one.
    """
    hint = ""
    if isinstance(given, Explanations | CausalExplanations):
        hint = f" of {len(given)} rows: choose one, as found[0]"
    return SettingError(f"{user} takes the explanation of one row, got {type(given).__name__}{hint}")


def summary(explanations: OneExplained | Explained) -> of_sets.Summary | CausalSummary:
    """How often each player is in the sets or in the cause, with mean gaps or mean PNS.

    Args:
        explanations: One or more rows. A player's shares are among the rows that have it.

    Raises:
        SettingError: if there is no explanation.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> summary(example_explanations()).players[0].sufficient
        Share(count=2, total=3)
    """
    match many(explanations):
        case CausalExplanations() as found:
            return summary_of_causes(found)
        case Explanations() as found:
            return of_sets.summary(found)
        case _:
            raise SettingError(f"cannot sum up a {type(explanations).__name__}; need explanations")


def many(given: OneExplained | Explained) -> Explained:
    """One explanation or many, as a collection.

    Args:
        given: One or many.

    Raises:
        SettingError: if it is neither.
    """
    match given:
        case CausalExplanation():
            return CausalExplanations((given,))
        case CausalExplanations():
            return given
        case Explanation() | Explanations():
            return collected(given)
        case _:
            raise SettingError(
                "need an explanation, or explanations as onlyif.explain gives them, "
                f"got {type(given).__name__} {str(given)[:60]!r}"
            )


def joined_alike(parts: Iterable[Explained]) -> Explained:
    """All explanations of several collections of one kind, in order.

    Args:
        parts: The collections; empty ones fit any kind.

    Raises:
        SettingError: if some hold sets and others causes.
    """
    held = list(parts)
    filled = [part for part in held if len(part)] or held[:1]
    causes = [part for part in filled if isinstance(part, CausalExplanations)]
    sets = [part for part in filled if isinstance(part, Explanations)]
    if causes and sets:
        raise SettingError(
            "cannot join explanations by sets and explanations by causes: load them one by one"
        )
    if causes:
        backend = next((part.backend for part in causes if part.backend), "")
        left_out = tuple(row for part in causes for row in part.left_out)
        return CausalExplanations(tuple(item for part in causes for item in part.items), backend, left_out)
    return joined(sets)
