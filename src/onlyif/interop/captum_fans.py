"""FANS in Captum's convention: `FANS(forward_func).attribute(inputs, ...)`."""

import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from typing_extensions import override

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import Change, NormChange, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.thresholds import noise_threshold
from onlyif.core.arguments import Either, Flag, Function, Kind, Made, Number, Whole, settle
from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError, OnlyIfWarning
from onlyif.core.extras import missing
from onlyif.core.shapes import Instances
from onlyif.interop.captum_forward import Forward, Target, packed, target_numbers
from onlyif.interop.captum_inputs import (
    Baselines,
    Layout,
    Tensors,
    alike,
    as_tuple,
    like,
    players_of,
)
from onlyif.interop.captum_progress import progress
from onlyif.models.base import Predictor
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.background import BackgroundSample
from onlyif.samples.base import Sample, SampleRows
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import Ascended, ascend
from onlyif.searches.ascent_settings import AscentSettings, recommended_settings

Samples: TypeAlias = Sample | Tensor | tuple[Tensor, ...]
# Chosen on training images from number 50,000 on: experiments/fans_defaults.py.
EASING = 0.5

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
        c: The threshold of each instance; NaN for one that is its own baseline.
        model_rows: Rows that the model was asked for, for each instance.
        blank: Which instances are their own baselines: nothing can be a cause there, and their attributions
            are 0.
    """

    start: Tensors
    baselines: Tensors
    trace: Float[Tensor, "b steps"]
    b: float
    c: Float[Tensor, "b"]
    model_rows: Float[Tensor, "b"]
    blank: Bool[Tensor, "b"]


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
        show_progress: bool = False,
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
            show_progress: Whether a bar says how many of the model rows have been asked for.

        Raises:
            InputError: if baselines, masks or samples do not fit the inputs.
            ModelError: if the function raises, has no or no finite gradients, or its rows depend on each
                other.
            SettingError: if there is no such target, or b, c or a setting is out of range.
        """
        asked = _Asked(self.forward_func, b, c, settings, seed, max_rows, return_details)
        given = packed(inputs, additional_forward_args, feature_mask, asked.max_rows)
        layout, x = given.layout, given.x
        ends, sample = _ends_of(layout, baselines, x, asked.seed), _sample_of(layout, samples)
        n = sample.rows(x[:1], asked.seed).count
        boundary = scott_boundary(n, x.shape[1]) if asked.b is None else asked.b
        # One of the near copies a step is enough; background rows differ.
        n_inputs = 1 if samples is None else None
        rows = len(x) * asked.how(x.shape[1], n_inputs).rows(n)
        with progress(self.get_name(), rows, shown=Flag().take("show_progress", show_progress)) as told:
            forward = Forward(self.forward_func, layout, given.further, len(x), asked.max_rows, told)
            task = _Task(asked, forward, x, ends, given.features, sample, n_inputs, boundary)
            parts = task.parts(target)
        maps = like(inputs, layout.given_back(_joined(parts, [part.risen.scores for part in parts], x)))
        return (maps, _details(layout, parts, task)) if asked.return_details else maps


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
class _Asked:
    """The arguments of a call that are no tensors, made plain and checked."""

    forward_func: Any
    b: float | None
    c: float | None
    settings: AscentSettings | None
    seed: int
    max_rows: int
    return_details: bool

    def __post_init__(self) -> None:
        settle(self, _KINDS)

    def how(self, n_players: int, n_inputs: int | None) -> AscentSettings:
        """How PNS is ascended."""
        return self.settings or recommended_settings(n_players, n_inputs=n_inputs, easing=EASING)


_KINDS: dict[str, Kind] = {
    "forward_func": Function(),
    "b": Either((Number(above=0.0, below=None), None)),
    "c": Either((Number(above=0.0), None)),
    "settings": Either((Made((AscentSettings,)), None)),
    "seed": Whole(),
    "max_rows": Whole(least=1),
    "return_details": Flag(),
}


@final
@dataclass(frozen=True, eq=False)
class _Task:
    """All that is asked of one call."""

    asked: _Asked
    forward: Forward
    x: Float[Tensor, "b entries"]
    ends: Float[Tensor, "b entries"]
    features: Int64[Tensor, "b entries"]
    sample: Sample
    n_inputs: int | None
    boundary: float

    @property
    def blank(self) -> Bool[Tensor, "b"]:
        """Which instances are their own baselines."""
        return (self.x == self.ends).all(1).cpu()

    def parts(self, target: Target) -> list[_Part]:
        """The ascents of the instances that share model calls, group by group."""
        forward, blank = self.forward, self.blank
        if bool(blank.any()):
            warnings.warn(
                f"instances {blank.nonzero().flatten().tolist()} are equal to their baselines x': nothing "
                "can be a cause there, and their attributions are 0. Another baseline explains them",
                OnlyIfWarning,
                stacklevel=4,
            )
        with forward.left_as_found():
            shape = forward.output_shape(self.x[:1], self.ends[:1])
            chosen = target_numbers(target, shape, len(self.x))
            change: Change = NormChange() if chosen is None else TargetChange(on_host(chosen))
            return [self._part(numbers, change.take(on_host(numbers))) for numbers in self._groups(~blank)]

    def _groups(self, asked: Bool[Tensor, "b"]) -> list[Int64[Tensor, "p"]]:
        """The instances that share model calls; a threshold by rule is an instance's own."""
        numbers = asked.nonzero().flatten()
        if not len(numbers):
            return []
        shared = [self.features, *self.forward.keys] if self.asked.c is not None else [numbers]
        keys = [each if each is numbers else each[numbers.to(each.device)] for each in shared]
        return [numbers[group] for group in alike(keys)]

    def _part(self, numbers: Int64[Tensor, "p"], change: Change) -> _Part:
        first, asked = int(numbers[0]), self.asked
        predictor, players = self.forward.predictor(first), players_of(self.features[first])
        x = self.x[numbers]
        c = self._rule(predictor, x, change) if asked.c is None else asked.c
        test = DualStageTest(
            predictor,
            players,
            self.sample,
            self.ends[numbers],
            Neighbourhood(SoftEvents(self.boundary, c)),
            max_rows=asked.max_rows,
            seed=asked.seed,
        )
        how = asked.how(players.count, self.n_inputs)
        risen = ascend(predictor, test, x, change, settings=how, max_rows=asked.max_rows)
        return _Part(numbers, torch.from_numpy(players.index), risen, c)

    def _rule(self, predictor: Predictor, x: Tensor, change: Change) -> float:
        rows = self.sample.rows(x, self.asked.seed)
        inputs = torch.cat([rows.own[0], rows.shared])
        return noise_threshold(predictor, inputs, change, max_rows=self.asked.max_rows, seed=self.asked.seed)


@final
@dataclass(frozen=True)
class _PackedSample(Sample):
    """A sample of inputs, as rows.

    Args:
        sample: The sample, of inputs as they are given.
        layout: How inputs lie in a row. A tuple of inputs is sampled as the row that it becomes.
    """

    sample: Sample
    layout: Layout

    @override
    def rows(self, x: Instances, seed: int) -> SampleRows:
        shape = self.layout.shapes[0] if self.layout.alone else x.shape[1:]
        found = self.sample.rows(x.reshape(len(x), *shape), seed)
        own, shared = found.own, found.shared
        return SampleRows(own.reshape(*own.shape[:2], x.shape[1]), shared.reshape(len(shared), x.shape[1]))

    @property
    @override
    def sentence(self) -> str:
        return self.sample.sentence


def _ends_of(
    layout: Layout, baselines: Baselines | None, x: Float[Tensor, "b entries"], seed: int
) -> Float[Tensor, "b entries"]:
    """x' of every instance; one uniform draw for all where none is given."""
    if baselines is None:
        return torch.from_numpy(uniform_baseline(x.shape[1:], seed=seed)).to(x).expand(len(x), -1)
    return layout.baselines(baselines, len(x))


def _sample_of(layout: Layout, samples: Samples | None) -> Sample:
    """E, as rows.

    Raises:
        InputError: if rows have another form than the inputs.
    """
    if samples is None or isinstance(samples, Sample):
        return _PackedSample(samples or NoisySample(4, sigma=0.01), layout)
    rows = as_tuple(samples)
    if not all(isinstance(one, Tensor) for one in rows):
        kinds = [type(one).__name__ for one in rows]
        raise InputError(f"samples must be a Sample, a tensor or a tuple of tensors, got {kinds}")
    shapes = tuple(tuple(one.shape[1:]) for one in rows)
    if shapes != layout.shapes or len({len(one) for one in rows}) != 1:
        raise InputError(
            f"samples have the shapes {[tuple(one.shape) for one in rows]}, one instance {layout.shapes}; "
            "need rows of that form, as many in each tensor"
        )
    return BackgroundSample(layout.pack(rows))


def _joined(parts: list[_Part], scores: list[Tensor], x: Tensor) -> Float[Tensor, "b entries"]:
    joined = torch.zeros_like(x)
    for part, some in zip(parts, scores, strict=True):
        joined[part.numbers] = some[:, part.index].to(joined)
    return joined


def _details(layout: Layout, parts: list[_Part], task: _Task) -> FANSDetails:
    b = len(task.x)
    n_steps = parts[0].risen.trace.shape[1] if parts else 0
    c, rows, trace = torch.full((b,), torch.nan), torch.zeros(b), torch.zeros(b, n_steps)
    trace = trace.to(parts[0].risen.trace) if parts else trace
    for part in parts:
        c[part.numbers], rows[part.numbers] = part.c, float(part.risen.model_rows)
        trace[part.numbers] = part.risen.trace
    start = _joined(parts, [part.risen.start for part in parts], task.x)
    given_back = layout.given_back(start), layout.given_back(task.ends)
    return FANSDetails(*given_back, trace, task.boundary, c, rows, task.blank)
