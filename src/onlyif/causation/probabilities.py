"""PN, PS, P(A, B), P(Ā, B̄) and PNS of subsets, with their errors."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import final

import numpy as np
from jaxtyping import Bool, Float64


@final
@dataclass(frozen=True, eq=False)
class Quantities:
    """One number about each quantity of the dual-stage test, for each instance and subset.

    Args:
        pn: Of PN, the probability of necessity: had s stayed, and the rest been perturbed, f would not have
            changed.
        ps: Of PS, the probability of sufficiency: had s been perturbed, f would have changed.
        p_changed: Of P(A, B): near x^t on s, and perturbing s changes f.
        p_unchanged: Of P(Ā, B̄): near x^t outside s, and perturbing what is outside s does not change f.
        pns: Of PNS = PN·P(A, B) + PS·P(Ā, B̄).
        necessity: Of its first summand.
        sufficiency: Of its second summand.
    """

    pn: Float64[np.ndarray, "b m"]
    ps: Float64[np.ndarray, "b m"]
    p_changed: Float64[np.ndarray, "b m"]
    p_unchanged: Float64[np.ndarray, "b m"]
    pns: Float64[np.ndarray, "b m"]
    necessity: Float64[np.ndarray, "b m"]
    sufficiency: Float64[np.ndarray, "b m"]

    @property
    def named(self) -> dict[str, Float64[np.ndarray, "b m"]]:
        """All of them by the paper's names."""
        return {
            "PN": self.pn,
            "PS": self.ps,
            "P(A,B)": self.p_changed,
            "P(Ā,B̄)": self.p_unchanged,
            "PNS": self.pns,
            "PN·P(A,B)": self.necessity,
            "PS·P(Ā,B̄)": self.sufficiency,
        }

    @property
    def parts(self) -> Float64[np.ndarray, "b m p"]:
        """The two summands of PNS, as the parts of a gap are."""
        return np.stack([self.necessity, self.sufficiency], axis=2)


@final
@dataclass(frozen=True, eq=False)
class Probabilities:
    """What the dual-stage test says of each instance and subset.

    PNS = PN·P(A, B) + PS·P(Ā, B̄) lies in [0, 2], for the two events do not exclude each other;
    with a prior of ½ on each it lies in [0, 1] and ranks alike: `pns_halved`.

    Args:
        values: The estimates.
        stderr: Their standard errors given E: how far other random perturbations would move them. 0
            where all perturbations were enumerated, NaN with a single one.
        sample_stderr: Their standard errors over E: how far another sample of as many inputs would move them.
        effective_pn: Effective sample size (Σw)² / Σw² of the weights of PN, from 0 for a null event to n.
        effective_ps: That of PS.
        exact: Whether all perturbations of the subset and of its complement were enumerated.
        n_sample: The number n of inputs in E.
        model_rows: Model rows that this needs, equal ones counted each time, for one instance on average.

    References:
        [chen2024] equations 6 and 11 to 15, as corrected in the guide.
    """

    values: Quantities
    stderr: Quantities
    sample_stderr: Quantities
    effective_pn: Float64[np.ndarray, "b m"]
    effective_ps: Float64[np.ndarray, "b m"]
    exact: Bool[np.ndarray, "b m"]
    n_sample: int
    model_rows: float

    @property
    def pn(self) -> Float64[np.ndarray, "b m"]:
        """PN."""
        return self.values.pn

    @property
    def ps(self) -> Float64[np.ndarray, "b m"]:
        """PS."""
        return self.values.ps

    @property
    def p_changed(self) -> Float64[np.ndarray, "b m"]:
        """P(A, B)."""
        return self.values.p_changed

    @property
    def p_unchanged(self) -> Float64[np.ndarray, "b m"]:
        """P(Ā, B̄)."""
        return self.values.p_unchanged

    @property
    def pns(self) -> Float64[np.ndarray, "b m"]:
        """PN·P(A, B) + PS·P(Ā, B̄), in [0, 2]."""
        return self.values.pns

    @property
    def parts(self) -> Float64[np.ndarray, "b m p"]:
        """The two summands of `pns`, each in [0, 1]."""
        return self.values.parts

    @property
    def pns_stderr(self) -> Float64[np.ndarray, "b m"]:
        """The standard error of `pns`, given E."""
        return self.stderr.pns

    @property
    def pns_halved(self) -> Float64[np.ndarray, "b m"]:
        """PNS with prior ½ on s and on its complement, in [0, 1]."""
        return self.pns / 2


def of_instances(parts: list[Probabilities]) -> Probabilities:
    """The probabilities of several blocks of instances together.

    Args:
        parts: The blocks, in order.
    """
    counts = [len(part.exact) for part in parts]
    rows = sum(part.model_rows * count for part, count in zip(parts, counts, strict=True))
    return _joined(parts, 0, rows / sum(counts))


def of_subsets(parts: list[Probabilities]) -> Probabilities:
    """The probabilities of several blocks of subsets of the same instances together.

    Args:
        parts: The blocks, in order.
    """
    return _joined(parts, 1, sum(part.model_rows for part in parts))


def over_baselines(parts: list[Probabilities]) -> Probabilities:
    """The probabilities where x' is one of several, each as probable as the others.

    PNS and its summands, P(A, B) and P(Ā, B̄) are means over x'; PN and PS are means weighted by the
    probability of their event. Standard errors are those given these x'; E has the instance in it under all
    of them and may be the same, so that `sample_stderr` is a mean, which is never below what it stands for.

    Args:
        parts: The probabilities under each x', of the same instances and subsets.
    """
    if len(parts) == 1:
        return parts[0]
    shares = {
        "pn": _shares([part.p_changed for part in parts]), "ps": _shares([part.p_unchanged for part in parts])
    }  # fmt: skip
    flat = np.full((len(parts), *parts[0].exact.shape), 1.0 / len(parts))
    ratios = {"pn": ("necessity", "p_changed"), "ps": ("sufficiency", "p_unchanged")}

    def each(quantities_of: Callable[[Probabilities], Quantities], *, independent: bool) -> Quantities:
        found = {}
        for one in fields(Quantities):
            weighted = shares.get(one.name, flat) * np.stack(
                [getattr(quantities_of(part), one.name) for part in parts]
            )
            found[one.name] = np.sqrt((weighted**2).sum(0)) if independent else weighted.sum(0)
        return Quantities(**found)

    values = each(lambda part: part.values, independent=False)
    errors = {name: _error_of_ratio(parts, getattr(values, name), name, of) for name, of in ratios.items()}
    return Probabilities(
        values,
        replace(each(lambda part: part.stderr, independent=True), **errors),
        each(lambda part: part.sample_stderr, independent=False),
        (shares["pn"] * [part.effective_pn for part in parts]).sum(0),
        (shares["ps"] * [part.effective_ps for part in parts]).sum(0),
        np.all([part.exact for part in parts], axis=0),
        parts[0].n_sample,
        sum(part.model_rows for part in parts),
    )


def _shares(events: list[Float64[np.ndarray, "b m"]]) -> Float64[np.ndarray, "n b m"]:
    """How much of an event's probability each x' has; alike where it has none."""
    each = np.stack(events)
    total = each.sum(0)
    shares: np.ndarray = np.where(total > 0, each / np.where(total > 0, total, 1.0), 1.0 / len(events))
    return shares


def _error_of_ratio(
    parts: list[Probabilities], ratio: Float64[np.ndarray, "b m"], name: str, of: tuple[str, str]
) -> Float64[np.ndarray, "b m"]:
    """The standard error of PN or PS over several x', to first order: what each x' weighs is estimated, too.

    Args:
        parts: The probabilities under each x'.
        ratio: PN or PS, the sum of a summand of PNS over that of its event's probability.
        name: Which.
        of: The names of that summand and that probability.
    """
    whole, event = of

    def each(part_of: Callable[[Probabilities], Quantities], one: str) -> Float64[np.ndarray, "n b m"]:
        return np.stack([getattr(part_of(part), one) for part in parts])

    p, own = (each(lambda part: part.values, one) for one in (event, name))
    of_whole, of_event, of_own = (
        np.square(each(lambda part: part.stderr, one)) for one in (whole, event, name)
    )
    # The summand is own times p, whose variances and its own tell how own and p vary together.
    both = np.where(
        own > 0, (of_whole - p**2 * of_own + own**2 * of_event) / (2 * np.where(own > 0, own, 1.0)), 0.0
    )
    spread = np.maximum(of_whole - 2 * ratio * both + ratio**2 * of_event, 0.0).sum(0)
    total = p.sum(0)
    found: np.ndarray = np.sqrt(spread) / np.where(total > 0, total, 1.0)
    return found


def _joined(parts: list[Probabilities], axis: int, model_rows: float) -> Probabilities:
    if len(parts) == 1:
        return parts[0]

    def together(array_of: Callable[[Probabilities], np.ndarray]) -> np.ndarray:
        return np.concatenate([array_of(part) for part in parts], axis=axis)

    def each(quantities_of: Callable[[Probabilities], Quantities]) -> Quantities:
        named = [quantities_of(part).named.values() for part in parts]
        return Quantities(*(np.concatenate(same, axis=axis) for same in zip(*named, strict=True)))

    return Probabilities(
        each(lambda part: part.values),
        each(lambda part: part.stderr),
        each(lambda part: part.sample_stderr),
        together(lambda part: part.effective_pn),
        together(lambda part: part.effective_ps),
        together(lambda part: part.exact),
        parts[0].n_sample,
        model_rows,
    )
