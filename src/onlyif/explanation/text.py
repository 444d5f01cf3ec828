"""One explanation as plain text, for a reader who does not know the papers."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from onlyif.core.arguments import Whole
from onlyif.core.nouns import counted
from onlyif.core.visible import visible
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.explanation import NOUN, Explanation
from onlyif.explanation.explanations import one_of
from onlyif.explanation.layout import (
    aligned,
    basis_text,
    clipped,
    error,
    everything,
    measure_text,
    number,
    permitted_text,
    sentence,
    share_text,
    wrapped,
)
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Direction, Measure, Selection
from onlyif.explanation.verdicts import SAME_DECISION

Lines = Iterator[str]
_LONGEST = 40
_MOST_SCORES = 20
_MOST_SETS = 5
_TITLES = {"sufficient": "KEEP THESE AND THE {} STAYS", "necessary": "HIDE THESE AND THE {} IS GONE"}


def explanation_text(item: Explanation, width: int = 100) -> str:
    """All that an explanation says, in words beside the papers' symbols.

    Args:
        item: The explanation of one row.
        width: Longest line, in characters; at least 60 are used.

    Raises:
        SettingError: if it is no single explanation, or the width no whole number.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> print(explanation_text(example_explanations()[0]))
        Row 0: probability of 'yes' (python function)
          f(x) = 0.93  the prediction for this row
          f_0  = 0.2   the average prediction, when all 3 features are hidden
        ...
    """
    whole, one = max(Whole().take("width", width), 60), one_of(item, "explanation_text")
    sections = [
        _heading(one, whole),
        *(_none(one, kind, whole) for kind in one.missing),
        *(_set(one, name, chosen, whole) for name, chosen in one.sets.items()),
        _alternatives(one, whole),
        _continuum(one, whole),
        _path(one, whole),
        _singles(one, whole),
        _scores(one, whole),
        _certainty(one, whole),
        _provenance(one, whole),
        (wrapped(note, whole, "  ! ", "    ") for note in one.notes),
    ]
    return visible("\n\n".join(filter(None, ("\n".join(lines) for lines in sections))))


def value_pairs(item: Explanation, chosen: Selection) -> list[str]:
    """The members of a set with their values, as "age = 39", and the baseline's and directions, if any."""
    if isinstance(item.names, PixelNames):
        return [share_text(chosen.size, len(item.names))]
    at = item.details.baseline
    ways = [direction_text(item, one) for one in chosen.directions] or [""] * chosen.size
    return [
        f"{item.names[i]} = {item.values[i]}" + (f" (baseline {at[i]})" if at else "") + (way and f": {way}")
        for i, way in zip(chosen.players, ways, strict=True)
    ]


def direction_text(item: Explanation, direction: Direction) -> str:
    """Which way a member moves the prediction, in words; marked where it speaks against it.

    Args:
        item: The explanation.
        direction: The member's direction.
    """
    words = {
        Direction.RAISES: "raises it",
        Direction.LOWERS: "lowers it",
        Direction.DEPENDS: "raises or lowers it, depending on the others",
        Direction.NONE: "changes nothing, alone or beside the others",
        Direction.UNCLEAR: "the direction is within its error",
    }
    return words[direction] + (" (AGAINST the prediction)" if item.speaks_against(direction) else "")


def size_rule(item: Explanation) -> str:
    """The explanation's size rule in words, as "at most 3 features"."""
    return f"{'exactly' if item.exact_size else 'at most'} {counted(item.size, item.noun)}"


def base_text(item: Explanation) -> str:
    """What the prediction is compared with, in words."""
    if item.against_baseline:
        return "the prediction at the baseline"
    against = item.provenance.sentences.get("against")
    if isinstance(item.names, PixelNames):
        return f"the average prediction, when all {item.nouns} are hidden"
    average = "what is decided most often" if item.of_decisions else "the average"
    if against is not None:
        return f"{average} when {everything(len(item.names), item.noun)} as in {against}"
    word = average if item.of_decisions else f"{average} prediction"
    return f"{word}, when {everything(len(item.names), item.noun)} hidden"


def _heading(item: Explanation, width: int) -> Lines:
    made = item.provenance
    prediction = item.value_text(item.prediction)
    base = item.value_text(item.base) + error(item.base_stderr)
    pad, wide = max(len(prediction), len(base)), max(4, len(item.base_word))
    named = f" of '{item.target_label}'" if item.target_label else ""
    what = _what(item)
    yield wrapped(f"{what} {item.row}: {made.output}{named} ({made.predictor})", width, "")
    for status in item.statuses:
        yield wrapped(sentence(str(status)), width, "  ! ", "    ")
    yield f"  {'f(x)':<{wide}} = {prediction:<{pad}}  the prediction for this {what.lower()}"
    yield f"  {item.base_word:<{wide}} = {base:<{pad}}  {base_text(item)}"
    if item.details.certificate is not None:
        rho = made.sentences["distance"]
        close = f"Below, 'close' means within ε = {number(item.epsilon)} (distance: {rho})."
        yield wrapped(f"The two differ by {measure_text(item.total_gap)}. {close}", width)
    if "c" in made.values:
        how = f"c = {number(float(made.values['c']))} ({made.sentences['threshold']})"
        yield wrapped(f"Below, 'changes' means by more than {how}.", width)


def _what(item: Explanation) -> str:
    """What is explained."""
    return "Image" if isinstance(item.names, PixelNames) else "Row"


def _set(item: Explanation, name: str, chosen: Selection, width: int) -> Lines:
    match name:
        case "sufficient" | "necessary":
            return _smallest(item, chosen, name, width)
        case "unified":
            return _unified(item, chosen, width)
        case "cause":
            return _cause(item, chosen, width)
        case _:
            return _named(item, name, chosen, width)


def _none(item: Explanation, kind: str, width: int) -> Lines:
    """What is said where no permitted set is within ε."""
    yield wrapped(f"{_title(item, kind)} (no permitted ε-{kind} set)", width, "")
    yield "    none of the permitted sets does"


def _title(item: Explanation, kind: str) -> str:
    back = "" if item.compares_decisions or kind == "sufficient" else ", BACK TO THE AVERAGE"
    return _TITLES[kind].format("DECISION" if item.compares_decisions else "PREDICTION") + back


def _smallest(item: Explanation, chosen: Selection, kind: str, width: int) -> Lines:
    least = "cheapest" if "costs" in item.settings else "smallest"
    sure = item.settings.get("confidence")
    how = "" if sure is None else f", with a confidence of {sure} for other rows"
    what = f"{least}{_permitted(item)}{_found(item)} ε-{kind} set{how}: {chosen.size} of {len(item.names)}"
    yield wrapped(f"{_title(item, kind)} ({what})", width, "")
    yield from _members(item, chosen, width)
    yield from _gaps(item, chosen, width)
    yield wrapped(f"verdict: {item.verdicts[kind].sentence}", width, "  ", "    ")
    yield from _stability(item, kind, width)


def _unified(item: Explanation, chosen: Selection, width: int) -> Lines:
    rule = f" with {size_rule(item)}, at" if "size" in item.settings else " at"
    ends = "α = 1 asks only that the prediction stays, α = 0 only that it is gone"
    yield wrapped(f"BEST OF BOTH{rule} α = {number(item.alpha)} ({ends})", width, "")
    yield from _members(item, chosen, width)
    yield from _gaps(item, chosen, width)
    of_ties = "cheapest" if "costs" in item.settings else "smallest"
    ties = f"; {chosen.n_ties} sets tie, the {of_ties} and then first is shown" if chosen.n_ties > 1 else ""
    least = f"the least{_found(item) or _permitted(item) or ' possible'}{ties}"
    delta = number(chosen.unified(item.alpha))
    yield wrapped(f"Δuni = α Δsuf + (1 - α) Δnec = {delta}, {least}", width, "  ", "    ")
    yield from _stability(item, "unified", width)


def _stability(item: Explanation, kind: str, width: int) -> Lines:
    if "resamples" in item.settings and kind in item.stability:
        yield wrapped(f"stability: {item.stability[kind].sentence}", width, "  ", "    ")


def _cause(item: Explanation, chosen: Selection, width: int) -> Lines:
    of_size = f"{counted(chosen.size, item.noun)}{' that is permitted' if item.constrained else ''}"
    title = f"THE MOST PROBABLE CAUSE of {of_size}: the highest PNS of that size"
    yield wrapped(title, width, "")
    if item.reason:
        yield wrapped(f"none: {item.reason}", width, "    ", "    ")
        return
    typical = (
        "" if chosen.typical is None else f"; a set of this size has {number(chosen.typical)} on average"
    )
    ties = f"; {chosen.n_ties} sets tie, the first is shown" if chosen.n_ties > 1 else ""
    seen = "" if chosen.searched is None else f"; the search itself saw {number(chosen.searched)}"
    yield from _members(item, chosen, width)
    c = number(float(item.provenance.values["c"]))
    said = [
        f"PNS = {measure_text(chosen.pns)} of at most 2, halved {number(chosen.pns_halved)}"
        f"{typical}{seen}{ties}",
        f"necessity PN = {measure_text(chosen.pn)}: where perturbing these changed the prediction, "
        f"perturbing all others instead would have left it within c = {c}",
        f"sufficiency PS = {measure_text(chosen.ps)}: where perturbing all others changed nothing, "
        "perturbing these would have changed it",
        f"how often that is so near this {_what(item).lower()}: P(A,B) = {measure_text(chosen.p_changed)}, "
        f"P(Ā,B̄) = {measure_text(chosen.p_unchanged)}",
    ]
    yield from (wrapped(line, width, "  ", "    ") for line in said)


def _named(item: Explanation, name: str, chosen: Selection, width: int) -> Lines:
    """A set of another criterion, with all that was measured of it."""
    yield wrapped(
        f"{name.upper()} (criterion {item.criterion}): {chosen.size} of {len(item.names)}", width, ""
    )
    yield from _members(item, chosen, width)
    for key, measure in chosen.measures.items():
        yield wrapped(f"{key} = {measure_text(measure)}", width, "  ", "    ")
    if chosen.n_ties > 1:
        yield wrapped(f"{chosen.n_ties} sets tie, the first is shown", width, "  ", "    ")


def _found(item: Explanation) -> str:
    sure = item.details.certificate
    return " found" if sure is None or sure.basis is Basis.HEURISTIC else ""


def _permitted(item: Explanation) -> str:
    return " permitted" if item.constrained else ""


def _members(item: Explanation, chosen: Selection, width: int) -> Lines:
    if chosen.size:
        yield from (wrapped(pair, width, "    ", "      ") for pair in value_pairs(item, chosen))
    else:
        reason = (not item.missing and item.reason) or "No allowed set does better than the empty one."
        yield wrapped(f"none: {reason}", width, "    ", "    ")


def _gaps(item: Explanation, chosen: Selection, width: int) -> Lines:
    fresh_suf, fresh_nec = ("", "")
    if chosen.fresh and chosen.fresh != (chosen.sufficiency, chosen.necessity):
        fresh_suf, fresh_nec = (f" (fresh draws: {measure_text(gap)})" for gap in chosen.fresh)
    keep = f"keeping only these{_at(item, chosen, 'kept')} moves the prediction by Δsuf = "
    hide = f"hiding only these{_at(item, chosen, 'hidden')} leaves it off the average by Δnec = "
    keep += f"{measure_text(chosen.sufficiency)}{fresh_suf}"
    hide += f"{measure_text(chosen.necessity)}{fresh_nec}"
    yield from (wrapped(line, width, "  ", "    ") for line in (keep, hide))


def _at(item: Explanation, chosen: Selection, name: str) -> str:
    """f_S or f_Sc, and what becomes of the decision where that is what is compared."""
    if name not in chosen.measures:
        return ""
    symbol, gap = ("f_S", chosen.sufficiency) if name == "kept" else ("f_Sc", chosen.necessity)
    told = [] if item.of_decisions else [f"{symbol} = {measure_text(chosen.measures[name])}"]
    if item.compares_decisions:
        as_asked, else_ = ("stays", "changes") if name == "kept" else ("is gone", "stays")
        told.append(f"the decision {as_asked if gap.value <= SAME_DECISION else else_}")
    return f" ({': '.join(told)})"


def _alternatives(item: Explanation, width: int) -> Lines:
    if not any(held.count > 1 for held in item.details.alternatives.values()):
        return
    yield "WHAT ELSE WOULD DO (sets that can spare no member)"
    for kind, held in item.details.alternatives.items():
        least = "" if held.complete else "at least "
        some = [name for name in held.union_names if name not in held.core_names]
        said = f"{least}{counted(held.count, f'ε-{kind} set')}; in every one: {_listed(held.core_names)}"
        yield wrapped(f"{said}; in some: {_listed(some)}", width, "  ", "    ")
        yield from (wrapped(str(chosen), width, "    ", "      ") for chosen in [*held][:_MOST_SETS])
        if held.count > _MOST_SETS:
            yield f"    ... and {held.count - _MOST_SETS} more"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(clipped(name, _LONGEST) for name in names) or "none"


def _continuum(item: Explanation, width: int) -> Lines:
    if item.details.continua is None:
        return
    sets = f"the best{_permitted(item)} sets{_found(item)} of {size_rule(item)}"
    yield wrapped(f"FROM NECESSARY (α = 0) TO SUFFICIENT (α = 1): {sets}", width, "")
    rows = [
        [
            place,
            measure_text(s.sufficiency),
            measure_text(s.necessity),
            str(s.n_ties) if s.n_ties > 1 else "",
            str(s),
        ]
        for place, s in _pieces(item.continuum)
    ]
    yield from aligned(["α", "Δsuf", "Δnec", "ties", "set"], rows, width=width)


def _pieces(held: Continuum) -> Iterator[tuple[str, Selection]]:
    for i, piece in enumerate(held.pieces):
        low, high = held.breakpoints[i : i + 2]
        yield f"at {number(low)}", held.corners[i]
        yield f"{number(low)} to {number(high)}", piece
    yield f"at {number(held.breakpoints[-1])}", held.corners[-1]


def _path(item: Explanation, width: int) -> Lines:
    if item.reason or not item.details.path:
        return
    title = "THE BEST SET OF EACH SIZE (larger sets usually have the higher PNS: compare equal sizes only)"
    yield wrapped(title, width, "")
    rows = [
        [
            f"{one.size}{' *' if one.size == item.size else ''}",
            number(one.pns.value) + error(one.pns.stderr),
            "" if one.typical is None else number(one.typical),
            number(one.pn.value),
            number(one.ps.value),
            _or_others(item, one),
        ]
        for one in item.path
    ]
    yield from aligned(["size", "PNS", "mean", "PN", "PS", "set"], rows, width=width)


def _or_others(item: Explanation, chosen: Selection) -> str:
    """The members; of long sets those that are not in them."""
    others = [name for i, name in enumerate(item.names) if i not in chosen.players]
    return str(chosen) if chosen.size <= max(3, len(others)) else f"all but {', '.join(others)}"


def _singles(item: Explanation, width: int) -> Lines:
    if item.reason or not item.details.singles:
        return
    order = sorted(item.singles, key=lambda one: (-one.pns.value, one.players))
    rows = [
        [
            clipped(one.names[0], _LONGEST),
            *(number(measure.value) for measure in (one.pns, one.pn, one.ps)),
            f"{item.values[one.players[0]]} (baseline {item.baseline[one.players[0]]})",
        ]
        for one in order
    ]
    yield f"EACH {item.noun.upper()} ALONE"
    yield from aligned([item.noun, "PNS", "PN", "PS", "value"], rows, width=width)


def _scores(item: Explanation, width: int) -> Lines:
    """Scores that no other section tells of: the highest of features, the spread of pixels."""
    for name, values in item.scores.items():
        told = name == "shapley" or name.startswith("stability_")
        if told or (name == "pns" and item.details.singles):
            continue
        flat = values.ravel()
        spread = f"from {number(float(flat.min()))} to {number(float(flat.max()))}"
        title = f"{name.upper()}: a number for each of {len(flat)} players, {spread}"
        yield wrapped(f"{title}, on average {number(float(flat.mean()))}", width, "")
        if not isinstance(item.names, PixelNames):
            order = np.argsort(-flat, kind="stable")[:_MOST_SCORES].tolist()
            rows = [[clipped(item.names[i], _LONGEST), number(float(flat[i])), item.values[i]] for i in order]
            yield from aligned([item.noun, name, "value"], rows, width=width)
    for name, measure in item.measures.items():
        if name != "total_gap":
            yield wrapped(f"{name.replace('_', ' ')} = {measure_text(measure)}", width, "  ", "    ")


def _certainty(item: Explanation, width: int) -> Lines:
    sure = item.details.certificate
    if sure is None:
        return
    said = [
        sentence(basis_text(sure, constrained=item.constrained)),
        *_among(item),
        *_elimination(item),
        *_supersets(item, sure),
        *_many(item, sure),
        *_lemma(sure),
        *_two_players(sure, item.nouns),
        *_meeting(item, sure),
    ]
    yield "HOW CERTAIN IS THIS"
    yield from (wrapped(line, width, "  - ", "    ") for line in said)


def _among(item: Explanation) -> Lines:
    """What the sets are the least of."""
    said = permitted_text(item.settings)
    if item.constrained:
        yield f"What is smallest or best here is so among the permitted sets: {said}."
    elif said:
        yield sentence(said)


def _elimination(item: Explanation) -> Lines:
    """How smallest sets were found on more rows than those on which all subsets were compared."""
    told = item.settings
    if "larger_rows" not in told:
        return
    rows = f"{told['larger_rows']:,} further background rows"
    first = f"all other smaller sets were ruled out on the first {told['smaller_rows']:,}"
    for kind in ("sufficient", "necessary"):
        again, left = told[f"compared_{kind}"], told[f"undecided_{kind}"]
        chosen = f"The {kind} set is the smallest seen to hold on {rows}"
        if kind in item.missing:
            chosen = f"No {kind} set was seen to hold on {rows}"
        compared = f"{again:,} sets were compared there, {first}, with a chance of any error below 1 %"
        open_ = f"; {left:,} smaller ones could neither be ruled out nor be seen to hold" if left else ""
        yield f"{chosen}: {compared}{open_}."


def _supersets(item: Explanation, sure: Certificate) -> Lines:
    told = {
        "sufficient": ("Δsuf", sure.super_sufficient, sure.worst_sufficiency),
        "necessary": ("Δnec", sure.super_necessary, sure.worst_necessity),
    }
    for kind, (symbol, whether, worst) in told.items():
        if kind not in item.missing:
            reached = f": {symbol} is at most {number(worst or 0.0)}, and ε = {number(sure.epsilon)}"
            yield _superset(kind, item.nouns, whether, "" if worst is None else reached)


def _superset(kind: str, nouns: str, whether: bool | None, reached: str) -> str:
    if whether is None:
        return f"Whether the {kind} set stays {kind} when {nouns} are added is not known."
    if whether:
        return f"The {kind} set stays {kind} whatever {nouns} are added to it{reached}."
    return f"The {kind} set can stop being {kind} when {nouns} are added to it{reached}."


def _many(item: Explanation, sure: Certificate) -> Lines:
    least = "At least " if sure.basis is Basis.HEURISTIC else ""
    costs: Any = item.settings.get("costs", {})
    counts = {"sufficient": sure.n_sufficient, "necessary": sure.n_necessary}
    for kind, count in counts.items():
        if count > 1:
            chosen = item.sets[kind]
            total = number(math.fsum(costs[name] for name in chosen.names)) if costs else ""
            of_all = f"cost {total}" if costs else counted(chosen.size, item.noun)
            sets = f"{least}{count}{_permitted(item)} sets of {of_all}"
            yield f"{sets} are {kind}; the one with the least gap is shown."


def _lemma(sure: Certificate) -> Lines:
    bounds = (("Δsuf <= Δuni / α", sure.bound_sufficiency), ("Δnec <= Δuni / (1 - α)", sure.bound_necessity))
    parts = [f"{formula} = {number(bound)}" for formula, bound in bounds if math.isfinite(bound)]
    yield f"For the best of both: {' and '.join(parts)} (Lemma 4.1)."


def _two_players(sure: Certificate, nouns: str) -> Lines:
    if sure.phi is not None:
        bound = "" if sure.phi_bound is None else f", and at least {number(sure.phi_bound)} is guaranteed"
        yield (
            f"In a game of two players, the best of both and all other {nouns} together, the best of both "
            f"has the Shapley value φ = {number(sure.phi)}{bound} (Theorem 5.1, corrected)."
        )


def _meeting(item: Explanation, sure: Certificate) -> Lines:
    if item.missing:
        return
    common = [name for name in item.sufficient.names if name in item.necessary.names]
    named = ", ".join(common)
    if isinstance(item.names, PixelNames):
        named = share_text(len(common), len(item.names))
    shared = f"share {named}" if sure.meet else f"share no {item.noun}"
    forced = " (they must share one: Lemma 4.2)" if sure.must_meet else ""
    if item.sufficient.size:
        yield f"The sufficient and the necessary set {shared}{forced}."
    if sure.union_bound is not None:
        bound = f"Δuni <= {number(sure.union_bound)} for every α"
        yield f"Together they are a set with {bound} (Theorem 4.1, corrected)."


def _provenance(item: Explanation, width: int) -> Lines:
    made, said = item.provenance, item.provenance.sentences
    lead = next((said[name] for name in ("reference", "baseline") if name in said), "")
    told = _of_causes(item, item.cause) if "cause" in item.sets else _of_sets(item)
    versions = ", ".join(f"{name} {version}" for name, version in made.versions)
    work = f"{number(item.seconds)} s, seed {made.seed}"
    told = {
        **told,
        "permitted": permitted_text(item.settings),
        "sets": made.search,
        "model rows": _rows(item),
        "work": work,
        "versions": versions,
    }
    yield "HOW IT WAS COMPUTED"
    lines = [*([sentence(lead)] if lead else []), *(f"{key}: {text}" for key, text in told.items() if text)]
    yield from (wrapped(line, width, "  ", "    ") for line in lines)


def _rows(item: Explanation) -> str:
    """How many rows the model was asked for, of those that are needed."""
    needed, asked, checks = item.model_rows, item.asked_rows, item.check_rows
    more = f"; {checks:,} more to check the model, for all rows together" if checks else ""
    if asked is None:
        return f"{needed:,} needed; how many were asked was not recorded"
    if asked < needed:
        return f"{asked:,} of {needed:,} asked (the others were equal){more}"
    vain = f", {asked - needed:,} of them in vain: calls that were cut short or made again"
    return f"{asked:,} asked{vain if asked > needed else ''}{more}"


def _of_sets(item: Explanation) -> Mapping[str, str]:
    said = dict(item.provenance.sentences)
    told = {"f_S(x)": said.pop("restriction", "")}
    if "larger_rows" in item.settings:
        told["further rows"] = (
            f"f_0, the two smallest sets with all that is said of them, and fresh gaps rest on "
            f"{item.settings['larger_rows']:,} more rows of the background; all else rests on the first "
            f"{item.settings['smaller_rows']:,}"
        )
    if _has_errors(item):
        told["±"] = "one standard error; 'fresh draws' are ones that the search never saw"
    return told | {
        key: text for key, text in said.items() if key not in ("reference", "baseline", "distance", NOUN)
    }


def _of_causes(item: Explanation, cause: Selection) -> Mapping[str, str]:
    said, values = item.provenance.sentences, item.provenance.values
    effective = " and ".join(number(size) for size in (cause.effective_pn, cause.effective_ps))
    exact = "all perturbations were enumerated: exact given E"
    drawn = "perturbations were drawn; values are estimated again on others than the search saw"
    p_replace, near = number(float(values["p_replace"])), f"within b = {number(float(values['b']))}"
    return {
        "E": said["sample"],
        "effective": f"{effective} of these {values['n_sample']} inputs count for PN and PS",
        "near": f"{near} ({said['boundary']}); {said['distance']}; {said['events']}",
        "perturbed": f"each {item.noun} goes to the baseline with probability {p_replace}",
        "errors": exact if cause.exact else drawn,
        "PN and PS": said["abduction"],
    }


def _has_errors(item: Explanation) -> bool:
    totals = [item.base_stderr, *(measure.stderr for measure in item.measures.values())]
    first = [next(iter(one.measures.values()), Measure(0.0)).stderr for one in item.sets.values()]
    return any(totals) or any(first[:1]) or any(one.fresh is not None for one in item.sets.values())
