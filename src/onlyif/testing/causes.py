"""Small causal explanations with given numbers: for tests, documentation and pictures."""

from onlyif.explanation.causal import CausalExplanation, CausalProvenance
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.cause import Cause, Measured

NAMES = ("age", "income", "work class")
PROVENANCE = CausalProvenance(
    predictor="python function",
    output="probability",
    baseline="Perturbed features go to the background's median (numbers) or most frequent value (others).",
    sample="the instance itself and 200 background rows",
    n_sample=201,
    b=0.5,
    boundary="given",
    c=0.125,
    threshold="given",
    events="soft events: weights that fall with distance and rise with change",
    distance="numbers scaled by their span, categories by mismatch, summed over the compared entries",
    p_replace=0.5,
    abduction="weighted means over all of E",
    weights=(0.5, 0.5),
    search="exhaustive: all 2^d subsets were compared",
    seed=0,
    max_rows=16384,
    budget=2_000_000,
    versions=(("onlyif", "0.1.0"), ("torch", "2.6.0")),
)


def example_cause(players: tuple[int, ...], pns: float, *, stderr: float = 0.0) -> Cause:
    """A cause whose PNS is shared alike by its two parts.

    Args:
        players: Its members among `NAMES`.
        pns: PNS, 0 to 1.
        stderr: A standard error to give to every probability; above 0 means that it was drawn.
    """
    part = Measured(pns, stderr, 0.03125)
    half = Measured(0.5, stderr, 0.03125)
    return Cause(
        players=players,
        names=tuple(NAMES[i] for i in players),
        pn=part,
        ps=part,
        p_changed=half,
        p_unchanged=half,
        pns=part,
        effective_pn=50.0,
        effective_ps=75.5,
        exact=not stderr,
        searched=pns + stderr if stderr else None,
        n_ties=1,
        typical=None if stderr else pns / 2,
    )


def example_causes(stderr: float = 0.0) -> CausalExplanations:
    """Two rows of three features, for the second of which nothing is a cause."""
    alone, nothing = (0.25, 0.125, 0.0), (0.0, 0.0, 0.0)
    items = []
    for row, (values, pns, best) in enumerate(
        [(("39", "51000", "Private"), alone, 0.5), (("17", "0", "missing"), nothing, 0.0)]
    ):
        singles = tuple(example_cause((i,), value, stderr=stderr) for i, value in enumerate(pns))
        items.append(
            CausalExplanation(
                row=str(row),
                names=NAMES,
                values=values,
                baseline=("37", "40000", "Private"),
                target=1,
                target_label="yes",
                prediction=0.93,
                baseline_prediction=0.2,
                size=2,
                path=(singles[0], example_cause((0, 1), best, stderr=stderr)),
                singles=singles,
                reason="" if best else "no perturbation changes the prediction: the PNS of every set is 0",
                provenance=PROVENANCE,
                model_rows=1610,
                seconds=0.25,
                notes=("already at the baseline: work class",) if best else (),
            )
        )
    return CausalExplanations(tuple(items))
