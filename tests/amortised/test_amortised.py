"""The amortised search: a wrong network is mended, a right one is left, and both are judged alike."""

from dataclasses import replace

import pytest
import torch

from onlyif.amortised.relaxed_lessons import Penalties, masks_of
from onlyif.amortised.search import AmortisedSearch, repair_settings
from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.core.errors import InputError, SettingError
from onlyif.criteria.soft import SoftProblem
from onlyif.searches.relaxed import RelaxedSearch
from oracles.lessons import PATCHES, SIDE, patch_lessons

LESSONS = patch_lessons(penalties=Penalties((0.2, 2.0), (0.01, 0.01), SIDE))


def _problem(alpha: list[float], lessons=LESSONS) -> SoftProblem:
    alphas = torch.tensor(alpha)
    b = len(alpha)
    return lessons.objective.pose(lessons.held_x[:b], 0, lessons.penalties.weights(alphas, SIDE))


def _untrained(alpha: float | None = None) -> Selector:
    return Selector(SelectorSettings(1, 4, 2, alpha)).eval()


def _run(search: AmortisedSearch, problem: SoftProblem):
    return list(search.run(problem))


def test_what_the_network_says_is_only_where_the_repair_starts():
    problem = _problem([0.0, 0.0])
    search = AmortisedSearch(_untrained(), LESSONS.objective, repair_settings(steps=120, rate=0.1))
    (found,) = _run(search, problem)
    ideal = torch.zeros(SIDE, SIDE)
    for rows in PATCHES:
        ideal[rows, 1:3] = 1.0
    torch.testing.assert_close(found.proposed, torch.full_like(found.proposed, 0.5), atol=0.1, rtol=0)
    assert float((found.masks - ideal).abs().mean()) < 0.05
    assert bool((found.gain > 0.1).all())


def test_the_repair_is_the_descent_from_the_networks_mask_and_both_are_judged_on_the_same_fresh_draws():
    problem, selector = _problem([1.0, 0.5, 0.0]), _untrained()
    settings = repair_settings(steps=5)
    (found,) = _run(AmortisedSearch(selector, LESSONS.objective, settings, n_fresh=40), problem)
    proposed = masks_of(selector, problem.images.x, problem.weights.alpha)
    assert torch.equal(found.proposed, proposed)
    (plain,) = RelaxedSearch(LESSONS.objective, settings).run(problem, proposed)
    assert torch.equal(found.masks, plain.masks)
    assert found.model_rows.tolist() == [5 * 4 + 10, 2 * (5 * 4 + 10), 5 * 4 + 10]
    seen = LESSONS.objective.estimate(problem, proposed.flatten(1), 40).value.objective
    assert not torch.equal(found.before.value.objective, seen)
    still = replace(found, masks=found.proposed, after=found.before)
    assert still.gain.tolist() == [0.0] * 3


def test_parts_and_singles_agree_with_one_batch():
    problem = _problem([1.0, 0.5, 0.0, 1.0])
    narrow = patch_lessons(max_rows=16).objective
    whole = _run(AmortisedSearch(_untrained(), LESSONS.objective, repair_settings(steps=8)), problem)
    parts = _run(AmortisedSearch(_untrained(), narrow, repair_settings(steps=8)), problem)
    assert [len(part.numbers) for part in parts] == [2, 2]
    assert torch.cat([part.numbers for part in parts]).tolist() == [0, 1, 2, 3]
    torch.testing.assert_close(torch.cat([p.masks for p in parts]), whole[0].masks, atol=1e-4, rtol=0)
    assert torch.equal(torch.cat([p.proposed for p in parts]), whole[0].proposed)
    for name in ("before", "after"):
        judged = torch.cat([getattr(part, name).value.objective for part in parts])
        torch.testing.assert_close(judged, getattr(whole[0], name).value.objective, atol=1e-4, rtol=0)


def test_an_alpha_or_image_that_the_selector_was_not_made_for_is_refused():
    with pytest.raises(SettingError, match=r"masks for alpha=0\.0 alone"):
        _run(AmortisedSearch(_untrained(0.0), LESSONS.objective), _problem([1.0]))
    big = Selector(SelectorSettings(1, 4, 4))
    with pytest.raises(InputError, match=r"images of 1 channels and sides of at least 16"):
        _run(AmortisedSearch(big, LESSONS.objective), _problem([1.0]))


def test_gaps_without_errors_are_refused():
    with pytest.raises(SettingError, match="need n_fresh >= 2 draws"):
        AmortisedSearch(_untrained(), LESSONS.objective, n_fresh=1)
