"""What pictures say of an explanation in words: which row, its status, its sets, what they rest on."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from onlyif.core.errors import SettingError
from onlyif.core.nouns import whole_of
from onlyif.explanation.certificate import Basis
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import one_of
from onlyif.explanation.layout import clipped, everything, number, sentence
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Direction
from onlyif.explanation.sentences import decision_of
from onlyif.explanation.verdicts import GAPS, SAME_DECISION, Finding, verdict_of
from onlyif.plots import style

CREDIT = {
    Basis.EXACT: "All sets were compared, each exactly for these rows.",
    Basis.SAMPLED: "Estimated from draws (± is one standard error); all sets were compared.",
    Basis.HEURISTIC: "Not certified: only some sets were compared.",
}
# What a picture needs, by the name of the detail or score, and which pictures draw explanations without it.
PICTURES = {
    "continua": "plot_explanation, plot_continuum or plot_plane",
    "singles": "plot_causes or plot_path",
    "soft": "plot_masks or plot_mask_montage",
    "sized": "plot_image_sets",
}
OF_PIXELS = "matplotlib's imshow on the arrays in `scores`"
LONGEST_LABEL = 24
# A mask's gap within this share of |f(x) - f_0| counts as none, as of sets where no ε is given.
MASK_EPSILON = 0.1
# What a member says to the prediction; raising and lowering it are for and against, or the other way round.
_WORDS = {Direction.DEPENDS: "depends", Direction.UNCLEAR: "unclear", Direction.NONE: "nothing"}


def one_row(given: Any, user: str, needed: str = "") -> Explanation:
    """The explanation of one row that a picture is of; of a collection of one row, that row's.

    Args:
        given: What was given.
        user: What draws it.
        needed: What the picture shows, a key of `PICTURES`; "" for any sets of players with names.

    Raises:
        SettingError: if it is several rows, none, or does not hold what is needed.
    """
    one = one_of(given, user)
    held = {
        "continua": one.details.continua is not None,
        "singles": bool(one.details.singles),
        "soft": "soft" in one.scores,
        "sized": one.details.continua is not None or bool(one.details.path),
    }
    of_pixels = isinstance(one.names, PixelNames)
    if held[needed] if needed else not of_pixels:
        return one
    # Sets of pixels have continua too, but no names to be drawn beside them.
    held["continua"] &= not of_pixels
    others = [pictures for name, pictures in PICTURES.items() if held[name]] or [
        OF_PIXELS if of_pixels else "plot_explanation"
    ]
    what = needed or "named players"
    raise SettingError(
        f"{user} needs an explanation with {what}, got one by the criterion {one.criterion!r}; "
        f"use {others[0]}"
    )


def heading(item: Explanation, name: str = "", classes: Sequence[str] = ()) -> str:
    """Which row and prediction a picture is about.

    Args:
        item: The explanation.
        name: What to call the row or image; "" is its label.
        classes: What to call the model's outputs, in their order; none are called as the model does.

    Raises:
        SettingError: if classes are given, and the explained output is none of them.
    """
    if item.compares_decisions:
        return _decision(item)
    called = _class_name(item, classes)
    label = f" of '{clipped(called, LONGEST_LABEL)}'" if called else ""
    base = number(item.base) + (f" ± {item.base_stderr:.2g}" if item.base_stderr else "")
    what = whole_of(item.noun).capitalize()
    at_one = item.against_baseline and item.provenance.values.get("n_baselines", 1) == 1
    at = "at the baseline" if at_one else "on average"
    return (
        f"{name or f'{what} {item.row}'}: {item.provenance.output}{label}, "
        f"f(x) = {number(item.prediction)}, {at} {item.base_word} = {base}"
    )


def _class_name(item: Explanation, classes: Sequence[str]) -> str:
    if not classes:
        return item.target_label
    if not item.target < len(classes):
        raise SettingError(f"need a name for output {item.target}, got {len(classes)} names of classes")
    return classes[item.target]


def _decision(item: Explanation) -> str:
    """What is decided of a row, and what of those that it is compared with."""
    against = item.provenance.sentences.get("against")
    rest = f"{everything(len(item.names), item.noun)} {'hidden' if against is None else f'as in {against}'}"
    if item.of_decisions:
        own, other = (
            f"'{clipped(item.value_text(value), LONGEST_LABEL)}'" for value in (item.prediction, item.base)
        )
        return f"Row {item.row} is decided as {own}; as {other} most often where {rest}"
    label = clipped(item.target_label or str(item.target), LONGEST_LABEL)
    decided = "as" if decision_of(item) == (item.target_label or str(item.target)) else "against"
    return (
        f"Row {item.row} is decided {decided} '{label}': {item.provenance.output} {number(item.prediction)}; "
        f"{number(item.base)} on average where {rest}"
    )


def warning(item: Explanation) -> str:
    """What a reader should know before the sets, then each advice once; "" where there is nothing."""
    told = [sentence(f"{status.title}: {status.sentence}") for status in item.statuses]
    advice = dict.fromkeys(status.advice for status in item.statuses if status.advice)
    return " ".join([*told, *advice])


def no_answer(item: Explanation) -> str:
    """Why there is nothing to draw, and what to do."""
    return warning(item) or sentence(item.reason)


def hiding(item: Explanation) -> str:
    """What hidden players are replaced by, as sentences."""
    made = item.provenance.sentences
    lead = " ".join(sentence(made[name]) for name in ("reference", "baseline") if name in made)
    return lead.replace("Hidden features", f"Hidden {item.nouns}")


def credit(item: Explanation) -> str:
    """What hiding means and what the picture rests on: below every picture."""
    lead = hiding(item)
    if item.details.certificate is not None:
        rests = CREDIT[item.certificate.basis]
        return f"{lead} {rests.replace('ll sets', 'll permitted sets') if item.constrained else rests}"
    if "cause" in item.sets:
        exact = "Exact given the sample E" if item.cause.exact else "Estimated from random perturbations"
        return f"{lead} {exact}: {item.provenance.sentences['sample']}."
    return f"{lead} {sentence(item.provenance.search)}".strip()


def stance(item: Explanation, direction: Direction) -> str:
    """What a member of this direction says to the prediction: for, against, depends, unclear or nothing."""
    return _WORDS.get(direction) or ("against" if item.speaks_against(direction) else "for")


def stances(item: Explanation, player: int) -> str:
    """What a player says to the prediction as a member of any named set; "" where none is known."""
    found = {
        stance(item, effect.direction)
        for chosen in item.sets.values()
        for member, effect in zip(chosen.players, chosen.effects, strict=False)
        if member == player
    }
    return next(iter(found)) if len(found) == 1 else "depends" if found else ""


def gap_text(item: Explanation, name: str) -> str:
    """The gap of a smallest set, or what becomes of the decision with it, in a few letters."""
    symbol, gap, side, within, beyond = _GAPS[name]
    value, measures = item.sets[name].measure(gap).value, item.sets[name].measures
    if not item.compares_decisions:
        return f"{symbol} {value:.2g}"
    word = within if value <= SAME_DECISION else beyond
    if item.of_decisions or side not in measures:
        return f"decision {word}"
    return f"{word}: {measures[side].value:.2g}"


# The symbol, gap and f of a smallest set, and what becomes of the decision within ½ and beyond.
_GAPS = {
    "sufficient": ("Δsuf", "sufficiency", "kept", "stays", "changes"),
    "necessary": ("Δnec", "necessity", "hidden", "gone", "stays"),
}


def verdict_meaning(item: Explanation) -> str:
    """What the verdicts rest on, as a sentence; "" where there are none."""
    if not item.verdicts:
        return ""
    fresh = any(one.fresh for one in item.verdicts.values())
    return f"Whether a set holds was tried on {'rows that the search never saw' if fresh else 'these rows'}."


def verdicts(item: Explanation) -> str:
    """Whether the smallest sets hold, as a sentence; "" where there are none."""
    told = "; ".join(f"{kind}: {one.finding.value}" for kind, one in item.verdicts.items())
    return sentence(told) if told else ""


def is_sure(item: Explanation) -> bool:
    """Whether every verdict is that the set holds."""
    return all(one.finding is Finding.HOLDS for one in item.verdicts.values())


def mask_verdict(item: Explanation) -> str:
    """Whether a mask is sufficient (α > 0) and necessary (α < 1), within a tenth of |f(x) - f_0|.

    Its gaps were estimated on draws that the search never saw, so that they can be tested as those of rows.
    """
    chosen, epsilon = item.unified, MASK_EPSILON * abs(item.prediction - item.base)
    fresh = {f"fresh_{gap}": chosen.measure(gap) for gap in GAPS.values()}
    tried = replace(chosen, measures={**chosen.measures, **fresh})
    kinds = {"sufficient": item.alpha > 0.0, "necessary": item.alpha < 1.0}
    return "\n".join(
        f"{kind}: {verdict_of(tried, kind, epsilon).finding.value}"
        for kind, needed in kinds.items()
        if needed
    )


def player_order(item: Explanation) -> list[int]:
    """The players as every picture of a row shows them: the largest score first, else as in the table."""
    for scores in [*item.scores.values()][:1]:
        return [int(i) for i in np.argsort(-np.abs(scores), kind="stable")]
    return [*range(len(item.names))]


def status_title(item: Explanation) -> str:
    """The status of an explanation that has nothing else to show, as a title."""
    return item.status.title.capitalize()


def ways_meaning(item: Explanation) -> str:
    """What "for" and "against" mean, as a sentence; "" where no directions are known."""
    if not any(chosen.effects for chosen in item.sets.values()):
        return ""
    does = "moves the prediction away from what it is compared with, or back to it"
    if item.compares_decisions:
        does = "makes the decision more probable, or less"
    return f"for, against: the {item.noun} {does}, both alone and beside the other members."


def named_values(item: Explanation, players: list[int]) -> list[str]:
    """Labels of players, as "age = 39", not longer than fits beside a picture."""
    values = [clipped(item.values[i], style.LONGEST_NAME // 2) for i in players]
    return [
        f"{style.shortened(item.names[i], style.LONGEST_NAME - len(value))} = {value}"
        for i, value in zip(players, values, strict=True)
    ]
