"""FANS in Captum's convention: `FANS(forward_func).attribute(inputs, ...)`."""

from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.causation.change import Change, NormChange, TargetChange
from onlyif.causation.checks import check_instances
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.heuristics import noise_threshold, scott_boundary
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.extras import missing
from onlyif.interop.captum_forward import Forward, Target, further_arguments, target_numbers
from onlyif.interop.captum_inputs import Baselines, Layout, Tensors, alike, as_tuple, layout_of, players_of
from onlyif.interop.captum_samples import Samples, ends_of, sample_of
from onlyif.predictors.base import Predictor
from onlyif.samples.base import Sample
from onlyif.searches.ascent import Ascended, ascend
from onlyif.searches.ascent_settings import AscentSettings, recommended_settings

try:
    from captum.attr import PerturbationAttribution
except ImportError as error:
    raise missing("captum", "captum", "attribution in Captum's convention") from error


@final
@dataclass(frozen=True, eq=False)
class FANSDetails:
    """What belongs to attributions by FANS.

    Args:
        start: The attributions before the first step: what they must be compared with.
        baselines: The baseline x' of each instance.
        trace: The score of each step.
        b: The boundary.
        c: The threshold of each instance.
        model_rows: Rows that the model was asked for, for each instance.
    """

    start: Tensors
    baselines: Tensors
    trace: Float[Tensor, "b steps"]
    b: float
    c: Float[Tensor, "b"]
    model_rows: Float[Tensor, "b"]


@final
class FANS(PerturbationAttribution):  # type: ignore[misc]  # untyped base
    """How necessary and sufficient a cause of the prediction each entry of the input is.

    Ascent of PNS on a relaxed subset of the entries or features. A
    `torch.nn.Module` is asked in evaluation mode; any other function is asked as it is.

    What is explained is the function's own output, so c is in its units. Explain probabilities, by
    wrapping a classifier: `FANS(torch.nn.Sequential(model, torch.nn.Softmax(dim=1)))`. A
    threshold for logits would mean something else for each input, as a change by 1 may be all or nothing.

    The function goes from the inputs and further arguments to one row of outputs an instance, with
    gradients; of several outputs a target is explained.

    Example:
        >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3), torch.nn.Softmax(1))
        >>> images = torch.rand(2, 1, 4, 4)
        >>> FANS(net).attribute(images, target=1).shape
        torch.Size([2, 1, 4, 4])

    References:
        [chen2024] section 4.7, with the corrections in the guide.
    """

    @classmethod
    @override
    def get_name(cls) -> str:
        return "FANS"

    @property
    @override
    def multiplies_by_inputs(self) -> bool:
        return False

    @override
    @torch.inference_mode(mode=False)  # whose tensors have no gradients
    def attribute(
        self,
        inputs: Tensors,
        baselines: Baselines | None = None,
        target: Target = None,
        additional_forward_args: Any = None,
        feature_mask: Tensors | None = None,
        samples: Samples | None = None,
        b: float | None = None,
        c: float | None = 0.1,
        settings: AscentSettings | None = None,
        seed: int = 0,
        max_rows: int = 512,
        return_details: bool = False,
    ) -> Any:
        """Attributions of the inputs' shapes, in [0, 1]; those of one feature are equal.

        With the recommended settings an attribution is the share of the sizes, 5 to 40 % of
        the features, at which the feature is in the set with the largest PNS.

        Args:
            inputs: A tensor or a tuple of tensors, one instance a row.
            baselines: x': numbers or tensors for each input. None draws them once, uniform in
                [0, 1] and equal for all instances: for images in these units, and for nothing else.
            target: The explained output, as in Captum. None takes the only one, or with several the
                Euclidean norm of the change of all.
            additional_forward_args: Further arguments. Tensors have one row an instance and are repeated with
                it; all else is passed on. Instances whose tensors differ share no model call.
            feature_mask: The feature of each entry, for all instances or for each; equal numbers are one
                feature, also across tensors. None makes each entry a feature.
            samples: E: a `Sample`, or background rows in the inputs' form, to which each instance is added.
                None takes each instance and three copies with noise of .01.
            b: Boundary of being near. None takes Scott's rule, meant for entries of unit spread.
            c: Threshold of a change, in units of the output. None takes the rule of weak noise for each
                instance, which is far smaller for smooth models.
            settings: How PNS is ascended; None is recommended, `paper_settings()` is the printed way.
            seed: Seed of all draws; global random states stay as they are.
            max_rows: Most rows of one model call; the default suits a CPU.
            return_details: Give `(attributions, FANSDetails)`.

        Raises:
            InputError: if baselines, masks or samples do not fit the inputs, or an instance is its baseline.
            ModelError: if the function has no or no finite gradients, or its rows depend on each other.
            SettingError: if there is no such target, or b, c or a setting is out of range.
        """
        layout = layout_of(inputs)
        x = layout.pack(as_tuple(inputs))
        forward = Forward(self.forward_func, layout, further_arguments(additional_forward_args, len(x)))
        ends, sample = ends_of(layout, baselines, x, seed), sample_of(layout, samples)
        check_instances(x, ends, torch.zeros(1, 1, 1, dtype=torch.bool), 1)
        features = layout.features(feature_mask, len(x))
        boundary = scott_boundary(sample.rows(x[:1], seed).count, x.shape[1]) if b is None else b
        # One of the near copies a step is enough; background rows differ.
        n_inputs = 1 if samples is None else None
        task = _Task(forward, x, ends, features, sample, n_inputs, boundary, c, settings, seed, max_rows)
        with forward.left_as_found():
            chosen = target_numbers(target, forward.output_shape(x[:1], ends[:1]), len(x))
            change: Change = NormChange() if chosen is None else TargetChange(chosen)
            parts = [task.part(numbers, change.take(numbers)) for numbers in task.groups()]
        maps = layout.given_back(_joined(parts, [part.risen.scores for part in parts], x))
        return (maps, _details(layout, parts, x, ends, boundary)) if return_details else maps


@final
@dataclass(frozen=True, eq=False)
class _Part:
    """What came out for instances that were ascended together."""

    numbers: Int64[Tensor, "p"]
    index: Int64[Tensor, "entries"]
    risen: Ascended
    c: float


@final
@dataclass(frozen=True, eq=False)
class _Task:
    """All that is asked of one call."""

    forward: Forward
    x: Float[Tensor, "b entries"]
    ends: Float[Tensor, "b entries"]
    features: Int64[Tensor, "b entries"]
    sample: Sample
    n_inputs: int | None
    b: float
    c: float | None
    settings: AscentSettings | None
    seed: int
    max_rows: int

    def groups(self) -> list[Int64[Tensor, "p"]]:
        """The instances that share model calls; a threshold by rule is an instance's own."""
        return alike(
            [self.features, *self.forward.keys] if self.c is not None else [torch.arange(len(self.x))]
        )

    def part(self, numbers: Int64[Tensor, "p"], change: Change) -> _Part:
        """The ascent of some instances."""
        first = int(numbers[0])
        predictor, players = self.forward.predictor(first), players_of(self.features[first])
        x = self.x[numbers]
        c = self._rule(predictor, x, change) if self.c is None else self.c
        test = DualStageTest(
            predictor,
            players,
            self.sample,
            self.ends[numbers],
            Neighbourhood(SoftEvents(self.b, c)),
            max_rows=self.max_rows,
            seed=self.seed,
        )
        how = self.settings or recommended_settings(players.count, n_inputs=self.n_inputs)
        risen = ascend(predictor, test, x, change, settings=how, max_rows=self.max_rows)
        return _Part(numbers, players.index, risen, c)

    def _rule(self, predictor: Predictor, x: Tensor, change: Change) -> float:
        rows = self.sample.rows(x, self.seed)
        inputs = torch.cat([rows.own[0], rows.shared])
        return noise_threshold(predictor, inputs, change, max_rows=self.max_rows, seed=self.seed)


def _joined(parts: list[_Part], scores: list[Tensor], x: Tensor) -> Float[Tensor, "b entries"]:
    joined = torch.empty_like(x)
    for part, some in zip(parts, scores, strict=True):
        joined[part.numbers] = some[:, part.index].to(joined)
    return joined


def _details(layout: Layout, parts: list[_Part], x: Tensor, ends: Tensor, b: float) -> FANSDetails:
    order = torch.cat([part.numbers for part in parts]).argsort()
    c = torch.cat([torch.full((len(part.numbers),), part.c) for part in parts])
    rows = torch.cat([torch.full((len(part.numbers),), part.risen.model_rows) for part in parts])
    start = _joined(parts, [part.risen.start for part in parts], x)
    trace = torch.cat([part.risen.trace for part in parts])
    return FANSDetails(
        layout.given_back(start), layout.given_back(ends), trace[order], b, c[order], rows[order]
    )
