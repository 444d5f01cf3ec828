"""What is said of one explanation, sentence by sentence: for texts and pages, which lay it out."""

from collections.abc import Iterator

from onlyif.core.nouns import counted, whole_of
from onlyif.explanation.certificate import Basis
from onlyif.explanation.continuum import Continuum
from onlyif.explanation.layout import (
    everything,
    measure_text,
    number,
    share_text,
)
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Direction, Selection
from onlyif.explanation.status import Told
from onlyif.explanation.verdicts import SAME_DECISION

Said = Iterator[str]
_TITLES = {
    "sufficient": ("Keep these and the {} stays", ""),
    "necessary": ("Hide these and the {} is gone", ", back to the average"),
}
# Of what is kept or hidden: the symbol of what the model says, the gap, and what becomes of the decision.
_SIDES = {
    "kept": ("f_S", "sufficiency", "stays", "changes"),
    "hidden": ("f_Sc", "necessity", "is gone", "stays"),
}


def value_pairs(item: Told, chosen: Selection) -> list[str]:
    """The members of a set with their values, as "age = 39", and the baseline's and directions, if any."""
    if isinstance(item.names, PixelNames):
        return [share_text(chosen.size, len(item.names))]
    at = item.details.baseline
    ways = [direction_text(item, one) for one in chosen.directions] or [""] * chosen.size
    return [
        f"{item.names[i]} = {item.values[i]}" + (f" (baseline {at[i]})" if at else "") + (way and f": {way}")
        for i, way in zip(chosen.players, ways, strict=True)
    ]


def direction_text(item: Told, direction: Direction) -> str:
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


def size_rule(item: Told) -> str:
    """The explanation's size rule in words, as "at most 3 features"."""
    return f"{'exactly' if item.exact_size else 'at most'} {counted(item.size, item.noun)}"


def base_text(item: Told) -> str:
    """What the prediction is compared with, in words."""
    if item.against_baseline:
        n = int(item.provenance.values.get("n_baselines", 1))
        return "the prediction at the baseline" if n == 1 else f"the mean prediction at the {n} images x'"
    against = item.provenance.sentences.get("against")
    if isinstance(item.names, PixelNames):
        return f"the average prediction, when all {item.nouns} are hidden"
    average = "what is decided most often" if item.of_decisions else "the average"
    if against is not None:
        return f"{average} when {everything(len(item.names), item.noun)} as in {against}"
    word = average if item.of_decisions else f"{average} prediction"
    return f"{word}, when {everything(len(item.names), item.noun)} hidden"


def headline(item: Told) -> str:
    """Which row and which output of the model is explained."""
    named = f" of '{item.target_label}'" if item.target_label else ""
    made = item.provenance
    return f"{whole_of(item.noun).capitalize()} {item.row}: {made.output}{named} ({made.predictor})"


def comparison(item: Told) -> Said:
    """How far the prediction is from what it is compared with, and what counts as close or as a change."""
    made = item.provenance
    if item.details.certificate is not None:
        rho = made.sentences["distance"]
        close = f"Below, 'close' means within ε = {number(item.epsilon)} (distance: {rho})."
        yield f"The two differ by {measure_text(item.total_gap)}. {close}"
    if "c" in made.values:
        how = f"c = {number(float(made.values['c']))} ({made.sentences['threshold']})"
        yield f"Below, 'changes' means by more than {how}."


def title(item: Told, kind: str) -> str:
    """What the smallest set of a kind does, as a title."""
    said, back = _TITLES[kind]
    return said.format("decision") if item.compares_decisions else said.format("prediction") + back


def set_title(item: Told, name: str) -> tuple[str, str]:
    """What one of the named sets is: the beginning of a title, and the rest of it.

    Args:
        item: The explanation.
        name: The set's name.
    """
    chosen = item.sets[name]
    match name:
        case "sufficient" | "necessary":
            least = "cheapest" if "costs" in item.settings else "smallest"
            sure = item.settings.get("confidence")
            how = "" if sure is None else f", with a confidence of {sure} for other rows"
            what = f"{least}{permitted(item)}{from_search(item)} ε-{name} set{how}"
            return title(item, name), f" ({what}: {chosen.size} of {len(item.names)})"
        case "unified":
            rule = f" with {size_rule(item)}, at" if "size" in item.settings else " at"
            ends = "α = 1 asks only that the prediction stays, α = 0 only that it is gone"
            return "Best of both", f"{rule} α = {number(item.alpha)} ({ends})"
        case "cause":
            of_size = f"{counted(chosen.size, item.noun)}{' that is permitted' if item.constrained else ''}"
            return "The most probable cause", f" of {of_size}: the highest PNS of that size"
        case _:
            return name, f" (criterion {item.criterion}): {chosen.size} of {len(item.names)}"


def no_members(item: Told, name: str) -> str:
    """Why a set is empty, or tells nothing; "" where it has members that do."""
    reason: str = item.reason
    match name:
        case "cause" if reason:
            return reason
        case _ if item.sets[name].size:
            return ""
    return "No allowed set does better than the empty one." if item.missing or not reason else reason


def set_said(item: Told, name: str) -> Said:
    """What was measured of one of the named sets, each number in a sentence."""
    chosen = item.sets[name]
    match name:
        case "sufficient" | "necessary":
            yield from _gaps(item, chosen)
            yield f"verdict: {item.verdicts[name].sentence}"
            yield from _stability(item, name)
        case "unified":
            yield from _gaps(item, chosen)
            yield _unified(item, chosen)
            yield from _stability(item, name)
        case "cause":
            yield from () if item.reason else _cause(item, chosen)
        case _:
            yield from (f"{key} = {measure_text(measure)}" for key, measure in chosen.measures.items())
            if chosen.n_ties > 1:
                yield f"{chosen.n_ties} sets tie, the first is shown"


def _unified(item: Told, chosen: Selection) -> str:
    of_ties = "cheapest" if "costs" in item.settings else "smallest"
    ties = f"; {chosen.n_ties} sets tie, the {of_ties} and then first is shown" if chosen.n_ties > 1 else ""
    least = f"the least{from_search(item) or permitted(item) or ' possible'}{ties}"
    return f"Δuni = α Δsuf + (1 - α) Δnec = {number(chosen.unified(item.alpha))}, {least}"


def _stability(item: Told, kind: str) -> Said:
    if "resamples" in item.settings and kind in item.stability:
        yield f"stability: {item.stability[kind].sentence}"


def _cause(item: Told, chosen: Selection) -> Said:
    typical = (
        "" if chosen.typical is None else f"; a set of this size has {number(chosen.typical)} on average"
    )
    ties = f"; {chosen.n_ties} sets tie, the first is shown" if chosen.n_ties > 1 else ""
    seen = "" if chosen.searched is None else f"; the search itself saw {number(chosen.searched)}"
    c = number(float(item.provenance.values["c"]))
    yield (
        f"PNS = {measure_text(chosen.pns)} of at most 2, halved {number(chosen.pns_halved)}"
        f"{typical}{seen}{ties}"
    )
    yield (
        f"necessity PN = {measure_text(chosen.pn)}: where perturbing these changed the prediction, "
        f"perturbing all others instead would have left it within c = {c}"
    )
    yield (
        f"sufficiency PS = {measure_text(chosen.ps)}: where perturbing all others changed nothing, "
        "perturbing these would have changed it"
    )
    yield (
        f"how often that is so near this {whole_of(item.noun)}: P(A,B) = {measure_text(chosen.p_changed)}, "
        f"P(Ā,B̄) = {measure_text(chosen.p_unchanged)}"
    )


def from_search(item: Told) -> str:
    """The word that a search found a set, where it may have missed a better one."""
    sure = item.details.certificate
    return " found" if sure is None or sure.basis is Basis.HEURISTIC else ""


def permitted(item: Told) -> str:
    """The word that only some sets may be reported, where that is so."""
    return " permitted" if item.constrained else ""


def _gaps(item: Told, chosen: Selection) -> Said:
    fresh_suf, fresh_nec = ("", "")
    if chosen.fresh and chosen.fresh != (chosen.sufficiency, chosen.necessity):
        fresh_suf, fresh_nec = (f" (fresh draws: {measure_text(gap)})" for gap in chosen.fresh)
    keep = f"keeping only these{_at(item, chosen, 'kept')} moves the prediction by Δsuf = "
    hide = f"hiding only these{_at(item, chosen, 'hidden')} leaves it off the average by Δnec = "
    yield f"{keep}{measure_text(chosen.sufficiency)}{fresh_suf}"
    yield f"{hide}{measure_text(chosen.necessity)}{fresh_nec}"


def _at(item: Told, chosen: Selection, name: str) -> str:
    """f_S or f_Sc, and what becomes of the decision where that is what is compared."""
    if name not in chosen.measures:
        return ""
    symbol, gap, within, beyond = _SIDES[name]
    told = [] if item.of_decisions else [f"{symbol} = {measure_text(chosen.measures[name])}"]
    if item.compares_decisions:
        told.append(f"the decision {within if chosen.measure(gap).value <= SAME_DECISION else beyond}")
    return f" ({': '.join(told)})"


def stretches(held: Continuum) -> Iterator[tuple[str, Selection]]:
    """The solutions of a continuum in the order of α, each with where it holds."""
    for i, piece in enumerate(held.pieces):
        low, high = held.breakpoints[i : i + 2]
        yield f"at {number(low)}", held.corners[i]
        yield f"{number(low)} to {number(high)}", piece
    yield f"at {number(held.breakpoints[-1])}", held.corners[-1]
