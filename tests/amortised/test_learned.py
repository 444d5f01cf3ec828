"""A learned explainer: what it learns, how it is saved, what it is good for, what it refuses."""

import pytest
import torch

import onlyif
from onlyif.amortised.learned import LearnedExplainer
from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.sized_lessons import SizedLessons, shares_at, sized_masks_of
from onlyif.amortised.training_state import TrainingSettings, digests_of
from onlyif.core.errors import InputError, OnlyIfWarning, SettingError, StorageError
from onlyif.criteria.blended import blended_gaps
from onlyif.models.differentiable import DifferentiablePredictor

X = torch.rand(30, 1, 8, 8, generator=torch.Generator().manual_seed(0))
# Four by two pixels count, whatever the image.
MODEL = DifferentiablePredictor(lambda batch: batch[:, 0, 2:6, 1:3].mean((1, 2)))
ASK = {"background": 0 * X, "size": [8, 16]}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    path = tmp_path_factory.mktemp("learned") / "one"
    found = onlyif.train_explainer(
        MODEL, X[:20], steps=60, batch=8, learning_rate=0.02, path=path, progress=False, **ASK
    )
    return found, path


def test_it_learns_where_to_look_and_gives_sets_of_the_sizes_asked_for(learned):
    network = learned[0].checkpoints[0].network()
    masks = sized_masks_of(network, X[20:], torch.full((10,), 0.5), (0.125, 0.25))
    torch.testing.assert_close(masks.mean((2, 3)), torch.tensor([[0.125, 0.25]] * 10), atol=1e-4, rtol=0)
    start = learned[0].start(X[20:], torch.full((10,), 0.5), (0.125, 0.25)).view(10, 8, 8)
    highest = start.flatten(1).topk(8).indices
    inside = torch.zeros(8, 8).index_put((torch.arange(2, 6)[:, None], torch.arange(1, 3)), torch.tensor(1.0))
    assert inside.flatten()[highest].mean() > 0.8
    rounds = learned[0].checkpoints[0].rounds
    assert rounds[-1].objective < 0.7 * (0.5 * X.mean().item())


def test_a_short_repair_takes_a_fifth_of_the_rows_and_is_about_as_good(learned):
    whole = onlyif.explain(MODEL, X[20:23], modality=onlyif.Images("pixels"), **ASK)
    short = onlyif.explain(MODEL, X[20:23], modality=onlyif.Images("pixels"), search=learned[0], **ASK)
    for one, other in zip(whole, short, strict=True):
        assert other.model_rows < 0.3 * one.model_rows
        assert other.unified.unified(0.5) <= one.unified.unified(0.5) + 0.05
        assert "60 steps on other images" in other.provenance.start and not other.notes


def test_images_that_were_trained_on_are_known_again(learned):
    assert learned[0].knows(X).sum() == 18 and not learned[0].knows(X[20:]).any()
    items = onlyif.explain(MODEL, X[18:21], search=learned[0], **ASK)
    assert [bool(item.notes) for item in items] == learned[0].knows(X[18:21]).tolist()


def test_a_training_goes_on_where_it_stood_and_says_what_it_will_take(learned, tmp_path):
    found, path = learned
    settings = {"batch": 8, "learning_rate": 0.02, "progress": False, **ASK}
    onlyif.train_explainer(MODEL, X[:20], steps=50, path=tmp_path / "two", **settings)
    told = onlyif.estimate_training(MODEL, X[:20], steps=60, batch=8, path=tmp_path / "two", **ASK)
    assert told.steps == 10 and told.model_rows == 10 * 8 * 2 and told.seconds > 0
    again = onlyif.train_explainer(MODEL, X[:20], steps=60, path=tmp_path / "two", **settings)
    for name, weight in found.checkpoints[0].weights.items():
        torch.testing.assert_close(again.checkpoints[0].weights[name], weight, rtol=0, atol=1e-6)
    loaded = LearnedExplainer.load(path)
    assert torch.equal(loaded.checkpoints[0].trained_on, found.checkpoints[0].trained_on)
    with pytest.raises(SettingError, match="of a training on other images"):
        onlyif.train_explainer(MODEL, X[:19], steps=60, path=path, **settings)
    with pytest.warns(OnlyIfWarning, match="after 50 of 60 steps"):
        onlyif.train_explainer(MODEL, X[:20], steps=60, time_limit=0.0, **settings)


def test_networks_for_one_alpha_are_joined_and_mixed_between(tmp_path):
    ends = [
        onlyif.train_explainer(MODEL, X[:8], steps=1, batch=2, alpha=alpha, **ASK) for alpha in (0.0, 1.0)
    ]
    both = ends[0].beside(ends[1])
    parts = [both.start(X[:1], torch.tensor([alpha]), (0.125,)) for alpha in (0.0, 0.5, 1.0)]
    torch.testing.assert_close(parts[1], (parts[0] + parts[2]) / 2)
    paths = both.save(tmp_path / "ends")
    assert len(paths) == 2 and LearnedExplainer.load(*paths).checkpoints[1].selector.alpha == 1.0
    with pytest.raises(SettingError, match="for α = 0 alone, and sets of α = 1 are wanted too"):
        onlyif.explain(MODEL, X[:1], search=ends[0], **ASK)


def test_sizes_of_a_step_lie_between_the_ends_and_small_ones_are_as_frequent_as_large():
    shares = torch.cat([shares_at((0.01, 0.2), TrainingSettings(batch=64), step) for step in range(20)])
    assert float(shares.min()) >= 0.01 and float(shares.max()) <= 0.2
    assert float((shares < 0.0447).float().mean()) == pytest.approx(0.5, abs=0.05)


def test_each_step_has_sizes_of_its_own_and_masks_of_them():
    half = blended_gaps(MODEL, X[:6], torch.zeros(1, 1, 1, 8, 8), torch.zeros(6, dtype=torch.int64))
    settings, training = SelectorSettings(1, 4, 2, sized=True), TrainingSettings(batch=3)
    posed = SizedLessons(half, half, (0.05, 0.4)).posed(settings)
    network, numbers, alpha = Selector(settings), torch.arange(3), torch.ones(3)
    means = [posed.masks(network, numbers, alpha, training, step).mean((1, 2)) for step in (0, 1)]
    for step in (0, 1):
        torch.testing.assert_close(means[step], shares_at((0.05, 0.4), training, step), atol=1e-4, rtol=0)
    assert not torch.allclose(*means)


def test_digests_tell_images_apart():
    one, same, other = digests_of(X[:1]), digests_of(X[:1].double().float()), digests_of(X[:1] + 1e-6)
    assert torch.equal(one, same) and not torch.equal(one, other) and one.shape == (1, 16)


def test_bad_input_is_refused(tmp_path, learned):
    with pytest.raises(InputError, match="at least 4 images"):
        onlyif.train_explainer(MODEL, X[:2], **ASK)
    with pytest.raises(InputError, match="images of 1 channels"):
        onlyif.explain(
            DifferentiablePredictor(lambda batch: batch.mean((1, 2, 3))), torch.rand(1, 3, 8, 8), size=0.1,
            background=torch.rand(2, 3, 8, 8), search=learned[0],
        )  # fmt: skip
    with pytest.raises(StorageError, match="does not exist"):
        LearnedExplainer.load(tmp_path / "none")
    with pytest.raises(SettingError, match="has no use with other players"):
        onlyif.explain(MODEL, X[:1], modality=onlyif.Images(4), background=X, search=learned[0])
    with pytest.raises(SettingError, match="networks for sets of given sizes"):
        LearnedExplainer(())
    sized, free = (Selector(SelectorSettings(1, 4, 1, sized=sized)) for sized in (True, False))
    with pytest.raises(SettingError, match="of given sizes: ask for sized_masks"):
        sized.masks(X[:1], torch.ones(1))
    with pytest.raises(SettingError, match="of no given size: ask for masks"):
        free.sized_masks(X[:1], torch.ones(1), torch.tensor([0.1]))
