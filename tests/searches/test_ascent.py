"""Ascent of PNS: against the table of all subsets, in any batch and blocks, its settings, and bad models."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from onlyif.causation.abduction import PlainConditional, Resampling, Unweighted, WeightedMean
from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.surrogate import ExponentialSurrogate
from onlyif.core.errors import InputError, ModelError, OnlyIfWarning, SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.subsets import keep_of_codes
from onlyif.criteria.soft_causation_draws import StepDraws
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.samples.background import BackgroundSample
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import PNSAscent, ascend
from onlyif.searches.ascent_settings import (
    AscentSettings,
    paper_settings,
    recommended_settings,
)
from onlyif.searches.gradient import Schedule
from onlyif.searches.mask_shapes import FreeMask, SizedMasks, top_players

D = 8
FEW = recommended_settings(steps=6)
FIRST = np.zeros(3, dtype=np.int64)


def _made(seed):
    return torch.Generator().manual_seed(seed)


def _normal(made, *shape):
    return torch.randn(*shape, generator=made, dtype=torch.float64)


def _test_of(function, seed=0, background=None, d=D, **changed):
    sample = NoisySample(4, 0.05) if background is None else BackgroundSample(background)
    test = DualStageTest(
        DifferentiablePredictor(function, dtype=torch.float64),
        Players(np.arange(d), tuple(map(str, range(d)))),
        sample,
        torch.zeros(1, d, dtype=torch.float64),
        Neighbourhood(SoftEvents(1.5, 0.1)),
        Perturbations(most_masks=2**d),
        seed=seed,
    )
    return replace(test, **changed)


def _net(seed=0, b=3, *, background=False):
    """A random network with one hidden layer, instances, and how they are read."""
    made = _made(seed)
    one, two = _normal(made, D, 10), _normal(made, 10, 2)
    x, rows = _normal(made, b, D), _normal(made, 20, D)
    test = _test_of(
        lambda batch: (torch.tanh(batch @ one) @ two).softmax(1), seed, rows if background else None
    )
    return test, x, TargetChange(np.zeros(b, dtype=np.int64))


def _two_causes(seed, *, background):
    """σ of two of the players, both of which speak for the prediction."""
    made = _made(seed)
    two = torch.randperm(D, generator=made)[:2]
    weights = torch.zeros(D, dtype=torch.float64).index_fill(0, two, 1.5)
    x = torch.rand(3, D, generator=made, dtype=torch.float64) * 0.6 + 0.7
    sign = torch.where(torch.rand(3, D, generator=made) < 0.5, 1.0, -1.0).index_fill(1, two, 1.0)
    rows = _normal(made, 20, D) if background else None
    return _test_of(lambda batch: torch.sigmoid(batch @ weights), seed, rows), x * sign, two


def _run(test, x, change, settings=FEW, **given):
    return ascend(test.predictor, test, x, change, settings=settings, **given)


def _measured(table, scores, size):
    """PNS of the top players, of the best set, and of sets of that size on average."""
    code = (top_players(scores, size)[:, 0].long() * 2 ** torch.arange(D)).sum(1)
    table = torch.from_numpy(table)
    pool = table[:, torch.from_numpy(keep_of_codes(np.arange(2**D), D).sum(1) == size)]
    return torch.stack([table.gather(1, code.unsqueeze(1))[:, 0], pool.amax(1), pool.mean(1)])


@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))])
def test_two_causes_are_found_and_are_the_best_of_all_pairs(seed, background):
    test, x, two = _two_causes(seed, background=background)
    change = TargetChange(FIRST)
    scores = _run(test, x, change, recommended_settings()).scores
    chosen = top_players(scores, 2)[:, 0]
    assert all(set(one.nonzero().flatten().tolist()) == set(two.tolist()) for one in chosen)
    found, best, by_chance = _measured(test.table(x, change).pns, scores, 2)
    torch.testing.assert_close(found, best)
    assert bool((found > 3 * by_chance).all())


@pytest.mark.parametrize(
    ("background", "share", "gain"),
    [(False, 0.75, 2.0), pytest.param(True, 0.65, 1.4, marks=pytest.mark.slow)],
)
def test_on_random_networks_most_of_the_best_pns_is_found(background, share, gain):
    """Interactions make it a hard problem; sets by chance have a third to a half of the best."""
    total = torch.zeros(3, 3, dtype=torch.float64)
    for seed in range(4):
        test, x, change = _net(seed, 4, background=background)
        scores = _run(test, x, change, recommended_settings()).scores
        table = test.table(x, change).pns
        total += torch.stack([_measured(table, scores, size).sum(1) for size in (1, 2, 3)])
    found, best, by_chance = total.unbind(1)
    assert bool((found >= share * best).all())
    assert bool((found >= gain * by_chance).all())


@pytest.mark.parametrize("settings", [FEW, paper_settings(steps=4, rate=0.1)])
@pytest.mark.parametrize("background", [False, True])
def test_neither_the_batch_nor_the_blocks_change_a_result(settings, background):
    test, x, change = _net(1, background=background)
    together = _run(test, x, change, settings)
    # Of 1,000 rows one instance; of 30 not even that.
    for max_rows in (1000, 30):
        split = _run(test, x, change, settings, max_rows=max_rows)
        torch.testing.assert_close(split.scores, together.scores, rtol=1e-6, atol=1e-7)
        torch.testing.assert_close(split.trace, together.trace, rtol=1e-6, atol=1e-7)
        assert split.model_rows == together.model_rows
    for i in range(3):
        alone = _run(test, x[i : i + 1], change.take(np.array([i])), settings)
        torch.testing.assert_close(alone.scores[0], together.scores[i], rtol=1e-6, atol=1e-7)


def test_baselines_may_be_each_instances_own():
    test, x, change = _net(2)
    own = replace(test, baseline=_normal(_made(5), 3, D))
    together = _run(own, x, change, max_rows=200)
    for i in range(3):
        alone = replace(own, baseline=own.baseline[i : i + 1])
        one = _run(alone, x[i : i + 1], change.take(np.array([i])))
        torch.testing.assert_close(one.scores[0], together.scores[i], rtol=1e-6, atol=1e-7)


def test_blocks_come_in_order_and_calls_are_bounded():
    asked = []
    test, x, change = _net(0)
    net = test.predictor.function

    def counted(batch):
        asked.append(len(batch))
        return net(batch)

    predictor = DifferentiablePredictor(counted, dtype=torch.float64)
    # One instance and step: 4 sizes, 2 sides, 4 inputs of E, 2 choices.
    ascent = PNSAscent(predictor, test, FEW, max_rows=64)
    blocks = list(ascent.run(x, change))
    assert [len(block.scores) for block in blocks] == [1, 1, 1]
    assert max(asked) <= 64
    # One row more is the check of gradients, two of each instance compare answers with and without them.
    checks = 1 + 2 * 3
    assert sum(asked) == checks + sum(block.model_rows for block in blocks) == checks + 3 * (6 * 64 + 4)


def test_equal_seeds_are_equal_and_others_are_not():
    test, x, change = _net(3)
    first = _run(test, x, change)
    assert torch.equal(first.scores, _run(test, x, change).scores)
    assert not torch.equal(first.scores, _run(replace(test, seed=99), x, change).scores)


@pytest.mark.parametrize(("steps", "rate"), [(50, 0.001), (10, 0.01)])
def test_the_papers_setting_stays_where_it_starts(steps, rate):
    test, x, change = _net(4)
    settings = paper_settings(steps=steps, rate=rate)
    assert (settings.draws.n_intervened, settings.abduction.n_resampled) == (50, 1)
    start = torch.rand(3, D, generator=_made(0))
    found = _run(test, x, change, settings, start=start)
    torch.testing.assert_close(found.start, start.double())
    moved = (found.scores - found.start).abs().max().item()
    # Adam steps a little further than its rate where slopes grow.
    assert 0 < moved <= 1.01 * steps * rate
    assert found.trace.shape == (3, steps)


def test_ascent_goes_up():
    test, x, _ = _two_causes(7, background=True)
    trace = _run(test, x, TargetChange(FIRST), recommended_settings()).trace
    assert bool((trace[:, -10:].mean(1) > trace[:, :10].mean(1) + 0.02).all())


def test_the_trace_begins_with_the_score_of_the_start():
    """The first entry is what the relaxed test says of the start, with the draws of step 0."""
    test, x, change = _net(5)
    settings = AscentSettings("one", Schedule(1), FreeMask(), StepDraws(4), weights=(0.25, 0.75))
    start = torch.rand(3, D, generator=_made(1)).double()
    ascent = PNSAscent(test.predictor, test, settings)
    objective = ascent._objective(test.predictor, torch.arange(3))
    parts = objective.parts(objective.pose(x, change), start.unsqueeze(1), 0)[:, 0]
    wanted = parts @ torch.tensor([0.25, 0.75], dtype=torch.float64)
    torch.testing.assert_close(_run(test, x, change, settings, start=start).trace[:, 0], wanted)


@pytest.mark.parametrize(
    "ablation",
    [
        {"weights": (1.0, 0.0)},
        {"weights": (0.0, 1.0)},
        {"abduction": Unweighted()},
        {"abduction": PlainConditional()},
        {"abduction": Resampling(2)},
        {"surrogate": ExponentialSurrogate()},
        {"shape": FreeMask()},
    ],
)
@pytest.mark.parametrize("change", [NormChange(), TargetChange(FIRST)])
def test_ablations_run_and_change_the_result(ablation, change):
    test, x, _ = _net(6, background=True)
    plain = _run(test, x, change)
    found = _run(test, x, change, replace(FEW, **ablation))
    assert bool(found.scores.isfinite().all())
    assert bool(((found.scores >= 0) & (found.scores <= 1)).all())
    assert not torch.allclose(found.scores, plain.scores)


def test_players_that_the_model_ignores_come_last():
    weights = torch.tensor([2.0, 0.0, 0.0, 1.5, 0.0, 0.0, 0.0, 0.0], dtype=torch.float64)
    test = _test_of(lambda batch: torch.sigmoid(batch @ weights))
    scores = _run(test, torch.ones(1, D).double(), TargetChange(FIRST[:1]), recommended_settings()).scores[0]
    assert scores[[0, 3]].min() > scores[[1, 2, 4, 5, 6, 7]].max()


@pytest.mark.filterwarnings("ignore:PNS has no slope")
def test_a_start_is_where_it_starts():
    test, x, change = _net(0)
    start = torch.zeros(3, D).index_fill(1, torch.tensor([2, 5]), 1.0)
    still = replace(FEW, shape=SizedMasks((0.25,)), schedule=Schedule(6, 1e-9))
    found = _run(test, x, change, still, start=start)
    assert bool((top_players(found.start, 2)[:, 0] == start.bool()).all())
    torch.testing.assert_close(found.scores, found.start)


@pytest.mark.parametrize(
    "start", [torch.rand(3, D + 1), torch.full((3, D), 1.1), torch.full((3, D), torch.nan)]
)
def test_bad_starts_are_refused(start):
    test, x, change = _net(0)
    with pytest.raises(InputError, match=r"need a start of shape \(3, 8\) with values in \[0, 1\]; got"):
        _run(test, x, change, start=start)


def test_a_model_without_gradients_is_refused_and_shown_the_way():
    test = _test_of(lambda batch: batch.detach().sum(1))
    with pytest.raises(ModelError, match=r"no gradient .*BeamSearch"):
        _run(test, torch.ones(1, D).double(), TargetChange(FIRST[:1]))


def test_nan_gradients_are_refused():
    # Finite at the instance itself, but with an infinite slope where a player is at the baseline.
    test = _test_of(lambda batch: batch.abs().sqrt().sum(1) + 0 * batch[:, 0].log().nan_to_num())
    test = replace(test, sample=BackgroundSample(torch.ones(2, D).double() * 0.5))
    with pytest.raises(ModelError, match="NaN or infinite gradients"):
        _run(
            test, torch.ones(1, D).double(), TargetChange(FIRST[:1]), paper_settings(), start=torch.ones(1, D)
        )


def test_nan_answers_are_refused():
    test = _test_of(lambda batch: batch.sum(1) / (batch[:, 0] - 1).clamp(max=0))
    with pytest.raises(ModelError, match="NaN or infinite"):
        _run(test, torch.ones(1, D).double(), TargetChange(FIRST[:1]))


def test_instances_that_do_not_fit_are_refused():
    test, x, change = _net(0)
    with pytest.raises(InputError, match="need the same"):
        _run(test, x[:, :5], change)
    with pytest.raises(InputError, match="instance 1 is equal to the baseline"):
        _run(test, torch.cat([x[:1], torch.zeros(1, D), x[:1]]).double(), change)
    with pytest.raises(SettingError, match="one target an instance: got 3 for 2"):
        _run(test, x[:2], change)
    with pytest.raises(SettingError, match="0 to 1; got"):
        _run(test, x, TargetChange(FIRST + 2))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"weights": (0.0, 0.0)}, "not both 0"),
        ({"weights": (-1.0, 1.0)}, "at least 0"),
        ({"easing": 1.5}, "0 <= easing <= 1"),
    ],
)
def test_bad_settings_are_refused(wrong, message):
    with pytest.raises(SettingError, match=message):
        replace(recommended_settings(), **wrong)


def test_the_weighted_mean_is_the_usual_abduction():
    assert recommended_settings().abduction == WeightedMean()


def test_masks_that_cannot_move_are_said():
    test, x, change = _net(b=2)
    # Every mask changes the outputs by far more than c: the kernel of c underflows.
    narrow = replace(test, neighbourhood=Neighbourhood(SoftEvents(1.5, 1e-9)))
    with pytest.warns(OnlyIfWarning, match=r"no slope for instances \[0, 1\]"):
        risen = _run(narrow, x, change)
    assert not risen.moved.any()
    assert bool(_run(test, x, change).moved.all())


def test_a_second_ascent_finds_a_slope_where_the_first_had_none():
    """The model changes by far more than c whatever is perturbed; one player does most of it."""
    weights = torch.tensor([30.0, 20.0, 20.0, 20.0, 20.0])
    model = DifferentiablePredictor(lambda batch: batch @ weights)
    players, near = column_players([*"abcde"]), Neighbourhood(SoftEvents(b=1.0, c=0.1))
    test = DualStageTest(model, players, NoisySample(4, sigma=0.01), torch.zeros(1, 5), near)
    x, change = torch.ones(1, 5), TargetChange(np.array([0]))
    with pytest.warns(OnlyIfWarning, match="PNS has no slope"):
        stuck = ascend(model, test, x, change, settings=recommended_settings(steps=20))
    assert not stuck.moved.any()
    found = ascend(model, test, x, change, settings=recommended_settings(steps=20, easing=0.5))
    assert found.moved.all()
    assert found.scores.argmax().item() == 0
    assert found.model_rows > 2 * stuck.model_rows - stuck.model_rows / 10


def test_easing_leaves_all_others_as_they_are():
    weights = torch.tensor([4.0, 0.0, 3.0, 0.0, 0.0])
    model = DifferentiablePredictor(lambda batch: torch.sigmoid(batch @ weights - 3))
    players, near = column_players([*"abcde"]), Neighbourhood(SoftEvents(b=1.0, c=0.1))
    test = DualStageTest(model, players, NoisySample(4, sigma=0.01), torch.zeros(1, 5), near)
    x, change = torch.ones(1, 5), TargetChange(np.array([0]))
    one, other = (
        ascend(model, test, x, change, settings=recommended_settings(steps=20, easing=easing))
        for easing in (0.0, 0.5)
    )
    assert torch.equal(one.scores, other.scores)
    with pytest.raises(SettingError, match="easing"):
        replace(paper_settings(), easing=0.5)
