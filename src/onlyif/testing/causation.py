"""What the small families of the dual-stage test promise, as checks."""

import numpy as np
from jaxtyping import Float, Float64

from onlyif.causation.abduction import Abduction, Weight
from onlyif.causation.change import Change
from onlyif.causation.dissimilarity import Dissimilarity, Total
from onlyif.causation.neighbourhood import Events
from onlyif.core.arrays import Array, doubled, namespace

TOLERANCE = 1e-12


def check_change(change: Change, outputs: Float[Array, "b m n t k"], base: Float[Array, "b n k"]) -> None:
    """The contract of `Change`: no change is 0, instances are read apart, repeats are read once.

    Args:
        change: The member, for as many instances as the outputs have.
        outputs: Some predictions.
        base: What they are compared with.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    xp, found = namespace(outputs), change.between(outputs, base)
    assert found.shape == outputs.shape[:-1], "need one change an output"
    assert bool((found >= 0).all()), "a change is negative or NaN"
    same = xp.broadcast_to(base[:, None, :, None], outputs.shape)
    assert bool((change.between(same, base) == 0).all()), "equal predictions change"
    for i in range(len(outputs)):
        alone = change.take(np.array([i])).between(outputs[i : i + 1], base[i : i + 1])
        assert np.allclose(doubled(alone), doubled(found[i : i + 1]), rtol=TOLERANCE), (
            f"instance {i} alone is read differently"
        )
    different, which = change.distinct(len(outputs))
    shared = different.between(outputs[:1], base[:1])
    everyone = change.between(
        xp.broadcast_to(outputs[:1], outputs.shape), xp.broadcast_to(base[:1], base.shape)
    )
    assert np.allclose(doubled(shared)[which], doubled(everyone), rtol=TOLERANCE), (
        "a reading without repeats is another one"
    )


def check_dissimilarity(dissimilarity: Dissimilarity, rows: Float64[np.ndarray, "n *x"]) -> None:
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
        assert found.dtype == np.float64, "squares must be in double precision"
        assert bool((found >= 0).all()), "a square is negative or NaN"
        equal = (rows == one) | (np.isnan(rows) & np.isnan(one))
        assert not found[equal].any(), "equal entries are apart"
    assert dissimilarity.sentence.strip() == dissimilarity.sentence != "", "the distance needs a sentence"


def check_total(total: Total, sums: Float64[np.ndarray, "n m"]) -> None:
    """The contract of `Total`: it grows with the sum, and nothing compared is no distance.

    Args:
        total: The member.
        sums: Some sums of squares.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    counts = np.arange(float(sums.shape[1]))
    found = total.of(sums, counts)
    assert found.shape == sums.shape, "need one distance a sum"
    assert bool((total.of(2 * sums, counts) >= found).all()), "it must grow with the sum"
    assert not bool(total.of(np.zeros_like(sums), counts).any()), "no differences are a distance"
    assert total.sentence.strip() == total.sentence != "", "the total needs a sentence"


def check_events(events: Events, values: Float64[np.ndarray, "v"]) -> None:
    """The contract of `Events`: near falls with distance from 1, changed grows with the change from 0.

    Args:
        events: The member.
        values: Some distances and changes, at least 0.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    grown = np.sort(values)
    near, changed = np.exp(events.log_near(grown**2)), events.changed(grown)
    nothing = np.zeros(1)
    assert events.log_near(nothing).item() == 0, "what is equal to x is near"
    assert events.changed(nothing).item() == 0, "no change counts as one"
    for one, ordered in (("near", near[::-1]), ("changed", changed)):
        assert bool(((ordered >= 0) & (ordered <= 1)).all()), f"{one} must lie between 0 and 1"
        assert bool((np.diff(ordered) >= 0).all()), f"{one} must be monotone"
    assert 0 < events.threshold < float("inf"), "the threshold is finite and above 0"


def check_abduction(abduction: Abduction, means: Float64[np.ndarray, "m q"]) -> None:
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
    for conditional in (abduction.pn, abduction.ps):
        one = conditional.of(dict(zip(abduction.terms, means.T, strict=True)))
        assert one.shape == means.shape[:1], "need one number a subset"
        assert bool((one >= 0).all()), "a conditional probability is negative or NaN"
        null = conditional.of(dict(zip(abduction.terms, np.zeros_like(means).T, strict=True)))
        assert not null.any(), "null events must give 0"
    drawn = {Weight.DRAWN_FOR_PN, Weight.DRAWN_FOR_PS} & {term.weight for term in abduction.terms}
    assert bool(drawn) == (abduction.n_resampled is not None), "drawn inputs and their number go together"
