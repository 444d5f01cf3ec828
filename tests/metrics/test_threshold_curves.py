"""Threshold curves against plain loops over images, thresholds and pixels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.core.errors import InputError, SettingError
from onlyif.metrics.curves import Curve, normalised_scores, threshold_curves
from onlyif.metrics.gaps import Hiding
from onlyif.references.baseline import BaselineReference
from oracles.threshold_curves import area, gaps, normalised

T = (0.0, 0.1, 0.45, 1.0)
FLOOR = 0.02


@pytest.fixture
def hiding():
    return Hiding(BaselineReference(torch.zeros(2, 6, 5, dtype=torch.float64), "zero"))


@pytest.fixture
def scores(images):
    return images.maps.sum(1).clamp(min=0)


def test_every_point_is_that_of_a_plain_loop(images, scores, hiding):
    found = threshold_curves(
        scores, images.predictor, images.x, images.target, hiding, thresholds=T, floor=FLOOR
    )
    for i in range(4):
        plain = normalised(scores[i].tolist())
        for k, t in enumerate(T):
            members = [[value >= t for value in row] for row in plain]
            suf, nec = gaps(images.one(i), images.x[i].numpy(), hiding.reference.value.numpy(), members)
            size = sum(map(sum, members))
            assert found.sufficiency.values[i, k].item() == pytest.approx(suf, abs=1e-12)
            assert found.necessity.values[i, k].item() == pytest.approx(nec, abs=1e-12)
            assert found.size.values[i, k].item() == size / 30
            assert found.log_sufficiency.values[i, k].item() == pytest.approx(-math.log(max(suf, FLOOR)))
            assert found.log_necessity.values[i, k].item() == pytest.approx(-math.log(max(nec, FLOOR)))
            assert found.log_size.values[i, k].item() == pytest.approx(-math.log(size / 30))


def test_all_pixels_are_in_at_zero_and_an_empty_set_counts_as_one_pixel(images, hiding):
    none = torch.zeros(4, 6, 5)
    found = threshold_curves(none, images.predictor, images.x, images.target, hiding, floor=FLOOR)
    assert found.size.values[:, 0].tolist() == [1.0] * 4
    assert not found.size.values[:, 1:].any()
    assert found.log_sufficiency.mean[0].item() == pytest.approx(-math.log(FLOOR))
    torch.testing.assert_close(found.log_size.values[:, 1:], torch.full((4, 20), math.log(30)).double())


def test_mean_error_and_area_are_those_of_a_plain_loop():
    t = [0.0, 0.2, 0.7, 1.0]
    values = torch.rand(5, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    curve = Curve(torch.tensor(t, dtype=torch.float64), values)
    for k in range(4):
        column = values[:, k].tolist()
        mean = sum(column) / 5
        spread = math.sqrt(sum((value - mean) ** 2 for value in column) / 4)
        assert curve.mean[k].item() == pytest.approx(mean)
        assert curve.stderr[k].item() == pytest.approx(spread / math.sqrt(5))
    assert curve.area.values.tolist() == pytest.approx([area(row, t) for row in values.tolist()])
    later = curve.beyond(0.2)
    assert later.thresholds.tolist() == [0.7, 1.0]
    assert later.area.values.tolist() == pytest.approx([area(row[2:], t[2:]) for row in values.tolist()])


def test_one_image_has_no_error():
    curve = Curve(torch.tensor([0.0, 1.0]).double(), torch.ones(1, 2, dtype=torch.float64))
    assert curve.stderr.isnan().all()


pixels = st.one_of(st.just(0.0), st.floats(1e-3, 1e3))


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.lists(pixels, min_size=16, max_size=16), min_size=16, max_size=16))
def test_normalised_scores_are_those_of_a_plain_loop(rows):
    found = normalised_scores(torch.tensor([rows], dtype=torch.float64))[0]
    torch.testing.assert_close(found, torch.tensor(normalised(rows), dtype=torch.float64))
    assert found.max() == (1.0 if any(map(any, rows)) else 0.0)


def test_the_top_percent_becomes_one_and_units_do_not_matter():
    scores = torch.arange(1.0, 401.0).view(1, 20, 20)
    found = normalised_scores(scores)
    assert int((found == 1).sum()) == 4
    assert found.flatten()[395].item() == pytest.approx(396 / 397)
    torch.testing.assert_close(normalised_scores(1e-3 * scores), found)
    torch.testing.assert_close(normalised_scores(torch.cat([scores, 7 * scores]))[1:], found)


def test_what_does_not_fit_is_refused(images, scores, hiding):
    asked = (images.predictor, images.x, images.target, hiding)
    with pytest.raises(InputError, match=r"got scores of shape \(4, 2, 6, 5\).* need one a pixel"):
        threshold_curves(images.maps, *asked)
    with pytest.raises(InputError, match=r"at least 0, got -1; take the positive part"):
        threshold_curves(-torch.ones(4, 6, 5), *asked)
    with pytest.raises(InputError, match="NaN or infinite"):
        threshold_curves(scores / 0.0, *asked)
    for thresholds in ((0.5,), (0.0, 0.0), (0.5, 0.2), (-0.1, 1.0), (0.0, 1.1)):
        with pytest.raises(SettingError, match=r"ascend in \[0, 1\], got"):
            threshold_curves(scores, *asked, thresholds=thresholds)
    with pytest.raises(SettingError, match="floor of a gap must be above 0 for its logarithm, got 0"):
        threshold_curves(scores, *asked, floor=0.0)
