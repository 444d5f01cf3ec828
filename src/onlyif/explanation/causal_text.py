"""One causal explanation as plain text, for a reader who does not know the paper."""

from onlyif.core.visible import visible
from onlyif.explanation.causal import CausalExplanation
from onlyif.explanation.cause import Cause, Measured
from onlyif.explanation.layout import aligned, clipped, counted, error, number, sentence, wrapped

_LONGEST = 40


def causal_text(item: CausalExplanation, width: int = 100) -> str:
    """All that a causal explanation says, in words beside the paper's symbols.

    Args:
        item: The explanation of one row.
        width: Longest line, in characters; at least 60 are used.

    Example:
        >>> from onlyif.testing.causes import example_causes
        >>> print(causal_text(example_causes()[0]))
        Row 0: probability of 'yes' (python function)
          f(x)  = 0.93  the prediction for this row
          f(x') = 0.2   the prediction at the baseline
        ...
    """
    width = max(width, 60)
    sections = [
        _heading(item, width),
        _chosen(item, width),
        _path(item, width),
        _singles(item, width),
        _provenance(item, width),
        [wrapped(note, width, "  ! ", "    ") for note in item.notes],
    ]
    return visible("\n\n".join("\n".join(lines) for lines in sections if lines))


def cause_pairs(item: CausalExplanation, cause: Cause) -> list[str]:
    """The members of a cause with their values and the baseline's, as "age = 39 (baseline 37)"."""
    return [f"{item.names[i]} = {item.values[i]} (baseline {item.baseline[i]})" for i in cause.players]


def measured_text(measured: Measured) -> str:
    """A probability with its standard errors, as "0.25 ± 0.01, over E ± 0.03".

    Example:
        >>> measured_text(Measured(0.25, 0.0, 0.03))
        '0.25 (over E ± 0.03)'
    """
    over = error(measured.sample_stderr).strip()
    return f"{number(measured.value)}{error(measured.stderr)}" + (f" (over E {over})" if over else "")


def _heading(item: CausalExplanation, width: int) -> list[str]:
    made = item.provenance
    prediction, base = number(item.prediction), number(item.baseline_prediction)
    pad = max(len(prediction), len(base))
    named = f" of '{item.target_label}'" if item.target_label else ""
    change = f"Below, 'changes' means by more than c = {number(made.c)} ({made.threshold})."
    return [
        wrapped(f"Row {item.row}: {made.output}{named} ({made.predictor})", width, ""),
        f"  f(x)  = {prediction:<{pad}}  the prediction for this row",
        f"  f(x') = {base:<{pad}}  the prediction at the baseline",
        wrapped(change, width),
    ]


def _chosen(item: CausalExplanation, width: int) -> list[str]:
    cause = item.cause
    title = f"THE MOST PROBABLE CAUSE of {counted(cause.size, 'feature')}: the highest PNS of that size"
    if item.reason:
        return [wrapped(title, width, ""), wrapped(f"none: {item.reason}", width, "    ", "    ")]
    typical = "" if cause.typical is None else f"; a set of this size has {number(cause.typical)} on average"
    ties = f"; {cause.n_ties} sets tie, the first is shown" if cause.n_ties > 1 else ""
    seen = "" if cause.searched is None else f"; the search itself saw {number(cause.searched)}"
    c = number(item.provenance.c)
    said = [
        f"PNS = {measured_text(cause.pns)} of at most 2, halved {number(cause.pns_halved)}"
        f"{typical}{seen}{ties}",
        f"necessity PN = {measured_text(cause.pn)}: where perturbing these changed the prediction, "
        f"perturbing all others instead would have left it within c = {c}",
        f"sufficiency PS = {measured_text(cause.ps)}: where perturbing all others changed nothing, "
        "perturbing these would have changed it",
        f"how often that is so near this row: P(A,B) = {measured_text(cause.p_changed)}, "
        f"P(Ā,B̄) = {measured_text(cause.p_unchanged)}",
    ]
    pairs = [wrapped(pair, width, "    ", "      ") for pair in cause_pairs(item, cause)]
    return [wrapped(title, width, ""), *pairs, *(wrapped(line, width, "  ", "    ") for line in said)]


def _path(item: CausalExplanation, width: int) -> list[str]:
    if item.reason:
        return []
    title = "THE BEST SET OF EACH SIZE (larger sets usually have the higher PNS: compare equal sizes only)"
    rows = [
        [
            f"{cause.size}{' *' if cause.size == item.size else ''}",
            number(cause.pns.value) + error(cause.pns.stderr),
            "" if cause.typical is None else number(cause.typical),
            number(cause.pn.value),
            number(cause.ps.value),
            _members(item, cause),
        ]
        for cause in item.path
    ]
    return [
        wrapped(title, width, ""),
        *aligned(["size", "PNS", "mean", "PN", "PS", "set"], rows, width=width),
    ]


def _members(item: CausalExplanation, cause: Cause) -> str:
    """The members; of long sets those that are not in them."""
    others = [name for i, name in enumerate(item.names) if i not in cause.players]
    return str(cause) if cause.size <= max(3, len(others)) else f"all but {', '.join(others)}"


def _singles(item: CausalExplanation, width: int) -> list[str]:
    if item.reason:
        return []
    order = sorted(item.singles, key=lambda cause: (-cause.pns.value, cause.players))
    rows = [
        [
            clipped(one.names[0], _LONGEST),
            number(one.pns.value),
            number(one.pn.value),
            number(one.ps.value),
            f"{item.values[one.players[0]]} (baseline {item.baseline[one.players[0]]})",
        ]
        for one in order
    ]
    return ["EACH FEATURE ALONE", *aligned(["feature", "PNS", "PN", "PS", "value"], rows, width=width)]


def _provenance(item: CausalExplanation, width: int) -> list[str]:
    made, cause = item.provenance, item.cause
    versions = ", ".join(f"{name} {version}" for name, version in made.versions)
    effective = " and ".join(f"{number(size)}" for size in (cause.effective_pn, cause.effective_ps))
    exact = "all perturbations were enumerated: exact given E"
    drawn = "perturbations were drawn; values are estimated again on others than the search saw"
    told = [
        ("E", made.sample),
        ("effective", f"{effective} of these {made.n_sample} inputs count for PN and PS"),
        ("near", f"within b = {number(made.b)} ({made.boundary}); {made.distance}; {made.events}"),
        ("perturbed", f"each feature goes to the baseline with probability {number(made.p_replace)}"),
        ("errors", exact if cause.exact else drawn),
        ("PN and PS", made.abduction),
        ("sets", made.search),
        ("work", f"{item.model_rows} model rows, {number(item.seconds)} s, seed {made.seed}"),
        ("versions", versions),
    ]
    lines = [sentence(made.baseline), *(f"{key}: {text}" for key, text in told)]
    return ["HOW IT WAS COMPUTED", *(wrapped(line, width, "  ", "    ") for line in lines)]
