"""How certain an explanation is, and how it was computed, sentence by sentence."""

import math
from collections.abc import Mapping
from typing import Any

from onlyif.core.nouns import NOUN, counted
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.layout import (
    basis_text,
    number,
    permitted_text,
    sentence,
    share_text,
)
from onlyif.explanation.passages import Said, permitted
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.status import Told


def certainty(item: Told) -> Said:
    """The certificate in words; nothing where there is none."""
    sure = item.details.certificate
    if sure is None:
        return
    yield sentence(basis_text(sure, constrained=item.constrained))
    yield from _among(item)
    yield from _elimination(item)
    yield from _supersets(item, sure)
    yield from _many(item, sure)
    yield from _lemma(sure)
    yield from _two_players(sure, item.nouns)
    yield from _meeting(item, sure)


def _among(item: Told) -> Said:
    """What the sets are the least of."""
    said = permitted_text(item.settings)
    if item.constrained:
        yield f"What is smallest or best here is so among the permitted sets: {said}."
    elif said:
        yield sentence(said)


def _elimination(item: Told) -> Said:
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


def _supersets(item: Told, sure: Certificate) -> Said:
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


def _many(item: Told, sure: Certificate) -> Said:
    least = "At least " if sure.basis is Basis.HEURISTIC else ""
    costs: Any = item.settings.get("costs", {})
    counts = {"sufficient": sure.n_sufficient, "necessary": sure.n_necessary}
    for kind, count in counts.items():
        if count > 1:
            chosen = item.sets[kind]
            total = number(math.fsum(costs[name] for name in chosen.names)) if costs else ""
            of_all = f"cost {total}" if costs else counted(chosen.size, item.noun)
            sets = f"{least}{count}{permitted(item)} sets of {of_all}"
            yield f"{sets} are {kind}; the one with the least gap is shown."


def _lemma(sure: Certificate) -> Said:
    bounds = (("Δsuf <= Δuni / α", sure.bound_sufficiency), ("Δnec <= Δuni / (1 - α)", sure.bound_necessity))
    parts = [f"{formula} = {number(bound)}" for formula, bound in bounds if math.isfinite(bound)]
    yield f"For the best of both: {' and '.join(parts)} (Lemma 4.1)."


def _two_players(sure: Certificate, nouns: str) -> Said:
    if sure.phi is not None:
        bound = "" if sure.phi_bound is None else f", and at least {number(sure.phi_bound)} is guaranteed"
        yield (
            f"In a game of two players, the best of both and all other {nouns} together, the best of both "
            f"has the Shapley value φ = {number(sure.phi)}{bound} (Theorem 5.1, corrected)."
        )


def _meeting(item: Told, sure: Certificate) -> Said:
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


def provenance(item: Told) -> tuple[str, Mapping[str, str]]:
    """How an explanation was computed: what hidden features become, and more by name."""
    made, said = item.provenance, item.provenance.sentences
    lead = next((said[name] for name in ("reference", "baseline") if name in said), "")
    told = {
        **(_of_causes(item, item.cause) if "cause" in item.sets else _of_sets(item)),
        "permitted": permitted_text(item.settings),
        "sets": made.search,
        "model rows": _rows(item),
        "work": f"{number(item.seconds)} s, seed {made.seed}",
        "versions": ", ".join(f"{name} {version}" for name, version in made.versions),
    }
    return sentence(lead) if lead else "", {key: text for key, text in told.items() if text}


def _rows(item: Told) -> str:
    """How many rows the model was asked for, of those that are needed."""
    needed, asked, checks = item.model_rows, item.asked_rows, item.check_rows
    more = f"; {checks:,} more to check the model, for all rows together" if checks else ""
    if asked is None:
        return f"{needed:,} needed; how many were asked was not recorded"
    if asked < needed:
        return f"{asked:,} of {needed:,} asked (the others were equal){more}"
    vain = f", {asked - needed:,} of them in vain: calls that were cut short or made again"
    return f"{asked:,} asked{vain if asked > needed else ''}{more}"


def _of_sets(item: Told) -> Mapping[str, str]:
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


def _of_causes(item: Told, cause: Selection) -> Mapping[str, str]:
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


def _has_errors(item: Told) -> bool:
    totals = [item.base_stderr, *(measure.stderr for measure in item.measures.values())]
    first = [next(iter(one.measures.values()), Measure(0.0)).stderr for one in item.sets.values()]
    return any(totals) or any(first[:1]) or any(one.fresh is not None for one in item.sets.values())
