"""Cause: one subset with the probabilities that it is the necessary and sufficient cause."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from onlyif.core.visible import on_one_line


@final
@dataclass(frozen=True)
class Measured:
    """A probability, and how well it is known.

    Args:
        value: The estimate.
        stderr: Its standard error given the sample E; 0 where all perturbations were enumerated.
        sample_stderr: Its standard error over E: how far another sample of as many inputs would move it.

    Example:
        >>> Measured(0.25, 0.0, 0.02)
        Measured(value=0.25, stderr=0.0, sample_stderr=0.02)
    """

    value: float
    stderr: float
    sample_stderr: float


@final
@dataclass(frozen=True)
class Cause:
    """One subset s, and how probable it is that s is the necessary and sufficient cause.

    Args:
        players: Sorted numbers of the players in s.
        names: Their names, in the same order.
        pn: PN: where perturbing s changed the prediction, the probability that perturbing
            the rest instead would not have.
        ps: PS: where perturbing the rest changed nothing, the probability that perturbing s would have.
        p_changed: P(A, B): an input of E is near x on s, and perturbing s changes its prediction.
        p_unchanged: P(Ā, B̄): it is near x outside s, and perturbing the rest does not change it.
        pns: PNS = PN·P(A, B) + PS·P(Ā, B̄), from 0 to 2.
        effective_pn: Effective sample size of the weights of PN: how many inputs of E count.
        effective_ps: The same for PS.
        exact: Whether all perturbations were enumerated.
        searched: The PNS that the search saw, where it was estimated again afterwards; else None.
        n_ties: How many subsets of this size attain the same PNS, this one included; 0 when not counted.
        typical: Mean PNS of all subsets of this size, or None where not all were compared.

    References:
        [chen2024] equations 6 and 11 to 15, as corrected in the guide.
    """

    players: tuple[int, ...]
    names: tuple[str, ...]
    pn: Measured
    ps: Measured
    p_changed: Measured
    p_unchanged: Measured
    pns: Measured
    effective_pn: float
    effective_ps: float
    exact: bool
    searched: float | None = None
    n_ties: int = 0
    typical: float | None = None

    @property
    def size(self) -> int:
        """|s|."""
        return len(self.players)

    @property
    def pns_halved(self) -> float:
        """PNS with prior ½ on s and on its complement, from 0 to 1; it ranks subsets as PNS does."""
        return self.pns.value / 2

    @override
    def __str__(self) -> str:
        return "{" + on_one_line(", ".join(self.names)) + "}"
