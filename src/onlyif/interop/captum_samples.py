"""What FANS needs beside the inputs, from Captum's convention: the sample E and the baseline x'."""

from dataclasses import dataclass
from typing import TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor
from typing_extensions import override

from onlyif.core.errors import InputError
from onlyif.core.shapes import Instances
from onlyif.interop.captum_inputs import Baselines, Layout, as_tuple
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.background import BackgroundSample
from onlyif.samples.base import Sample, SampleRows
from onlyif.samples.noisy import NoisySample

Samples: TypeAlias = Sample | Tensor | tuple[Tensor, ...]


@final
@dataclass(frozen=True)
class PackedSample(Sample):
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


def ends_of(
    layout: Layout, baselines: Baselines | None, x: Float[Tensor, "b entries"], seed: int
) -> Float[Tensor, "b entries"]:
    """x' of every instance; one uniform draw for all where none is given.

    Args:
        layout: How inputs lie in a row.
        baselines: What was given.
        x: The instances.
        seed: Seed of the draw.
    """
    if baselines is None:
        return torch.from_numpy(uniform_baseline(x.shape[1:], seed=seed)).to(x).expand(len(x), -1)
    return layout.baselines(baselines, len(x))


def sample_of(layout: Layout, samples: Samples | None) -> Sample:
    """E, as rows.

    Args:
        layout: How inputs lie in a row.
        samples: What was given; the instance and three noisy copies where nothing is.

    Raises:
        InputError: if rows have another form than the inputs.
    """
    if samples is None or isinstance(samples, Sample):
        return PackedSample(samples or NoisySample(4, sigma=0.01), layout)
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
