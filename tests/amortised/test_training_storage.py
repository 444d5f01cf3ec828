"""Checkpoints: what comes back is what went in, half a file is never seen, and nothing wrong is believed."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from onlyif.amortised import training_storage
from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.training_state import Checkpoint, Round, TrainingSettings, no_moments, weights_of
from onlyif.amortised.training_storage import load_checkpoint, save_checkpoint
from onlyif.core.errors import SettingError, StorageError

SMALL = SelectorSettings(1, 4, 1, 0.25)


def _checkpoint(selector: SelectorSettings = SMALL) -> Checkpoint:
    weights = weights_of(Selector(selector))
    moments = {name: torch.rand_like(value) for name, value in no_moments(weights).items()}
    best = {name: value + 1 for name, value in weights.items()}
    rounds = (
        Round(5, 0.1 + 0.2, 1 / 3, float("nan"), 0.1, 0.2, 0.3),
        Round(10, 1e-17, 0.3, 0.1, 0.1, 0.2, 0.3),
    )
    return Checkpoint(
        selector, TrainingSettings(seed=7, round_steps=5), "digest", rounds, weights, moments, best
    )


@pytest.mark.parametrize("selector", [SMALL, SelectorSettings(3, 8, 2)])
def test_what_comes_back_is_what_went_in(tmp_path, selector):
    given = _checkpoint(selector)
    found = load_checkpoint(save_checkpoint(given, tmp_path / "new" / "run"))
    assert (found.selector, found.training, found.data) == (given.selector, given.training, given.data)
    assert repr(found.rounds) == repr(given.rounds)
    for part in ("weights", "moments", "best"):
        one, other = getattr(found, part), getattr(given, part)
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert [file.name for file in (tmp_path / "new").iterdir()] == ["run.selector.safetensors"]


def test_the_network_has_the_best_weights():
    given = _checkpoint()
    network = given.network()
    assert not network.training
    assert not any(weight.requires_grad for weight in network.parameters())
    assert all(torch.equal(value, given.best[name]) for name, value in network.state_dict().items())


def test_a_run_is_finished_by_its_steps_or_by_its_patience():
    base = replace(_checkpoint(), training=TrainingSettings(n_steps=100, patience=2))
    rounds = [Round(i, 0.0, value, 0.0, 0.0, 0.0, 0.0) for i, value in enumerate([3.0, 1.0, 2.0, 1.0])]
    assert [replace(base, rounds=tuple(rounds[:n])).finished for n in range(5)] == [False] * 4 + [True]
    assert replace(base, rounds=tuple(rounds)).best_round == 1
    assert replace(base, rounds=(replace(rounds[0], step=100),)).finished


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.999])
def test_a_file_cut_short_is_refused(tmp_path, share):
    path = save_checkpoint(_checkpoint(), tmp_path / "run")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(StorageError, match=r"run\.selector\.safetensors is cut short or no safetensors file"):
        load_checkpoint(path)


def test_a_changed_byte_is_seen(tmp_path):
    path = save_checkpoint(_checkpoint(), tmp_path / "run")
    whole = bytearray(path.read_bytes())
    whole[-1] ^= 1
    path.write_bytes(whole)
    with pytest.raises(StorageError, match="was changed since it was written"):
        load_checkpoint(path)


def test_a_changed_setting_is_seen(tmp_path):
    path = save_checkpoint(_checkpoint(), tmp_path / "run")
    path.write_bytes(path.read_bytes().replace(b'seed\\": 7', b'seed\\": 8'))
    with pytest.raises(StorageError, match="was changed since it was written"):
        load_checkpoint(path)


def test_another_architecture_is_refused_with_both_named(tmp_path):
    path = save_checkpoint(_checkpoint(), tmp_path / "run")
    needed = replace(SMALL, width=8)
    with pytest.raises(
        StorageError, match=r"got SelectorSettings\(.*width=4.*need SelectorSettings\(.*width=8"
    ):
        load_checkpoint(path, needed)
    assert load_checkpoint(path, SMALL).selector == SMALL


def test_arrays_of_another_architecture_than_the_settings_say_are_refused(tmp_path):
    wrong = replace(_checkpoint(), selector=replace(SMALL, channels=2))
    path = save_checkpoint(wrong, tmp_path / "run")
    with pytest.raises(StorageError, match=r"4 differ, the first is best.stem.convolution.weight with shape"):
        load_checkpoint(path)


def test_a_missing_file_and_a_foreign_one_are_refused(tmp_path):
    with pytest.raises(StorageError, match=r"no checkpoint: .*nothing\.selector.safetensors does not exist"):
        load_checkpoint(tmp_path / "nothing")
    foreign = tmp_path / "foreign.selector.safetensors"
    save_file({"a": torch.zeros(1)}, foreign)
    with pytest.raises(StorageError, match="is no checkpoint of a selector: need the entry 'onlyif'"):
        load_checkpoint(foreign)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("3", "need a JSON object, got int"),
        ("{}", "'format' must be a whole number, got None"),
        ('{"format": 99}', "has format 99, this onlyif reads formats 1 to 2"),
    ],
)
def test_a_header_that_is_none_is_refused(tmp_path, text, message):
    path = tmp_path / "run.selector.safetensors"
    save_file({"a": torch.zeros(1)}, path, {"onlyif": text})
    with pytest.raises(StorageError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("place", "key", "value", "message"),
    [
        ("training", "betas", [0.9], "length 2"),
        ("training", "batch", 0, "batch, n_steps, round_steps and patience of at least 1"),
        ("selector", "width", 5, "width a positive multiple of 4"),
        ("selector", "width", 4.5, "got `float` - at"),
        ("selector", "colour", 1, r"unknown entry 'colour'"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path, place, key, value, message):
    path = save_checkpoint(_checkpoint(), tmp_path / "run")
    settings = json.loads(_header(path)["onlyif"])
    settings[place][key] = value
    text, tensors = json.dumps(settings), load_file(path)
    digest = training_storage._digest(text, tensors)
    save_file(tensors, path, {"onlyif": text, "sha256": digest})
    with pytest.raises(StorageError, match=message):
        load_checkpoint(path)


def _header(path) -> dict[str, str]:
    whole = path.read_bytes()
    return json.loads(whole[8 : 8 + int.from_bytes(whole[:8], "little")])["__metadata__"]


def test_a_kill_while_writing_leaves_the_old_checkpoint(tmp_path, monkeypatch):
    path = save_checkpoint(_checkpoint(), tmp_path / "run")
    before = path.read_bytes()

    def killed(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(training_storage.os, "fsync", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(replace(_checkpoint(), data="other"), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_an_error_of_storage(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write the checkpoint"):
        save_checkpoint(_checkpoint(), tmp_path / "file" / "run")


@pytest.mark.parametrize(
    "wrong",
    [
        {"batch": 0},
        {"n_steps": 0},
        {"round_steps": 0},
        {"patience": 0},
        {"learning_rate": 0.0},
        {"betas": (0.9, 1.0)},
        {"p_ends": 1.5},
    ],
)
def test_training_settings_out_of_range_are_refused(wrong):
    with pytest.raises(SettingError, match="training needs"):
        TrainingSettings(**wrong)
