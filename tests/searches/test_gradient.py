"""The search along a gradient: Adam against torch's own, its schedule, memory, and what it feels."""

import pytest
import torch

from onlyif.core.errors import LimitError, ModelError
from onlyif.searches.gradient import Schedule, descend
from onlyif.searches.mask_shapes import FreeMask, SizedMasks

START = torch.rand(4, 7, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
AIMS = torch.rand(4, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def _far(masks, asked, step, rows):
    """A cost whose slope changes at every step, half of it by what the model is asked."""
    weight = 1 + 0.5 * torch.sin(torch.arange(7.0) + step)
    return (weight * ((masks - AIMS[:, None]).square() + (asked - AIMS[:, None]).abs() ** 3)).sum((1, 2))


@pytest.mark.parametrize("shape", [FreeMask(), SizedMasks((0.2, 0.6))])
@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.8, 0.97)])
def test_steps_are_those_of_torchs_adam(shape, betas):
    schedule = Schedule(40, 0.1, 0.01, betas)
    found = descend(_far, START, shape, schedule, 8)
    theirs = START.clone().requires_grad_()
    optimiser, trace = torch.optim.Adam([theirs], betas=betas), []
    for step in range(40):
        masks = shape.masks(theirs)
        cost = _far(masks, masks, step, 8)
        trace.append(cost.detach())
        optimiser.param_groups[0]["lr"] = schedule.rate_at(step)
        optimiser.zero_grad()
        cost.sum().backward()
        optimiser.step()
        with torch.no_grad():
            theirs.copy_(shape.inside(theirs))
    assert torch.allclose(found.free, theirs, atol=1e-12)
    assert torch.allclose(found.trace, torch.stack(trace, 1), atol=1e-12)
    assert found.felt.all() and found.max_rows == 8


def test_a_start_is_left_as_it_is():
    start = START.clone()
    descend(_far, start, FreeMask(), Schedule(3), 8)
    assert torch.equal(start, START) and not start.requires_grad
    # Nor is a graph kept from step to step.
    assert not descend(_far, start, FreeMask(), Schedule(3), 8).free.requires_grad


def test_rates_fall_along_half_a_cosine():
    schedule = Schedule(5, 0.8, 0.2)
    rates = [schedule.rate_at(step) for step in range(5)]
    assert rates == pytest.approx([0.8, 0.7121320, 0.5, 0.2878680, 0.2])
    assert {Schedule(3).rate_at(step) for step in range(3)} == {0.1}
    assert Schedule(1, 0.8, 0.2).rate_at(0) == 0.8


def test_what_the_model_never_answers_to_is_not_felt():
    """Penalties alone move the first two."""
    share = torch.tensor([0.0, 0.0, 1.0, 1.0]).double()

    def cost(masks, asked, step, rows):
        return masks.mean((1, 2)) + share * asked.mean((1, 2))

    assert descend(cost, START, FreeMask(), Schedule(3), 8).felt.tolist() == [False, False, True, True]
    deaf = descend(lambda masks, *_: masks.mean((1, 2)), START, FreeMask(), Schedule(3), 8)
    assert not deaf.felt.any() and (deaf.free < START).all()


def test_rows_are_halved_for_good_where_memory_runs_out():
    tried = []

    def tight(masks, asked, step, rows):
        tried.append(rows)
        if rows > 3:
            raise MemoryError
        return _far(masks, asked, step, rows)

    found = descend(tight, START, FreeMask(), Schedule(5), 12)
    assert found.max_rows == 3 and tried == [12, 6, 3, 3, 3, 3, 3]
    assert torch.equal(found.free, descend(_far, START, FreeMask(), Schedule(5), 12).free)


def test_memory_that_runs_out_on_the_way_back_is_noticed_too():
    def full(slope):
        raise torch.OutOfMemoryError("full")

    def cost(masks, asked, step, rows):
        asked.register_hook(full)
        return _far(masks, asked, step, rows)

    with pytest.raises(LimitError, match="even with a single row"):
        descend(cost, START, FreeMask(), Schedule(1), 4)


def test_slopes_that_are_no_numbers_are_refused():
    with pytest.raises(ModelError, match="NaN or infinite gradients"):
        descend(lambda m, a, *_: (a - a).abs().sqrt().sum((1, 2)), START, FreeMask(), Schedule(1), 4)
