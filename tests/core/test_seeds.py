"""Child seeds."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.errors import SettingError
from onlyif.core.seeds import child_seed, generator
from onlyif.core.torch_seeds import torch_generator


@given(st.integers(), st.sampled_from(["", "draws", "α/1", "gaussian draws"]), st.integers(0, 10**6))
def test_a_child_seed_is_a_seed(seed, use, index):
    child = child_seed(seed, use, index)
    assert 0 <= child < 2**63
    assert child == child_seed(seed, use, index)


def test_uses_indices_and_seeds_never_share_a_stream():
    names = [(seed, use, index) for seed in range(-5, 20) for use in ("a", "b", "a/1") for index in range(20)]
    assert len({child_seed(*name) for name in names}) == len(names)


def test_child_seeds_stay_the_same_between_versions():
    """Results name their seed: a change here would change every sampled result."""
    assert child_seed(0, "draws") == 5664137516815870423
    assert child_seed(-3, "gaussian draws", 2) == 7603784581424329193


def test_the_global_random_state_is_left_alone():
    before, numpys = torch.get_rng_state(), np.random.get_state()[1].copy()
    numbers, tensor = generator(7, "draws").random(3), torch.rand(3, generator=torch_generator(7, "draws"))
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpys)
    assert np.array_equal(numbers, generator(7, "draws").random(3))
    assert not np.array_equal(numbers, generator(8, "draws").random(3))
    assert torch.equal(tensor, torch.rand(3, generator=torch_generator(7, "draws")))
    assert not torch.equal(tensor, torch.rand(3, generator=torch_generator(8, "draws")))


def test_a_seed_that_is_no_integer_is_refused():
    """True is the one the annotation lets through."""
    with pytest.raises(SettingError, match="seed must be a whole number, got True"):
        child_seed(True, "draws")
