"""Explanations of images by the sets of each size that are most probably their cause."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import torch
from torch import Tensor

from onlyif.answers.causes import measured_set
from onlyif.causation.change import TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.probabilities import over_baselines
from onlyif.core.arrays import on_host
from onlyif.core.labels import Row
from onlyif.explanation.explanation import Details, Explanation, Provenance
from onlyif.explanation.pixels import PixelNames
from onlyif.searches.sized import SizedSearch, SizedSets


@final
@dataclass(frozen=True, eq=False)
class SizedCausesTask:
    """Some images, with all that is needed to tell their causes.

    Args:
        search: How sets are found.
        fresh: The dual-stage tests that tell their probabilities, one for each x', with perturbations that
            the search never saw.
        targets: The explained output of each.
        predictions: f(x) and f(x') of each.
        size: The size of the cause.
        labels: The label of each image.
        target_labels: The name of each one's explained output.
        provenance: What was chosen.
        time_is_up: Whether there is no time for another step.
        notes: What a reader must know of all of them.
    """

    search: SizedSearch
    fresh: Sequence[DualStageTest]
    targets: Sequence[int]
    predictions: Sequence[tuple[float, float]]
    size: int
    labels: Sequence[Row]
    target_labels: Sequence[str]
    provenance: Provenance
    time_is_up: Callable[[], bool]
    notes: tuple[str, ...] = ()

    def explanations(self) -> tuple[Explanation, ...]:
        """One explanation an image, in order.

        Raises:
            LimitError: if memory runs out even for a single row.
            ModelError: if the model gives no or no finite gradients.
        """
        x = self.search.costs.images
        numbers = torch.arange(len(x), device=x.device)
        found = self.search.run(numbers, torch.zeros(len(x), device=x.device))
        stopped = self.time_is_up()
        return tuple(self._explained(x, found, i, stopped=stopped) for i in range(len(x)))

    def _explained(self, x: Tensor, found: SizedSets, i: int, *, stopped: bool) -> Explanation:
        names, keep = PixelNames(*x.shape[-2:]), on_host(found.sets[i]).astype(bool)
        change = TargetChange(np.array([self.targets[i]]))
        tests = [
            one if len(one.baseline) == 1 else replace(one, baseline=one.baseline[i : i + 1])
            for one in self.fresh
        ]
        told = over_baselines([test.measure_proper(x[i : i + 1], keep[None], change) for test in tests])
        path = tuple(measured_set(names, told, (0, m), row, exact=False) for m, row in enumerate(keep))
        cause = next(one for one in path if one.size == self.size)
        full, base = self.predictions[i]
        most = max(one.pns.value for one in path)
        return Explanation(
            row=self.labels[i],
            names=names,
            values=(),
            target=self.targets[i],
            target_label=self.target_labels[i],
            prediction=full,
            base=base,
            base_stderr=0.0,
            sets={"cause": cause},
            provenance=self.provenance,
            scores={"cause": found.scores[i].view(names.shape).numpy(force=True).copy()},
            settings={
                "size": cause.size,
                "felt": bool(found.felt[i]),
                **({"stopped": True} if stopped else {}),
            },
            details=Details(path=path),
            model_rows=int(found.model_rows[i]) + round(told.model_rows) + 1 + len(self.fresh),
            notes=self.notes,
            reason="" if most > 0 else _nothing(float(self.provenance.values["c"])),
        )


def _nothing(c: float) -> str:
    return (
        "no perturbation changes the prediction of an input near this image by enough to count "
        f"(c = {c:.4g}): the PNS of every set is 0"
    )
