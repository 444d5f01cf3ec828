"""The leak check: a planted label is found in masks, and none where there is none."""

import pytest
import torch

from onlyif.core.errors import InputError, SettingError
from onlyif.metrics.leak import LeakSettings, _folds, _reading, _within_sizes, label_leak

FAST = LeakSettings(epochs=8)
SIDE = 16


def _noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def _labels(n: int) -> torch.Tensor:
    return (_noise(n, seed=9) < 0.4).long()


def _blobs(n: int, corner: torch.Tensor) -> torch.Tensor:
    """One square of 4 x 4 an image, in one of two corners."""
    masks = torch.zeros(n, SIDE, SIDE)
    for mask, side in zip(masks, corner.tolist(), strict=True):
        at = 2 if side else 10
        mask[at : at + 4, at : at + 4] = 1.0
    return masks


def _images(labels: torch.Tensor) -> torch.Tensor:
    """The label is the brightness of the middle."""
    x = 0.2 * _noise(len(labels), 1, SIDE, SIDE, seed=1)
    x[:, :, 4:12, 4:12] += 0.7 * labels.view(-1, 1, 1, 1)
    return x


def test_a_mask_that_says_the_label_is_found_out():
    labels = _labels(120)
    leak = label_leak(
        _blobs(120, labels), torch.zeros(120, 1, SIDE, SIDE), torch.zeros(120, 1, SIDE, SIDE), labels, FAST
    )
    assert leak.masks.accuracy > 0.95
    assert leak.above_chance
    assert leak.chance == 0.5
    assert leak.labels == tuple(torch.bincount(labels).tolist())


def test_a_mask_that_only_points_at_the_evidence_is_not():
    labels = _labels(160)
    masks = torch.zeros(160, SIDE, SIDE)
    masks[:, 4:12, 4:12] = (_noise(160, 8, 8, seed=2) < 0.8).float()
    x = _images(labels)
    leak = label_leak(masks, x, torch.zeros_like(x), labels, FAST)
    assert leak.masked.accuracy > 0.95
    assert abs(leak.masks.accuracy - 0.5) < 3.5 * leak.masks.stderr
    assert not leak.above_chance
    assert abs(leak.share) < 0.35


def test_what_is_hidden_is_the_given_reference():
    """With nothing kept the masked image is the reference: here it holds the label, the image does not."""
    labels = _labels(100)
    nothing = torch.zeros(100, SIDE, SIDE)
    leak = label_leak(nothing, 0.2 * _noise(100, 1, SIDE, SIDE), _images(labels), labels, FAST)
    assert leak.masked.accuracy > 0.95
    assert leak.masks.accuracy == pytest.approx(0.5, abs=0.02)


def test_soft_masks_are_cut_at_the_threshold():
    labels = _labels(80)
    said = 0.3 + 0.4 * _blobs(80, labels)
    blank = torch.zeros(80, 1, SIDE, SIDE)
    low, high = (
        label_leak(said, blank, blank, labels, LeakSettings(epochs=8, threshold=t)) for t in (0.5, 0.71)
    )
    assert low.masks.accuracy > 0.95
    assert high.masks.accuracy == pytest.approx(0.5, abs=0.02)


def test_it_is_the_same_for_a_seed_and_leaves_the_random_state_alone():
    labels = _labels(60)
    x = _images(labels)
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, other = (label_leak(x[:, 0], x, 0 * x, labels, LeakSettings(epochs=2)) for _ in range(2))
    assert one == other
    assert torch.equal(torch.rand(1), expected)


def test_balanced_accuracy_and_its_error_by_hand():
    labels = torch.tensor([0, 0, 0, 0, 1, 1])
    right = torch.tensor([True, True, True, False, True, False])
    reading = _reading(right, labels)
    assert reading.accuracy == pytest.approx((0.75 + 0.5) / 2)
    assert reading.stderr == pytest.approx((0.75 * 0.25 / 4 + 0.5 * 0.5 / 2) ** 0.5 / 2)


def test_every_label_is_spread_evenly_over_the_folds():
    labels = _labels(53)
    fold = _folds(labels, LeakSettings(folds=4))
    for label in (0, 1):
        counts = torch.bincount(fold[labels == label], minlength=4)
        assert int(counts.max() - counts.min()) <= 1


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0] * 12, r"at least two labels .* got labels 0 to 0 \[12\] times"),
        ([0] * 9 + [1] * 3, r"\[9, 3\] times"),
    ],
)
def test_labels_that_cannot_be_split_are_refused(labels, message):
    x = torch.zeros(12, 1, SIDE, SIDE)
    with pytest.raises(InputError, match=message):
        label_leak(x[:, 0], x, x, torch.tensor(labels))


def test_masks_of_another_size_are_refused():
    x = torch.zeros(12, 1, SIDE, SIDE)
    with pytest.raises(InputError, match=r"need masks \(b, h, w\) of images"):
        label_leak(torch.zeros(12, 8, 8), x, x, _labels(12))


@pytest.mark.parametrize("wrong", [{"folds": 1}, {"epochs": 0}, {"batch": 0}, {"learning_rate": 0.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingError, match="a leak check needs folds >= 2"):
        LeakSettings(**wrong)
    with pytest.raises(SettingError, match=r"threshold of a mask must lie in \(0, 1\], got 0"):
        LeakSettings(threshold=0.0)


def test_labels_that_sizes_tell_are_told_apart_from_those_that_shapes_smuggle():
    labels, x = _labels(120), torch.zeros(120, 1, SIDE, SIDE)
    empty = _blobs(120, torch.zeros(120)) * labels.view(-1, 1, 1)
    honest = label_leak(empty, x, x, labels, LeakSettings(epochs=8, strata=6))
    assert honest.above_chance and honest.sizes.accuracy > 0.9 and not honest.beyond_sizes
    smuggled = label_leak(_blobs(120, labels), x, x, labels, LeakSettings(epochs=8, strata=6))
    assert smuggled.sizes.accuracy < 0.7 and smuggled.beyond_sizes
    with pytest.raises(SettingError, match="was not asked for"):
        _ = label_leak(empty, x, x, labels, FAST).beyond_sizes


def test_labels_change_places_among_masks_of_one_size_alone():
    sizes, labels = torch.arange(40) // 10, _labels(40)
    binary = (torch.arange(16) < sizes[:, None]).float().view(40, 1, 4, 4)
    changed = _within_sizes(binary, labels, LeakSettings(strata=4))
    for size in range(4):
        assert torch.equal(
            labels[sizes == size].bincount(minlength=2), changed[sizes == size].bincount(minlength=2)
        )
    assert not torch.equal(changed, labels)


def test_masks_of_one_size_tell_nothing_by_it_in_whatever_order_they_come():
    labels = _labels(120).sort().values
    changed = _within_sizes(torch.ones(120, 1, 4, 4), labels, LeakSettings(strata=6))
    # Among images that come label by label, about half of each label have another one now.
    assert torch.equal(changed.bincount(), labels.bincount())
    assert 0.3 < (changed == labels).float().mean() < 0.7
    x = torch.zeros(120, 1, SIDE, SIDE)
    smuggled = label_leak(_blobs(120, labels), x, x, labels, LeakSettings(epochs=8, strata=6))
    assert smuggled.sizes.accuracy < 0.7 and smuggled.beyond_sizes
