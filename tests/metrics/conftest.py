"""A small image model with curvature, in float64, and images for it."""

from dataclasses import dataclass

import pytest
import torch

from onlyif.models.base import Meaning
from onlyif.models.function import FunctionPredictor


@dataclass(frozen=True, eq=False)
class Images:
    """Images, their targets, maps for them, and the function that the predictor is."""

    x: torch.Tensor
    target: torch.Tensor
    maps: torch.Tensor
    function: object
    predictor: FunctionPredictor

    def one(self, i):
        """The output for the target of image i, as a plain function of one array."""
        return lambda z: float(self.function(torch.as_tensor(z).unsqueeze(0))[0, self.target[i]])


@pytest.fixture
def images():
    source = torch.Generator().manual_seed(0)
    first = torch.randn(2 * 6 * 5, 8, generator=source, dtype=torch.float64)
    second = torch.randn(8, 3, generator=source, dtype=torch.float64)

    def function(batch):
        return torch.tanh(batch.double().flatten(1) @ first / 4).mm(second).softmax(1)

    x = torch.rand(4, 2, 6, 5, generator=source, dtype=torch.float64) * 2 - 1
    maps = torch.randn(4, 2, 6, 5, generator=source, dtype=torch.float64)
    described = Meaning("two layers", "probability")
    return Images(
        x, torch.tensor([0, 1, 2, 1]), maps, function, FunctionPredictor(function, described=described)
    )
