"""Gaps of sets of pixels against a plain loop, whatever hides them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.metrics.gaps import Hiding, set_gaps
from onlyif.models.function import FunctionPredictor
from onlyif.references.baseline import BaselineReference
from onlyif.references.marginal import MarginalReference
from oracles.threshold_curves import gaps


@pytest.fixture
def sets():
    return torch.rand(4, 7, 6, 5, generator=torch.Generator().manual_seed(1)) < 0.4


@pytest.fixture
def hiding():
    return Hiding(BaselineReference(torch.linspace(-1, 1, 60, dtype=torch.float64).view(2, 6, 5), "a ramp"))


def test_both_gaps_are_those_of_a_plain_loop(images, sets, hiding):
    found = set_gaps(sets, images.predictor, images.x, images.target, hiding)
    for i in range(4):
        for j in range(7):
            needed = gaps(
                images.one(i), images.x[i].numpy(), hiding.reference.value.numpy(), sets[i, j].tolist()
            )
            got = (found.sufficiency[i, j].item(), found.necessity[i, j].item())
            assert got == pytest.approx(needed, abs=1e-12)
    assert not found.sufficiency_stderr.any()
    assert not found.necessity_stderr.any()


@settings(max_examples=12, deadline=None)
@given(max_rows=st.integers(1, 40))
def test_the_split_into_calls_changes_nothing_and_bounds_the_rows(max_rows):
    generator = torch.Generator().manual_seed(2)
    x = torch.rand(3, 1, 4, 4, generator=generator, dtype=torch.float64)
    sets = torch.rand(3, 5, 4, 4, generator=generator) < 0.5
    asked = []

    def function(batch):
        asked.append(len(batch))
        return torch.stack([batch.sum((1, 2, 3)).sin(), batch.square().sum((1, 2, 3))], 1)

    predictor, target = FunctionPredictor(function), torch.tensor([0, 1, 0])
    rows = MarginalReference(torch.rand(6, 1, 4, 4, generator=generator, dtype=torch.float64))
    whole = Hiding(rows, n_draws=6, max_rows=10_000)
    needed = set_gaps(sets, predictor, x, target, whole)
    asked.clear()
    found = set_gaps(sets, predictor, x, target, replace(whole, max_rows=max_rows))
    assert max(asked) <= max_rows
    torch.testing.assert_close(found.sufficiency, needed.sufficiency)
    torch.testing.assert_close(found.necessity, needed.necessity)
    single = set_gaps(sets[1:2], predictor, x[1:2], target[1:2], whole)
    torch.testing.assert_close(single.necessity, needed.necessity[1:2])


def test_a_law_with_few_atoms_is_exact_and_one_with_many_has_errors(images, sets):
    rows = MarginalReference(torch.randn(50, 2, 6, 5, generator=torch.Generator().manual_seed(3)).double())
    exact = set_gaps(sets, images.predictor, images.x, images.target, Hiding(rows, n_draws=50))
    drawn = set_gaps(sets, images.predictor, images.x, images.target, Hiding(rows, n_draws=49))
    assert not exact.sufficiency_stderr.any()
    assert bool((drawn.sufficiency_stderr > 0).all())
    assert bool((drawn.necessity_stderr > 0).all())
    errors = (drawn.sufficiency - exact.sufficiency).abs() / drawn.sufficiency_stderr
    assert errors.max() < 5
    base = torch.stack([images.function(row.unsqueeze(0))[0] for row in rows.rows]).mean(0)
    kept = sets[0, 0].expand(2, 6, 5)
    shown = torch.stack([images.function(torch.where(kept, row, images.x[0])[None])[0] for row in rows.rows])
    needed = (shown.mean(0) - base)[images.target[0]].abs()
    assert exact.necessity[0, 0].item() == pytest.approx(needed.item(), abs=1e-12)


def test_what_does_not_fit_is_refused(images, sets, hiding):
    with pytest.raises(
        InputError, match=r"got sets of shape \(4, 7, 5, 6\) for images of shape \(4, 2, 6, 5\)"
    ):
        set_gaps(sets.transpose(2, 3), images.predictor, images.x, images.target, hiding)
    with pytest.raises(InputError, match="3 targets for 4 instances"):
        set_gaps(sets, images.predictor, images.x, images.target[:3], hiding)
    with pytest.raises(InputError, match="targets must lie in 0 to 2, got 7 to 9"):
        set_gaps(sets, images.predictor, images.x, images.target + 7, hiding)
    broken = FunctionPredictor(
        lambda batch: batch.flatten(1)[:, :3].double() / (batch[:, 0, 0, 0] != -1)[:, None]
    )
    with pytest.raises(ModelError, match="answered NaN or infinite for"):
        set_gaps(sets, broken, images.x, images.target, hiding)
    with pytest.raises(SettingError, match="n_draws >= 2, got 1"):
        replace(hiding, n_draws=1)
    with pytest.raises(SettingError, match="max_rows must be at least 1, got 0"):
        replace(hiding, max_rows=0)
