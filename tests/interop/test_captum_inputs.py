"""What Captum's convention allows for inputs, baselines, feature masks, targets and further arguments."""

import random

import numpy as np
import pytest
import torch
from captum.attr import FeatureAblation
from torch import nn

from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.interop.captum_forward import Forward, target_numbers
from onlyif.interop.captum_further import further_arguments
from onlyif.interop.captum_inputs import alike, layout_of, players_of

PAIR = (torch.rand(3, 2, 2, dtype=torch.float64), torch.rand(3, 5))


def test_a_tuple_becomes_rows_and_comes_back_as_it_was():
    layout = layout_of(PAIR)
    rows = layout.pack(PAIR)
    assert rows.dtype == torch.float64
    assert torch.equal(rows, torch.cat([PAIR[0].flatten(1), PAIR[1].double()], 1))
    back = layout.given_back(rows)
    for one, other in zip(back, PAIR, strict=True):
        assert one.dtype == other.dtype
        assert torch.equal(one, other)
    alone = layout_of(PAIR[1])
    assert torch.equal(alone.given_back(alone.pack(PAIR[1:])), PAIR[1])


def test_neither_rows_nor_what_the_model_gets_share_memory():
    layout, x = layout_of(PAIR[1]), PAIR[1].clone()
    rows = layout.pack((x,))
    layout.unpack(rows)[0].fill_(7.0)
    rows.fill_(5.0)
    assert torch.equal(x, PAIR[1])


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((0.5, torch.ones(1, 5)), [0.5] * 4 + [1.0] * 5),
        ((torch.full((2, 2), 2.0), 1), [2.0] * 4 + [1.0] * 5),
    ],
)
def test_baselines_are_numbers_or_tensors(given, wanted):
    assert layout_of(PAIR).baselines(given, 3).tolist() == [wanted] * 3


def test_a_baseline_may_be_each_instances_own():
    own = torch.rand(3, 5)
    assert torch.equal(layout_of(PAIR[1]).baselines(own, 3), own)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (0.0, "the inputs are 2 tensors, got 1"),
        ((0.0, torch.zeros(2, 5)), r"baseline has shape \(2, 5\), its input \(3, 5\)"),
        ((0.0, torch.zeros(4)), r"baseline has shape \(4,\)"),
        ((0.0, "zero"), "a number or a tensor, got a str"),
    ],
)
def test_baselines_that_do_not_fit_are_refused(given, message):
    with pytest.raises(InputError, match=message):
        layout_of(PAIR).baselines(given, 3)


def test_every_entry_is_a_feature_by_default_numbered_on_through_the_tuple():
    assert layout_of(PAIR).features(None, 3).tolist() == [list(range(9))] * 3


def test_features_may_be_shared_by_tensors_and_differ_by_instance():
    first, second = (
        torch.tensor([[0, 0], [4, 4]]),
        torch.tensor([[4, 1, 1, 1, 1], [0, 0, 0, 0, 0], [2, 2, 2, 2, 2]]),
    )
    found = layout_of(PAIR).features((first, second), 3)
    assert found.tolist() == [[0, 0, 4, 4, *row] for row in second.tolist()]
    players = players_of(found[0])
    assert players.names == ("feature 0", "feature 1", "feature 4")
    assert players.index.tolist() == [0, 0, 2, 2, 2, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (torch.zeros(1, 5), "integers, got dtype torch.float32"),
        (torch.zeros(1, 5, dtype=torch.bool), "integers, got dtype torch.bool"),
        (torch.zeros(1, 6, dtype=torch.int64), r"feature mask has shape \(1, 6\)"),
        (3, "integers, got a int"),
    ],
)
def test_feature_masks_that_do_not_fit_are_refused(mask, message):
    with pytest.raises(InputError, match=message):
        layout_of(PAIR[1]).features(mask, 3)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.int64), "no gradient flows.*embeddings.*BeamSearch"),
        ((torch.zeros(2, 3), torch.zeros(3, 3)), "same first dimension"),
        (torch.tensor(1.0), "same first dimension"),
        (torch.zeros(0, 3), "at least 1 instance"),
        (torch.tensor([[1.0, torch.nan]]), "NaN or infinite"),
        ([torch.zeros(2, 3)], "tensor or a tuple of tensors"),
        ((), "tensor or a tuple of tensors"),
    ],
)
def test_bad_inputs_are_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        layout_of(inputs)


def test_instances_that_agree_are_asked_together():
    one, other = torch.tensor([[1.0, 2.0], [1.0, 2.0], [3.0, 2.0], [1.0, 2.0]]), torch.tensor([0, 1, 0, 0])
    assert [group.tolist() for group in alike([one, other])] == [[0, 3], [1], [2]]
    assert [group.tolist() for group in alike([torch.ones(3, 2)])] == [[0, 1, 2]]
    # What is not a number agrees with nothing.
    assert len(alike([torch.tensor([[torch.nan], [torch.nan]])])) == 2


@pytest.mark.parametrize(
    ("target", "shape"),
    [
        (2, (4,)),
        (-1, (4,)),
        ((1, 2), (2, 3)),
        (torch.tensor(3), (4,)),
        (torch.tensor([3]), (4,)),
        (torch.tensor([0, 3, 1]), (4,)),
        ([2, 0, 1], (4,)),
        ([(0, 2), (1, 1), (1, 0)], (2, 3)),
    ],
)
def test_targets_are_those_of_captum(target, shape):
    """What we pick is what Captum's own methods pick, shown by a model that is linear in its one input."""
    weights = torch.arange(1.0, 1.0 + torch.tensor(shape).prod()).view(shape)
    x = torch.rand(3, 1) + 1

    def forward(batch):
        return batch.view(-1, *[1] * len(shape)) * weights

    picked = FeatureAblation(forward).attribute(x, target=target)
    numbers = target_numbers(target, list(shape), 3)
    assert torch.equal(picked[:, 0], (x * weights.flatten()[numbers].unsqueeze(1))[:, 0])


def test_without_a_target_there_is_one_output_or_none_is_named():
    assert target_numbers(None, [], 2).tolist() == [0, 0]
    assert target_numbers(None, [1], 2).tolist() == [0, 0]
    assert target_numbers(None, [3], 2) is None


@pytest.mark.parametrize(
    ("target", "shape", "message"),
    [
        (4, [4], r"target 4 is out of range.*shape \(4,\)"),
        (-5, [4], "out of range"),
        (1, [2, 3], "out of range"),
        ((0, 1, 2), [2, 3], "out of range"),
        (0, [], r"shape \(\)"),
        ([0, 1], [4], "3 instances; got 2"),
        (torch.tensor([0, 1]), [4], "3 instances; got 2"),
        (slice(2), [4], "integer or a tuple of integers"),
        ((slice(None), 1), [2, 3], "integer or a tuple of integers"),
        ("dog", [4], "integer or a tuple of integers, got 'dog'"),
        (torch.tensor(0.5), [4], "integer or a tuple of integers"),
    ],
)
def test_targets_that_name_no_output_are_refused(target, shape, message):
    with pytest.raises(SettingError, match=message):
        target_numbers(target, shape, 3)


def test_tensors_go_with_their_rows_and_all_else_is_passed_on():
    seen = []

    def forward(x, scale, word, constant):
        seen.append((scale, word, constant))
        return x.sum(1) * scale

    further = further_arguments((torch.tensor([2.0, 3.0]), "word", torch.tensor(7.0)), 2, 8)
    layout = layout_of(torch.ones(2, 3))
    bound = Forward(forward, layout, further, 2, 8)
    assert bound.answer(torch.ones(4, 3), 1).tolist() == [9.0] * 4
    scale, word, constant = seen[0]
    assert (scale.tolist(), word, constant.item()) == ([3.0] * 4, "word", 7.0)
    assert [key.tolist() for key in bound.keys] == [[2.0, 3.0]]
    assert further_arguments(None, 2, 8) == ()
    assert further_arguments("alone", 2, 8) == ("alone",)


def test_arguments_of_another_number_of_rows_are_refused():
    with pytest.raises(InputError, match=r"shape \(3,\).*the 2 instances"):
        further_arguments(torch.ones(3), 2, 8)
    assert further_arguments(torch.ones(3), 2, 1)[0].shape == (3,)


@pytest.mark.parametrize(
    ("forward", "message"),
    [
        (lambda x: x.sum(), r"2 rows with shape \(\)"),
        (lambda x: x.sum(0), r"2 rows with shape \(3,\)"),
        (lambda x: [1.0, 2.0], "2 rows with list"),
        (lambda x: x.sum(1) + torch.rand(len(x)), r"differently.*eval\(\)"),
        (lambda x: x.sum(1) - x.mean(), r"other rows.*eval\(\)"),
    ],
)
def test_functions_that_are_not_of_each_row_alone_are_refused(forward, message):
    layout = layout_of(torch.rand(1, 3))
    with pytest.raises(ModelError, match=message):
        Forward(forward, layout, (), 1, 8).output_shape(torch.rand(1, 3), torch.zeros(1, 3))


def _states():
    return torch.get_rng_state(), np.random.get_state(legacy=False), random.getstate()


@pytest.mark.parametrize("of", ["module", "method", "function"])
def test_modes_and_random_states_are_put_back_also_after_an_error(of):
    net = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5), nn.BatchNorm1d(3))
    net[2].eval()
    modes = [part.training for part in net.modules()]
    function = {"module": net, "method": net.forward, "function": lambda x: net(x) + 0}[of]
    forward = Forward(function, layout_of(torch.rand(1, 3)), (), 1, 8)
    before = _states()
    with pytest.raises(KeyError), forward.left_as_found():
        assert any(part.training for part in net.modules()) == (of == "function")
        torch.rand(1), np.random.rand(), random.random()
        raise KeyError
    after = _states()
    assert [part.training for part in net.modules()] == modes
    assert torch.equal(before[0], after[0])
    assert np.array_equal(before[1]["state"]["key"], after[1]["state"]["key"])
    assert before[1]["state"]["pos"] == after[1]["state"]["pos"]
    assert before[2] == after[2]
