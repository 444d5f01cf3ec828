"""Training: resumed runs are equal to the last bit, known masks are learned, bad lessons are refused."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onlyif.amortised.relaxed_lessons import Penalties, RelaxedLessons, masks_of
from onlyif.amortised.selector import SelectorSettings
from onlyif.amortised.training import fit, fresh
from onlyif.amortised.training_lessons import alphas_at, batch_at
from onlyif.amortised.training_state import Checkpoint, TrainingSettings
from onlyif.amortised.training_storage import load_checkpoint, save_checkpoint
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from oracles.lessons import PATCHES, SIDE, EitherPatch, bright_images, patch_lessons

SMALL = SelectorSettings(1, 4, 2, 1.0)
SHORT = TrainingSettings(learning_rate=3e-3, batch=5, n_steps=14, round_steps=4, patience=9)


def _last(states: Iterator[Checkpoint]) -> Checkpoint:
    *_, last = states
    return last


def _assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert one.rounds == other.rounds
    for part in ("weights", "moments", "best"):
        a, b = getattr(one, part), getattr(other, part)
        assert a.keys() == b.keys()
        assert all(torch.equal(a[name], b[name]) for name in a), part


@pytest.mark.parametrize("alpha", [0.0, 1.0, None])
@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_a_run_that_was_killed_and_resumed_is_the_same_to_the_last_bit(tmp_path, alpha, rounds):
    lessons, selector = patch_lessons(), replace(SMALL, alpha=alpha)
    begun = fresh(selector, SHORT, lessons)
    whole = _last(fit(begun, lessons))
    path = save_checkpoint(begun, tmp_path / "run")
    for _, state in zip(range(rounds), fit(begun, lessons), strict=False):
        save_checkpoint(state, path)
    torch.rand(17)  # whatever else drew from the global state
    resumed = _last(fit(load_checkpoint(path, selector), lessons))
    assert whole.step == resumed.step == 14
    assert [done.step for done in whole.rounds] == [4, 8, 12, 14]
    _assert_same(whole, resumed)


class _Dies(nn.Module):
    """The patch model, until it has been called often enough."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.calls, self.most = EitherPatch(), 0, 10**9

    def forward(self, batch):
        self.calls += 1
        if self.calls > self.most:
            raise KeyboardInterrupt
        return self.model(batch)


def test_a_kill_in_the_middle_of_a_round_loses_that_round_alone(tmp_path):
    dies = _Dies()
    lessons = patch_lessons(predictor=differentiable_module(dies))
    begun = fresh(SMALL, SHORT, lessons)
    whole = _last(fit(begun, lessons))
    dies.most, dies.calls = dies.calls // 2, 0
    path = save_checkpoint(begun, tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        for state in fit(begun, lessons):
            save_checkpoint(state, path)
    saved = load_checkpoint(path)
    assert 0 < saved.step < whole.step
    dies.most = 10**9
    _assert_same(whole, _last(fit(saved, lessons)))


def test_nothing_of_the_start_is_changed_and_a_finished_run_gives_nothing():
    lessons = patch_lessons()
    begun = fresh(SMALL, SHORT, lessons)
    before = {name: value.clone() for name, value in (begun.weights | begun.moments).items()}
    end = _last(fit(begun, lessons))
    assert all(torch.equal(value, before[name]) for name, value in (begun.weights | begun.moments).items())
    assert not torch.equal(end.weights["last.weight"], begun.weights["last.weight"])
    assert list(fit(end, lessons)) == []


def test_the_model_its_gradients_and_the_random_state_are_left_as_found():
    model = nn.Sequential(nn.Flatten(), nn.Linear(SIDE * SIDE, 1), nn.Dropout(0.5))
    lessons = patch_lessons(predictor=differentiable_module(model))
    torch.manual_seed(4)
    expected = torch.rand(1)
    torch.manual_seed(4)
    _last(fit(fresh(SMALL, replace(SHORT, n_steps=3), lessons), lessons))
    assert torch.equal(torch.rand(1), expected)
    assert all(part.training for part in model.modules())
    assert all(weight.grad is None for weight in model.parameters())


def _share(mask: torch.Tensor, rows: slice) -> float:
    return mask[:, rows, 1:3].mean().item()


def _continuum_lessons() -> RelaxedLessons:
    return patch_lessons(n=32, penalties=Penalties((0.2, 2.0), (0.01, 0.01), SIDE))


@pytest.fixture(scope="module")
def conditioned() -> Checkpoint:
    lessons = _continuum_lessons()
    training = TrainingSettings(learning_rate=1e-2, batch=16, n_steps=300, round_steps=50)
    return _last(fit(fresh(SelectorSettings(1, 8, 2), training, lessons), lessons))


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_one_network_learns_that_one_patch_is_sufficient_and_both_are_necessary(conditioned, alpha):
    x = bright_images(6, seed=2)
    masks = masks_of(conditioned.network(), x, torch.full((6,), alpha), at_once=4)
    upper, lower = (_share(masks, rows) for rows in PATCHES)
    inside = 4 * (upper + lower)
    outside = masks.sum().item() / 6 - inside
    assert outside < 2.0, "hardly anything outside the patches"
    if alpha == 0.0:
        assert min(upper, lower) > 0.9
    else:
        assert max(upper, lower) > 0.9
        assert min(upper, lower) < 0.2


@pytest.mark.slow
def test_validation_gets_near_the_best_masks_and_its_numbers_are_those_of_the_network(conditioned):
    lessons, best = _continuum_lessons(), conditioned.rounds[conditioned.best_round]
    ideal = torch.zeros(3, SIDE, SIDE)
    for rows in PATCHES:
        ideal[:2, rows, 1:3] = 1.0
    ideal[2, PATCHES[0], 1:3] = 1.0
    alpha = torch.tensor([0.0, 0.5, 1.0])
    weights = lessons.penalties.weights(alpha, SIDE)
    problem = lessons.objective.pose(lessons.held_x[:3], lessons.held_target[:3], weights)
    reached = lessons.objective.value(problem, ideal.flatten(1), 0).objective.mean().item()
    assert best.objective < 1.3 * reached
    network, held = conditioned.network(), lessons.held_x
    size = [masks_of(network, held, torch.full((5,), a)).mean().item() for a in alpha.tolist()]
    assert best.size == pytest.approx(sum(size) / 3, rel=1e-4)


def test_the_objective_of_a_round_is_that_of_a_plain_loop():
    lessons = patch_lessons(penalties=Penalties((0.3, 0.3), (0.7, 0.7), SIDE))
    state = next(fit(fresh(SMALL, SHORT, lessons), lessons))
    masks = masks_of(state.network(), lessons.held_x, torch.ones(5))
    assert state.rounds[0].size == pytest.approx(masks.mean().item(), rel=1e-5)
    variation = (masks.diff(dim=1).abs().sum((1, 2)) + masks.diff(dim=2).abs().sum((1, 2))) / SIDE**2
    penalty = 0.3 * masks.mean().item() + 0.7 * variation.mean().item()
    assert state.rounds[0].objective == pytest.approx(state.rounds[0].sufficiency + penalty, rel=1e-4)


def test_max_rows_changes_nothing_but_rounding():
    ends = []
    for rows in (7, 1024):
        lessons = patch_lessons(max_rows=rows)
        ends.append(_last(fit(fresh(SMALL, SHORT, lessons), lessons)))
    for name, value in ends[0].weights.items():
        torch.testing.assert_close(value, ends[1].weights[name], atol=1e-4, rtol=1e-3)


def test_early_stop_waits_for_patience_rounds():
    lessons = patch_lessons(predictor=DifferentiablePredictor(lambda batch: 0 * batch.mean((1, 2, 3))))
    still = replace(lessons, penalties=Penalties((0.0, 0.0), (0.0, 0.0)))
    start = fresh(SMALL, replace(SHORT, n_steps=100, round_steps=1, patience=3), still)
    assert [done.objective for done in _last(fit(start, still)).rounds] == [0.0] * 4


@settings(max_examples=30, deadline=None)
@given(n=st.integers(1, 9), batch=st.integers(1, 7), seed=st.integers(0, 3))
def test_every_epoch_has_every_image_once(n, batch, seed):
    training = TrainingSettings(batch=batch, seed=seed)
    taken = torch.cat([batch_at(training, n, step) for step in range(2 * n)])
    for epoch in taken.split(n)[: len(taken) // n]:
        assert sorted(epoch.tolist()) == list(range(n))


def test_the_order_is_another_one_in_every_epoch():
    training = TrainingSettings(batch=50)
    first, second = (batch_at(training, 50, step).tolist() for step in (0, 1))
    assert first != second
    assert first != list(range(50))


def test_alphas_have_their_share_of_ends_and_are_uniform_in_between():
    training = TrainingSettings(batch=20_000, p_ends=0.4)
    alpha = alphas_at(SelectorSettings(1), training, 5)
    assert float((alpha == 0).float().mean()) == pytest.approx(0.2, abs=0.015)
    assert float((alpha == 1).float().mean()) == pytest.approx(0.2, abs=0.015)
    inner = alpha[(alpha > 0) & (alpha < 1)]
    assert float(inner.mean()) == pytest.approx(0.5, abs=0.015)
    assert float(inner.std()) == pytest.approx(12**-0.5, abs=0.015)
    assert not torch.equal(alpha, alphas_at(SelectorSettings(1), training, 6))
    assert alphas_at(SelectorSettings(1, alpha=0.3), training, 0).unique().tolist() == pytest.approx([0.3])


def test_penalties_have_the_papers_ends_go_geometrically_and_follow_the_side():
    weights = Penalties().weights(torch.tensor([0.0, 0.25, 1.0]), side=256)
    torch.testing.assert_close(weights.size, torch.tensor([0.1, 10**-0.75, 1.0]))
    torch.testing.assert_close(weights.variation, torch.tensor([100.0, 10**1.75, 10.0]))
    small = Penalties().weights(torch.tensor([0.0, 1.0]), side=64)
    torch.testing.assert_close(small.variation, torch.tensor([25.0, 2.5]))
    none = Penalties((0.0, 0.0), (0.0, 1.0)).weights(torch.tensor([0.0, 0.5]), side=256)
    assert (none.size.tolist(), none.variation.tolist()) == ([0.0, 0.0], [0.0, 0.0])


@pytest.mark.parametrize("wrong", [{"size": (-1.0, 1.0)}, {"variation": (1.0, float("nan"))}, {"of_side": 0}])
def test_penalties_out_of_range_are_refused(wrong):
    with pytest.raises(SettingError, match="penalties need size and variation of at least 0"):
        Penalties(**wrong)


def test_a_checkpoint_of_other_lessons_is_refused():
    lessons = patch_lessons()
    begun = fresh(SMALL, SHORT, lessons)
    others = [
        patch_lessons(n=11),
        replace(lessons, held_x=lessons.held_x + 0.1),
        replace(lessons, penalties=Penalties()),
        replace(lessons, target=lessons.target + 1),
    ]
    for other in others:
        with pytest.raises(SettingError, match="trained on other lessons: it has digest"):
            next(fit(begun, other))


def test_images_of_two_shapes_or_none_are_refused():
    lessons = patch_lessons()
    nothing = {"x": lessons.x[:0], "target": lessons.target[:0]}
    nothing_held = {"held_x": lessons.held_x[:0], "held_target": lessons.held_target[:0]}
    for wrong in ({"held_x": torch.zeros(5, 1, 9, 8)}, nothing, nothing_held):
        with pytest.raises(InputError, match="images to train and to validate on, of one shape"):
            replace(lessons, **wrong)


def test_images_that_the_network_cannot_take_are_refused():
    lessons = patch_lessons()
    with pytest.raises(InputError, match="images of 3 channels and sides of at least 4"):
        next(fit(fresh(replace(SMALL, channels=3), SHORT, lessons), lessons))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda batch: batch.detach().mean((1, 2, 3)), "gives no gradient.*BeamSearch"),
        (lambda batch: (batch - batch).mean((1, 2, 3)).sqrt(), "NaN or infinite gradients"),
    ],
)
def test_models_without_finite_gradients_are_refused(function, message):
    lessons = patch_lessons(predictor=DifferentiablePredictor(function))
    with pytest.raises(ModelError, match=message):
        next(fit(fresh(SMALL, SHORT, lessons), lessons))
