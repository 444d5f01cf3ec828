"""PN, PS, P(A, B), P(Ā, B̄) and PNS of subsets, with their errors."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

QUANTITIES = ("PN", "PS", "P(A,B)", "P(Ā,B̄)", "PNS", "PN·P(A,B)", "PS·P(Ā,B̄)")


@final
@dataclass(frozen=True, eq=False)
class Probabilities:
    """What the dual-stage test says of each instance and subset, in the order of `QUANTITIES`.

    PNS = PN·P(A, B) + PS·P(Ā, B̄) lies in [0, 2], for the two events do not exclude each other;
    with a prior of ½ on each it lies in [0, 1] and ranks alike: `pns_halved`.

    Args:
        values: The estimates.
        stderr: Their standard errors given E: how far other random perturbations would move them. 0
            where all perturbations were enumerated, NaN with a single one.
        sample_stderr: Their standard errors over E: how far another sample of as many inputs would move them.
        effective: Effective sample sizes (Σw)² / Σw² of the weights of PN and of PS, from 0 for a null
            event to n.
        exact: Whether all perturbations of the subset and of its complement were enumerated.
        n_sample: The number n of inputs in E.
        model_rows: Rows that the model was asked for, for one instance on average.

    References:
        [chen2024] equations 6 and 11 to 15, as corrected in the guide.
    """

    values: Float64[Tensor, "b m v"]
    stderr: Float64[Tensor, "b m v"]
    sample_stderr: Float64[Tensor, "b m v"]
    effective: Float64[Tensor, "b m two"]
    exact: Bool[Tensor, "b m"]
    n_sample: int
    model_rows: float

    @property
    def pn(self) -> Float64[Tensor, "b m"]:
        """Probability of necessity: had s stayed, and the rest been perturbed, f would not have changed."""
        return self.values[..., 0]

    @property
    def ps(self) -> Float64[Tensor, "b m"]:
        """Probability of sufficiency: had s been perturbed, f would have changed."""
        return self.values[..., 1]

    @property
    def p_changed(self) -> Float64[Tensor, "b m"]:
        """P(A, B): near x^t on s, and perturbing s changes f."""
        return self.values[..., 2]

    @property
    def p_unchanged(self) -> Float64[Tensor, "b m"]:
        """P(Ā, B̄): near x^t outside s, and perturbing what is outside s does not change f."""
        return self.values[..., 3]

    @property
    def pns(self) -> Float64[Tensor, "b m"]:
        """PN·P(A, B) + PS·P(Ā, B̄), in [0, 2]."""
        return self.values[..., 4]

    @property
    def parts(self) -> Float64[Tensor, "b m two"]:
        """The two summands of `pns`, each in [0, 1]."""
        return self.values[..., 5:]

    @property
    def pns_stderr(self) -> Float64[Tensor, "b m"]:
        """The standard error of `pns`, given E."""
        return self.stderr[..., 4]

    @property
    def pns_halved(self) -> Float64[Tensor, "b m"]:
        """PNS with prior ½ on s and on its complement, in [0, 1]."""
        return self.pns / 2


def joined(parts: list[Probabilities], dim: int) -> Probabilities:
    """The probabilities of several blocks of instances (dim 0) or subsets (dim 1) together.

    Args:
        parts: The blocks, in order.
        dim: Along what they are joined.
    """
    count = [len(part.values) if dim == 0 else 1 for part in parts]
    rows = sum(part.model_rows * size for part, size in zip(parts, count, strict=True))

    return Probabilities(
        torch.cat([part.values for part in parts], dim),
        torch.cat([part.stderr for part in parts], dim),
        torch.cat([part.sample_stderr for part in parts], dim),
        torch.cat([part.effective for part in parts], dim),
        torch.cat([part.exact for part in parts], dim),
        parts[0].n_sample,
        rows / sum(count) if dim == 0 else rows,
    )
