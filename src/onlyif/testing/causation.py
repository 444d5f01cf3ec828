"""What the small families of the dual-stage test promise, as checks."""

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from onlyif.causation.abduction import Abduction, Weight
from onlyif.causation.change import Change
from onlyif.causation.dissimilarity import Dissimilarity, Total
from onlyif.causation.neighbourhood import Events
from onlyif.core.shapes import Instances

TOLERANCE = 1e-12


def check_change(change: Change, outputs: Float[Tensor, "b m n t k"], base: Float[Tensor, "b n k"]) -> None:
    """The contract of `Change`: no change is 0, instances are read apart, repeats are read once.

    Args:
        change: The member, for as many instances as the outputs have.
        outputs: Some predictions.
        base: What they are compared with.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    found = change.between(outputs, base)
    assert found.shape == outputs.shape[:-1], "need one change an output"
    assert bool((found >= 0).all()), "a change is negative or NaN"
    same = base.unsqueeze(1).unsqueeze(3).expand_as(outputs)
    assert bool((change.between(same, base) == 0).all()), "equal predictions change"
    for i in range(len(outputs)):
        alone = change.take(torch.tensor([i])).between(outputs[i : i + 1], base[i : i + 1])
        assert torch.allclose(alone, found[i : i + 1], rtol=TOLERANCE), (
            f"instance {i} alone is read differently"
        )
    different, which = change.distinct(len(outputs))
    shared = different.between(outputs[:1], base[:1])
    everyone = change.between(outputs[:1].expand_as(outputs), base[:1].expand_as(base))
    assert torch.allclose(shared[which], everyone, rtol=TOLERANCE), "a reading without repeats is another one"


def check_dissimilarity(dissimilarity: Dissimilarity, rows: Instances) -> None:
    """The contract of `Dissimilarity`: 0 on equals, at least 0, entry by entry, in double precision.

    Args:
        dissimilarity: The member.
        rows: Some inputs.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    for one in rows:
        found = dissimilarity.squares(rows, one)
        assert found.shape == rows.shape, "need one square an entry"
        assert found.dtype == torch.float64, "squares must be in double precision"
        assert bool((found >= 0).all()), "a square is negative or NaN"
        equal = (rows == one) | (rows.isnan() & one.isnan())
        assert not bool(found[equal].any()), "equal entries are apart"
    assert dissimilarity.sentence.strip() == dissimilarity.sentence != "", "the distance needs a sentence"


def check_total(total: Total, sums: Float64[Tensor, "n m"]) -> None:
    """The contract of `Total`: it grows with the sum, and nothing compared is no distance.

    Args:
        total: The member.
        sums: Some sums of squares.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    counts = torch.arange(sums.shape[1]).double()
    found = total.of(sums, counts)
    assert found.shape == sums.shape, "need one distance a sum"
    assert bool((total.of(2 * sums, counts) >= found).all()), "it must grow with the sum"
    assert not bool(total.of(torch.zeros_like(sums), counts).any()), "no differences are a distance"
    assert total.sentence.strip() == total.sentence != "", "the total needs a sentence"


def check_events(events: Events, values: Float64[Tensor, "v"]) -> None:
    """The contract of `Events`: near falls with distance from 1, changed grows with the change from 0.

    Args:
        events: The member.
        values: Some distances and changes, at least 0.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    grown = values.sort().values
    near, changed = events.log_near(grown.square()).exp(), events.changed(grown)
    nothing = torch.zeros(1, dtype=torch.float64)
    assert float(events.log_near(nothing)) == 0, "what is equal to x is near"
    assert float(events.changed(nothing)) == 0, "no change counts as one"
    for one, ordered in (("near", near.flip(0)), ("changed", changed)):
        assert bool(((ordered >= 0) & (ordered <= 1)).all()), f"{one} must lie between 0 and 1"
        assert bool((ordered.diff() >= 0).all()), f"{one} must be monotone"
    assert 0 < events.threshold < float("inf"), "the threshold is finite and above 0"


def check_abduction(abduction: Abduction, means: Float64[Tensor, "m q"]) -> None:
    """The contract of `Abduction`: the two events come first, and null events give 0.

    Args:
        abduction: The member.
        means: Some means between 0 and 1, one for each of its terms.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    first, second = abduction.terms[:2]
    assert (first.weight, second.weight) == (Weight.NEAR_ON_S, Weight.NEAR_ON_REST), "P(A, B) comes first"
    assert means.shape[1] == len(abduction.terms), "give one mean a term"
    for one in abduction.conditional(means):
        assert one.shape == means.shape[:1], "need one number a subset"
        assert bool((one >= 0).all()), "a conditional probability is negative or NaN"
    for one in abduction.conditional(torch.zeros_like(means)):
        assert not bool(one.any()), "null events must give 0"
    drawn = {Weight.DRAWN_FOR_PN, Weight.DRAWN_FOR_PS} & {term.weight for term in abduction.terms}
    assert bool(drawn) == (abduction.n_resampled is not None), "drawn inputs and their number go together"
