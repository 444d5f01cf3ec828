"""Ascended scores as explanations: told, saved, summed up and drawn like all others."""

import numpy as np

from onlyif.causation.dual_stage import DualStageTest
from onlyif.core.errors import SettingError
from onlyif.core.shapes import Instances
from onlyif.engine.engine import outputs_of
from onlyif.explanation.explanation import Details, Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import number
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Measure
from onlyif.searches.ascent import Ascended
from onlyif.version import __version__


def ascended_explanations(
    risen: Ascended,
    test: DualStageTest,
    x: Instances,
    targets: tuple[int, ...],
    pixels: PixelNames | None = None,
) -> Explanations:
    """One explanation an instance, with its scores.

    Args:
        risen: What the ascent came to.
        test: The dual-stage test whose PNS was made large.
        x: The instances.
        targets: The explained output of each.
        pixels: Height and width, where the players are the pixels of an image; else features.

    Raises:
        SettingError: if there is not one target an instance, or the pixels are not the players.
    """
    names = test.players.names if pixels is None else pixels
    if len(targets) != len(x) or len(names) != risen.scores.shape[1]:
        raise SettingError(
            f"need a target for each of {len(x)} instances and a name for each of {risen.scores.shape[1]} "
            f"players, got {len(targets)} and {len(names)}"
        )
    baseline = test.baseline
    outputs = outputs_of(test.predictor, x, test.max_rows)
    at_baseline = outputs_of(test.predictor, baseline, test.max_rows)
    own = range(len(x)) if len(baseline) > 1 else [0] * len(x)
    shape = (len(names),) if pixels is None else pixels.shape
    moved, scores = risen.moved.tolist(), risen.scores.numpy(force=True)
    made = _provenance(test)
    return Explanations(
        tuple(
            Explanation(
                row=i,
                names=names,
                values=() if pixels else _values(test, x[i]),
                target=target,
                target_label=f"output {target}",
                prediction=float(outputs[i, target]),
                base=float(at_baseline[own[i], target]),
                base_stderr=0.0,
                sets={},
                provenance=made,
                scores={"ascended": scores[i].reshape(shape)},
                measures={"score": Measure(float(risen.trace[i, -1]))},
                details=Details(baseline=() if pixels else _values(test, baseline[own[i]])),
                model_rows=round(risen.model_rows),
                asked_rows=round(risen.received),
                reason="" if moved[i] else "PNS has no slope here: no mask left its start",
            )
            for i, target in enumerate(targets)
        )
    )


def _provenance(test: DualStageTest) -> Provenance:
    meaning = test.predictor.meaning
    return Provenance(
        criterion="soft pns",
        predictor=meaning.model,
        output=meaning.output,
        search="ascent of PNS along its gradient",
        seed=test.seed,
        versions=(("onlyif", __version__),),
        sentences={"sample": test.sample.sentence, "near": test.neighbourhood.sentence},
    )


def _values(test: DualStageTest, row: Instances) -> tuple[str, ...]:
    """The players' values as text; of several columns all of them."""
    columns = np.asarray(row, dtype=np.float64).ravel()
    index = np.asarray(test.players.index).ravel()
    return tuple(
        ", ".join(number(value) for value in columns[index == player].tolist())
        for player in range(test.players.count)
    )
