"""One explanation as plain text, for a reader who does not know the paper."""

import math

from onlyif.core.visible import visible
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.layout import aligned, counted, error, everything, gap_text, number, sentence, wrapped
from onlyif.explanation.selection import Selection


def explanation_text(item: Explanation, width: int = 100) -> str:
    """All that an explanation says, in words beside the paper's symbols.

    Args:
        item: The explanation of one row.
        width: Longest line, in characters; at least 60 are used.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> print(explanation_text(example_explanations()[0]))
        Row 0: probability of 'yes' (python function)
          f(x) = 0.93  the prediction for this row
          f_0  = 0.2   the average prediction, when all 3 features are hidden
        ...
    """
    width = max(width, 60)
    sections = [
        _heading(item, width),
        _sufficient(item, width),
        _necessary(item, width),
        _unified(item, width),
        _continuum(item, width),
        _certainty(item, width),
        _provenance(item, width),
        [wrapped(note, width, "  ! ", "    ") for note in item.notes],
    ]
    return visible("\n\n".join("\n".join(lines) for lines in sections if lines))


def empty_reason(item: Explanation) -> str:
    """Why an explanation's sufficient and necessary sets are empty, as one sentence; "" when they are not.

    Both hold for the empty set exactly when ρ(f(x), f_0) <= ε: hiding nothing and hiding
    everything then give nearly the same prediction.
    """
    if item.sufficient.size and item.necessary.size:
        return ""
    distance = gap_text(item.total_gap)
    if not item.certificate.informative:
        return (
            f"The prediction cannot be told apart from the average one (they differ by {distance}), "
            "so there is nothing to explain."
        )
    return (
        f"With every feature hidden the prediction is already within ε = {number(item.epsilon)} of f(x) "
        f"(they differ by {distance}), so no feature is needed."
    )


def value_pairs(item: Explanation, chosen: Selection) -> list[str]:
    """The members of a set with their values, as "age = 39"."""
    return [f"{item.names[i]} = {item.values[i]}" for i in chosen.players]


def size_rule(item: Explanation) -> str:
    """The explanation's size rule in words, as "at most 3 features"."""
    return f"{'exactly' if item.exact_size else 'at most'} {counted(item.size, 'feature')}"


def _heading(item: Explanation, width: int) -> list[str]:
    made = item.provenance
    prediction, base = number(item.prediction), number(item.base) + error(item.base_stderr)
    pad = max(len(prediction), len(base))
    distance = (
        f"The two differ by {gap_text(item.total_gap)}. Below, 'close' means within "
        f"ε = {number(item.epsilon)} (distance: {made.distance})."
    )
    named = f" of '{item.target_label}'" if item.target_label else ""
    warning = "The prediction cannot be told apart from the average one: there is nothing to explain."
    return [
        wrapped(f"Row {item.row}: {made.output}{named} ({made.predictor})", width, ""),
        f"  f(x) = {prediction:<{pad}}  the prediction for this row",
        f"  f_0  = {base:<{pad}}  the average prediction, when {everything(len(item.names))} hidden",
        wrapped(distance, width),
        *([] if item.certificate.informative else [wrapped(warning, width, "  ! ", "    ")]),
    ]


def _sufficient(item: Explanation, width: int) -> list[str]:
    return _smallest(item, item.sufficient, "KEEP THESE AND THE PREDICTION STAYS", "sufficient", width)


def _necessary(item: Explanation, width: int) -> list[str]:
    title = "HIDE THESE AND THE PREDICTION IS GONE, BACK TO THE AVERAGE"
    return _smallest(item, item.necessary, title, "necessary", width)


def _smallest(item: Explanation, chosen: Selection, title: str, kind: str, width: int) -> list[str]:
    what = f"smallest{_found(item)} ε-{kind} set: {chosen.size} of {len(item.names)}"
    return [wrapped(f"{title} ({what})", width, ""), *_members(item, chosen, width), *_gaps(chosen, width)]


def _unified(item: Explanation, width: int) -> list[str]:
    chosen = item.unified
    title = (
        f"BEST OF BOTH with {size_rule(item)}, at α = {number(item.alpha)} "
        f"(α = 1 asks only that the prediction stays, α = 0 only that it is gone)"
    )
    ties = f"; {chosen.n_ties} sets tie, the smallest and then first is shown" if chosen.n_ties > 1 else ""
    least = f"the least{_found(item) or ' possible'}{ties}"
    uni = f"Δuni = α Δsuf + (1 - α) Δnec = {number(chosen.unified(item.alpha))}, {least}"
    return [
        wrapped(title, width, ""),
        *_members(item, chosen, width),
        *_gaps(chosen, width),
        wrapped(uni, width, "  ", "    "),
    ]


def _found(item: Explanation) -> str:
    return " found" if item.certificate.basis is Basis.HEURISTIC else ""


def _members(item: Explanation, chosen: Selection, width: int) -> list[str]:
    if chosen.size:
        return [wrapped(pair, width, "    ", "      ") for pair in value_pairs(item, chosen)]
    reason = empty_reason(item) or "No allowed set does better than the empty one."
    return [wrapped(f"none: {reason}", width, "    ", "    ")]


def _gaps(chosen: Selection, width: int) -> list[str]:
    fresh_suf, fresh_nec = ("", "")
    if chosen.fresh:
        fresh_suf, fresh_nec = (f" (fresh draws: {gap_text(gap)})" for gap in chosen.fresh)
    keep = f"keeping only these moves the prediction by Δsuf = {gap_text(chosen.sufficiency)}{fresh_suf}"
    hide = f"hiding only these leaves it off the average by Δnec = {gap_text(chosen.necessity)}{fresh_nec}"
    return [wrapped(line, width, "  ", "    ") for line in (keep, hide)]


def _continuum(item: Explanation, width: int) -> list[str]:
    title = f"FROM NECESSARY (α = 0) TO SUFFICIENT (α = 1): the best sets{_found(item)} of {size_rule(item)}"
    return [wrapped(title, width, ""), *_continuum_table(item.continuum, width)]


def _continuum_table(held: Continuum, width: int) -> list[str]:
    rows: list[tuple[str, Selection]] = []
    for i, piece in enumerate(held.pieces):
        low, high = held.breakpoints[i : i + 2]
        rows += [(f"at {number(low)}", held.corners[i]), (f"{number(low)} to {number(high)}", piece)]
    rows.append((f"at {number(held.breakpoints[-1])}", held.corners[-1]))
    cells = [
        [place, gap_text(s.sufficiency), gap_text(s.necessity), str(s.n_ties) if s.n_ties > 1 else "", str(s)]
        for place, s in rows
    ]
    return aligned(["α", "Δsuf", "Δnec", "ties", "set"], cells, width=width)


def _certainty(item: Explanation, width: int) -> list[str]:
    sure = item.certificate
    said = [
        sentence(sure.basis.value),
        *_supersets(sure),
        *_many(item),
        *_lemma(item),
        *_two_players(sure),
        *_meeting(item),
    ]
    return ["HOW CERTAIN IS THIS", *(wrapped(line, width, "  - ", "    ") for line in said)]


def _supersets(sure: Certificate) -> list[str]:
    return [
        _superset("sufficient", "Δsuf", sure.super_sufficient, sure.worst_sufficiency, sure.epsilon),
        _superset("necessary", "Δnec", sure.super_necessary, sure.worst_necessity, sure.epsilon),
    ]


def _superset(kind: str, symbol: str, whether: bool | None, worst: float | None, epsilon: float) -> str:
    reached = "" if worst is None else f": {symbol} is at most {number(worst)}, and ε = {number(epsilon)}"
    if whether is None:
        return f"Whether the {kind} set stays {kind} when features are added is not known."
    if whether:
        return f"The {kind} set stays {kind} whatever features are added to it{reached}."
    return f"The {kind} set can stop being {kind} when features are added to it{reached}."


def _many(item: Explanation) -> list[str]:
    sure = item.certificate
    least = "At least " if sure.basis is Basis.HEURISTIC else ""
    counts = (
        (sure.n_sufficient, item.sufficient, "sufficient"),
        (sure.n_necessary, item.necessary, "necessary"),
    )
    return [
        f"{least}{count} sets of {counted(chosen.size, 'feature')} are {kind}; "
        "the one with the least gap is shown."
        for count, chosen, kind in counts
        if count > 1
    ]


def _lemma(item: Explanation) -> list[str]:
    sure = item.certificate
    bounds = (("Δsuf <= Δuni / α", sure.bound_sufficiency), ("Δnec <= Δuni / (1 - α)", sure.bound_necessity))
    parts = [f"{formula} = {number(bound)}" for formula, bound in bounds if math.isfinite(bound)]
    return [f"For the best of both: {' and '.join(parts)} (Lemma 4.1)."]


def _two_players(sure: Certificate) -> list[str]:
    if sure.phi is None:
        return []
    bound = "" if sure.phi_bound is None else f", and at least {number(sure.phi_bound)} is guaranteed"
    return [
        f"Played as one player against all other features, the best of both has the Shapley value "
        f"φ = {number(sure.phi)}{bound} (Theorem 5.1, corrected)."
    ]


def _meeting(item: Explanation) -> list[str]:
    sure = item.certificate
    common = [name for name in item.sufficient.names if name in item.necessary.names]
    shared = f"share {', '.join(common)}" if sure.meet else "share no feature"
    forced = " (they must share one: Lemma 4.2)" if sure.must_meet else ""
    lines = [f"The sufficient and the necessary set {shared}{forced}."] if item.sufficient.size else []
    if sure.union_bound is not None:
        bound = f"Δuni <= {number(sure.union_bound)} for every α"
        lines.append(f"Together they are a set with {bound} (Theorem 4.1, corrected).")
    return lines


def _provenance(item: Explanation, width: int) -> list[str]:
    made = item.provenance
    versions = ", ".join(f"{name} {version}" for name, version in made.versions)
    asked = f"{item.model_rows} model rows, {number(item.seconds)} s, seed {made.seed}"
    told = [
        ("f_S(x)", made.restriction),
        ("sets", made.search),
        ("work", asked),
        ("versions", versions),
    ]
    if _has_errors(item):
        told.insert(1, ("±", "one standard error; 'fresh draws' are ones that the search never saw"))
    lines = [sentence(made.reference), *(f"{key}: {text}" for key, text in told)]
    return ["HOW IT WAS COMPUTED", *(wrapped(line, width, "  ", "    ") for line in lines)]


def _has_errors(item: Explanation) -> bool:
    known = item.base_stderr or item.total_gap.stderr or item.sufficient.sufficiency.stderr
    return bool(known) or item.sufficient.fresh is not None
