"""What a reader should know before the sets: where they are no answer to what is usually asked."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, final

from typing_extensions import override

from onlyif.core.nouns import FEATURE, counted, plural
from onlyif.core.visible import on_one_line
from onlyif.explanation.layout import number

# Numbers that rest on fewer rows, after weighting, are told with a warning.
LOW_SAMPLE_SIZE = 10.0
# An `Explanation`, which has its statuses as a property and so is made of this module.
Told: TypeAlias = Any


@final
class StatusKind(Enum):
    """What kind of answer an explanation is."""

    EXPLAINED = "explained"
    NOTHING = "nothing to explain"
    NO_FEATURE = "no feature needed"
    NOT_PERMITTED = "no permitted set"
    OTHER_SIDE = "against the average"
    SAME_DECISION = "same decision as the average"
    EVERYTHING = "all features"
    FLAT = "one set for every α"
    NO_CAUSE = "no cause"
    AT_BASELINE = "already at the baseline"
    FEW_ROWS = "few rows"
    NO_SLOPE = "no slope"
    TIME = "time was up"


@final
@dataclass(frozen=True)
class Status:
    """What kind of answer an explanation is, and what to do about it.

    Args:
        kind: What kind of answer it is.
        sentence: What that means here.
        advice: What to do; "" where nothing needs to be done.
        title: The kind in words, where players are called what they are.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> example_explanations()[0].status.kind.value
        'explained'
    """

    kind: StatusKind
    sentence: str
    advice: str
    title: str

    @override
    def __str__(self) -> str:
        return f"{self.title}: {self.sentence} {self.advice}".strip()


_OTHERWISE = 'Explain it against rows that are decided otherwise: against="other decisions".'
_LARGER = "Allow a larger epsilon=, group columns that say the same, or choose another background."


def statuses_of(item: Told) -> tuple[Status, ...]:
    """All that a reader should know before the sets, the most important first; empty where there is nothing.

    Args:
        item: The explanation.
    """
    return tuple(
        Status(
            kind,
            said,
            _advised(item, kind, advice).format(nouns=item.nouns),
            kind.value.replace(plural(FEATURE), item.nouns).replace(FEATURE, item.noun),
        )
        for kind, (said_of, advice) in _RULES.items()
        if (said := said_of(item))
    )


def _advised(item: Told, kind: StatusKind, advice: str) -> str:
    """What is advised: of data that are no tables nothing that tables alone have."""
    return advice if item.noun == FEATURE else _ELSEWHERE.get(kind, advice)


def _nothing(item: Told) -> str:
    sure = item.details.certificate
    if sure is None or sure.informative:
        return ""
    return "the prediction cannot be told apart from the average one."


def _no_feature(item: Told) -> str:
    if _nothing(item) or "epsilon" not in item.settings or not item.reason or item.missing:
        return ""
    return f"with every {item.noun} hidden the prediction is already within ε = {number(item.epsilon)}."


def _not_permitted(item: Told) -> str:
    return item.reason if item.missing else ""


def _label(item: Told) -> str:
    return repr(on_one_line(item.target_label or str(item.target)))


def _other_side(item: Told) -> str:
    way = item.settings.get("decided")
    if way is None or _nothing(item) or (item.prediction - item.base) * float(way) >= 0:
        return ""
    where, what = ("below", "higher") if way > 0 else ("above", "lower")
    return (
        f"the {item.provenance.output} of {_label(item)} is {where} its average, although that is how the "
        f"row is decided: the sets explain why it is not {what}."
    )


def _same_decision(item: Told) -> str:
    way, threshold = item.settings.get("decided"), item.settings.get("threshold")
    if way is None or threshold is None or _nothing(item) or _other_side(item):
        return ""
    if (item.base - float(threshold)) * float(way) <= 0:
        return ""
    return (
        f"the average {item.provenance.output} of {_label(item)}, {number(item.base)}, decides as this row "
        "is decided: the sets explain what makes it more extreme, not what makes the decision."
    )


def _everything(item: Told) -> str:
    kinds = [kind for kind in ("sufficient", "necessary") if kind in item.sets]
    whole = [kind for kind in kinds if item.sets[kind].size == len(item.names) > 1]
    if not whole or _all_kept(item):
        return ""
    within = f"{' or '.join(whole)} within ε = {number(item.epsilon)}"
    return f"no smaller{_permitted(item)} set than all {counted(len(item.names), item.noun)} is {within}."


def _all_kept(item: Told) -> bool:
    return len(item.settings.get("keep", ())) == len(item.names)


def _permitted(item: Told) -> str:
    return " permitted" if item.constrained else ""


def _flat(item: Told) -> str:
    if item.details.continua is None or _nothing(item) or _all_kept(item):
        return ""
    continuum = item.continuum
    sets = {one.players for one in (*continuum.pieces, *continuum.corners)}
    only = next(iter(sets))
    if len(item.names) == 1 or len(sets) > 1 or len(only) not in {0, len(item.names)}:
        return ""
    best = f"the best{_permitted(item)} set is {f'all {item.nouns}' if only else 'empty'}"
    return f"of {continuum.rule} {best}, whatever α is."


def _no_cause(item: Told) -> str:
    return f"{item.reason}." if "cause" in item.sets and item.reason else ""


def _at_baseline(item: Told) -> str:
    if "cause" not in item.sets or _no_cause(item) or not item.details.baseline:
        return ""
    at = item.details.baseline
    if any(item.values[i] != at[i] for i in item.cause.players):
        return ""
    return f"{counted(item.cause.size, item.noun)} of the cause have the baseline's values in this row."


def _few_rows(item: Told) -> str:
    rows = item.settings.get("effective_rows")
    return "" if rows is None else f"some numbers rest on {number(float(rows))} rows, after weighting."


def _time(item: Told) -> str:
    return "not all subsets that the search wanted were compared." if item.settings.get("stopped") else ""


def _no_slope(item: Told) -> str:
    if item.settings.get("felt", True) or _nothing(item):
        return ""
    return "the model's gradient was 0 at every step, so that nothing led the sets: they say little."


_RULES: Mapping[StatusKind, tuple[Callable[[Told], str], str]] = {
    StatusKind.NOTHING: (_nothing, f"Choose a background that differs from this row. {_OTHERWISE}"),
    StatusKind.NO_FEATURE: (_no_feature, f"A smaller epsilon= asks for more. {_OTHERWISE}"),
    StatusKind.NOT_PERMITTED: (_not_permitted, "Permit more {nouns}, or allow a larger epsilon=."),
    StatusKind.NO_CAUSE: (_no_cause, "Choose another baseline=, or a smaller c."),
    StatusKind.OTHER_SIDE: (_other_side, _OTHERWISE),
    StatusKind.SAME_DECISION: (_same_decision, _OTHERWISE),
    StatusKind.EVERYTHING: (_everything, _LARGER),
    StatusKind.FLAT: (_flat, _LARGER),
    StatusKind.AT_BASELINE: (_at_baseline, "Choose another baseline=: these {nouns} did not change."),
    StatusKind.FEW_ROWS: (_few_rows, "Take more background rows or a wider kernel before you trust it."),
    StatusKind.NO_SLOPE: (
        _no_slope,
        "Explain logits or another output that is not rounded or saturated, or patches: modality=Images(8).",
    ),
    StatusKind.TIME: (_time, "Give it more time_limit=, or fewer {nouns}."),
}
_OTHER_OUTPUT = "Explain another target=, or another output=."
# Instead of the advice for tables, where data are of another kind.
_ELSEWHERE: Mapping[StatusKind, str] = {
    StatusKind.NOTHING: f"Hiding its {{nouns}} changes nothing here. {_OTHER_OUTPUT}",
    StatusKind.NO_FEATURE: "A smaller epsilon= asks for more.",
    StatusKind.NO_CAUSE: "Choose a smaller c.",
    StatusKind.OTHER_SIDE: _OTHER_OUTPUT,
    StatusKind.SAME_DECISION: _OTHER_OUTPUT,
    StatusKind.EVERYTHING: "Allow a larger epsilon=.",
    StatusKind.FLAT: "Allow a larger epsilon=.",
}
EXPLAINED = Status(StatusKind.EXPLAINED, "", "", StatusKind.EXPLAINED.value)
