"""Small causal explanations with given numbers: for tests, documentation and pictures."""

import numpy as np

from onlyif.explanation.explanation import Details, Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.selection import Measure, Selection

NAMES = ("age", "income", "work class")
PROVENANCE = Provenance(
    criterion="pns",
    predictor="python function",
    output="probability",
    search="exhaustive: all 2^d subsets were compared",
    seed=0,
    versions=(("onlyif", "0.1.0"), ("torch", "2.6.0")),
    sentences={
        "baseline": (
            "Perturbed features go to the background's median (numbers) or most frequent value (others)."
        ),
        "sample": "the instance itself and 200 background rows",
        "boundary": "given",
        "threshold": "given",
        "events": "soft events: weights that fall with distance and rise with change",
        "distance": "numbers scaled by their span, categories by mismatch, summed over the compared entries",
        "abduction": "weighted means over all of E",
    },
    values={
        "n_sample": 201,
        "b": 0.5,
        "c": 0.125,
        "p_replace": 0.5,
        "max_rows": 16384,
        "budget": 2_000_000,
        "weight_necessity": 0.5,
        "weight_sufficiency": 0.5,
    },
)


def example_cause(players: tuple[int, ...], pns: float, *, stderr: float = 0.0) -> Selection:
    """A cause whose PNS is shared alike by its two parts.

    Args:
        players: Its members among `NAMES`.
        pns: PNS, 0 to 1.
        stderr: A standard error to give to every probability; above 0 means that it was drawn.
    """
    part, half = Measure(pns, stderr, 0.03125), Measure(0.5, stderr, 0.03125)
    measures = {"pn": part, "ps": part, "p_changed": half, "p_unchanged": half, "pns": part}
    measures |= {"effective_pn": Measure(50.0), "effective_ps": Measure(75.5)}
    measures |= {"searched": Measure(pns + stderr)} if stderr else {"typical": Measure(pns / 2)}
    return Selection(players, NAMES, measures, n_ties=1, exact=not stderr)


def example_causes(stderr: float = 0.0) -> Explanations:
    """Two rows of three features, for the second of which nothing is a cause."""
    alone, nothing = (0.25, 0.125, 0.0), (0.0, 0.0, 0.0)
    items = []
    for row, (values, pns, best) in enumerate(
        [(("39", "51000", "Private"), alone, 0.5), (("17", "0", "missing"), nothing, 0.0)]
    ):
        singles = tuple(example_cause((i,), value, stderr=stderr) for i, value in enumerate(pns))
        cause = example_cause((0, 1), best, stderr=stderr)
        items.append(
            Explanation(
                row=str(row),
                names=NAMES,
                values=values,
                target=1,
                target_label="yes",
                prediction=0.93,
                base=0.2,
                base_stderr=0.0,
                sets={"cause": cause},
                provenance=PROVENANCE,
                scores={"pns": np.array(pns)},
                settings={"size": 2},
                details=Details(
                    path=(singles[0], cause), singles=singles, baseline=("37", "40000", "Private")
                ),
                model_rows=1610,
                seconds=0.25,
                notes=("already at the baseline: work class",) if best else (),
                reason="" if best else "no perturbation changes the prediction: the PNS of every set is 0",
            )
        )
    return Explanations(tuple(items))
