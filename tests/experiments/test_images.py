"""The images, networks and training of the experiments: against plain arrays, known sizes and captum."""

import importlib
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from captum.attr import DeepLift, GuidedGradCam
from safetensors.torch import save_file

from onlyif.core.errors import SettingError, StorageError
from onlyif.core.torch_seeds import torch_generator

MEAN, SPREAD = torch.tensor([0.2, 0.5, 0.7]), torch.tensor([0.3, 0.2, 0.1])
KINDS = [("lenet5", 28, 1), ("lenet5", 64, 1), ("resnet18", 32, 1), ("resnet18", 64, 2)]


@pytest.fixture
def scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "experiments"))
    return importlib.import_module


def _network(scripts, kind="lenet5", size=28, stride=1, *, seed=0, width=4):
    networks = scripts("networks")
    wanted = networks.Architecture(kind, 3, 5, size, width, stride)
    return networks.build_network(wanted, MEAN, SPREAD, seed).eval(), wanted


def _write(folder, name, part, **arrays):
    (folder / name).mkdir(exist_ok=True)
    np.savez(folder / name / f"{part}.npz", **arrays)


def _images(scripts, n=40, size=28):
    x = torch.rand(n, 3, size, size, generator=torch_generator(3, "test"))
    return scripts("images").Images(x, torch.arange(n) % 5, tuple("abcde"))


@pytest.mark.parametrize(("name", "shape"), [("mnist", (4, 28, 28)), ("cifar10", (4, 32, 32, 3))])
def test_pixels_are_channels_first_and_from_0_to_1(scripts, tmp_path, name, shape):
    raw = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    raw.flat[0], raw.flat[-1] = 0, 255
    _write(tmp_path, name, "test", images=raw, labels=np.array([3, 1, 1, 0], np.uint8))
    found = scripts("images").read_images(tmp_path, name, "test")
    whole = raw.reshape(4, shape[1], shape[2], -1)
    assert found.x.dtype == torch.float32 and (found.x.min(), found.x.max()) == (0, 1)
    for i, row, column, channel in product((0, 3), (0, 5), (2, 27), range(whole.shape[3])):
        assert found.x[i, channel, row, column] == np.float32(whole[i, row, column, channel]) / np.float32(
            255
        )
    assert found.labels.tolist() == [3, 1, 1, 0]
    assert torch.equal(found.of_class(1).x, found.x[1:3])


def test_a_larger_sample_begins_with_the_smaller(scripts):
    images = _images(scripts)
    small, large = images.sample(5, 1), images.sample(40, 1)
    assert torch.equal(large.x[:5], small.x) and torch.equal(large.labels[:5], small.labels)
    assert sorted(large.x.flatten(1).sum(1).tolist()) == sorted(images.x.flatten(1).sum(1).tolist())
    assert not torch.equal(images.sample(40, 2).x, large.x)
    with pytest.raises(SettingError, match="need 1 <= n=41 <= 40"):
        images.sample(41, 0)


def test_slices_are_windowed_averaged_and_their_boxes_shrink_along(scripts, tmp_path):
    random = np.random.default_rng(0)
    units = random.integers(-60, 140, (2, 512, 512)).astype(np.int16)
    mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    grey = random.uniform(0, 0.5, (512, 512))
    boxes = {"boxes": np.array([[8.0, 16.0, 4.0, 2.0]]), "box_image": np.array([1])}
    _write(tmp_path, "rsna_ct", "ct_slices", images=units, image_id=np.array(["a", "b"]), **boxes)
    normalised = (grey[None] - mean[:, None, None]) / spread[:, None, None]
    _write(tmp_path, "rsna_ct", "reference", reference=normalised.astype(np.float32))
    found = scripts("images").read_slices(tmp_path, 128)
    block = np.clip(units[1, 4:8, 500:504], 0, 80).mean() / 80
    assert found.x.shape == (2, 1, 128, 128)
    assert found.x[1, 0, 1, 125].item() == pytest.approx(block, abs=1e-6)
    assert found.reference[0, 2, 3].item() == pytest.approx(grey[8:12, 12:16].mean(), abs=1e-6)
    assert found.boxes.tolist() == [[2.0, 4.0, 1.0, 0.5]]
    assert (found.box_slice.tolist(), found.names) == ([1], ("a", "b"))
    with pytest.raises(SettingError, match="need a size that divides 512, got 100"):
        scripts("images").read_slices(tmp_path, 100)


def test_what_cannot_be_read_is_said(scripts, tmp_path):
    read_images = scripts("images").read_images
    with pytest.raises(
        StorageError, match=r"there is no .*train.npz; name the folder of data sets with --data"
    ):
        read_images(tmp_path, "mnist", "train")
    with pytest.raises(
        SettingError, match="need one of mnist, fashion, cifar10, faces_smile and 'train' or 'test'"
    ):
        read_images(tmp_path, "mnist", "valid")


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        ("mnist", (10000, 1, 28, 28), [980, 1135, 1032]),
        ("cifar10", (10000, 3, 32, 32), [1000, 1000, 1000]),
        ("faces_smile", (2633, 1, 64, 64), [1895, 738]),
    ],
)
def test_the_data_sets_themselves(scripts, data_folder, name, shape, counts):
    found = scripts("images").read_images(data_folder, name, "test")
    assert tuple(found.x.shape) == shape and (found.x.min(), found.x.max()) == (0, 1)
    assert found.labels.bincount()[: len(counts)].tolist() == counts


@pytest.mark.parametrize(("kind", "size", "stride"), KINDS)
def test_normalising_is_the_first_layer(scripts, kind, size, stride):
    network, wanted = _network(scripts, kind, size, stride)
    bare = scripts("networks").build_network(wanted, torch.zeros(3), torch.ones(3)).eval()
    x = torch.rand(2, 3, size, size, generator=torch_generator(0, "test"))
    outside = (x - MEAN.view(3, 1, 1)) / SPREAD.view(3, 1, 1)
    torch.testing.assert_close(network(x), bare(outside))


def test_the_networks_have_the_known_numbers_of_weights(scripts):
    networks = scripts("networks")
    lenet, resnet = (
        networks.Architecture("lenet5", 1, 10, 28),
        networks.Architecture("resnet18", 3, 10, 32, 64),
    )
    for wanted, known in ((lenet, 61_706), (resnet, 11_173_962)):
        network = networks.build_network(wanted, torch.zeros(wanted.channels), torch.ones(wanted.channels))
        assert sum(weights.numel() for weights in network.parameters()) == known
    with pytest.raises(SettingError, match="got the architecture 'vgg'; need one of lenet5, resnet18"):
        networks.build_network(networks.Architecture("vgg", 1, 10, 28), torch.zeros(1), torch.ones(1))


@pytest.mark.parametrize(("kind", "size", "stride"), KINDS)
def test_every_activation_runs_once_and_not_in_place(scripts, kind, size, stride):
    network, _ = _network(scripts, kind, size, stride)
    activations = [part for part in network.modules() if isinstance(part, torch.nn.ReLU)]
    ran = []
    for part in activations:
        part.register_forward_hook(lambda part, _given, _answer: ran.append(part))
    network(torch.rand(1, 3, size, size))
    assert len(ran) == len(set(ran)) == len(activations) and not any(part.inplace for part in ran)


@pytest.mark.filterwarnings(
    "ignore:Setting .*hooks", "ignore:Input Tensor 0 did not already require gradients"
)
@pytest.mark.parametrize(("kind", "size", "stride"), KINDS)
def test_captum_takes_them_and_deeplift_adds_up(scripts, kind, size, stride):
    network, _ = _network(scripts, kind, size, stride)
    x = torch.rand(2, 3, size, size, generator=torch_generator(1, "test"))
    found = DeepLift(network).attribute(x, torch.zeros_like(x), target=1)
    torch.testing.assert_close(
        found.flatten(1).sum(1), (network(x) - network(torch.zeros_like(x)))[:, 1], atol=1e-5, rtol=1e-4
    )
    last = network.conv2 if kind == "lenet5" else network.stage4
    assert GuidedGradCam(network, last).attribute(x, target=1).abs().sum() > 0


def test_weights_come_from_the_seed_and_the_global_state_is_left_alone(scripts):
    before = torch.get_rng_state()
    first, again, other = (_network(scripts, seed=seed)[0] for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.head.weight, again.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)


@pytest.mark.parametrize(("kind", "size", "stride"), KINDS)
def test_a_saved_network_answers_the_same(scripts, tmp_path, kind, size, stride):
    networks = scripts("networks")
    network, wanted = _network(scripts, kind, size, stride, seed=5)
    networks.save_network(tmp_path / "one.safetensors", network, wanted, {"accuracy": 0.5})
    loaded = networks.load_network(tmp_path, "one")
    x = torch.rand(3, 3, size, size, generator=torch_generator(2, "test"))
    assert torch.equal(loaded(x), network(x)) and not loaded.training
    record = networks.network_record(tmp_path, "one")
    assert (record["kind"], record["size"], record["accuracy"]) == (kind, size, 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["one.safetensors"]


def test_a_missing_cut_or_foreign_file_names_the_command(scripts, tmp_path):
    networks = scripts("networks")
    with pytest.raises(StorageError, match=r"no trained network .*train_networks.py .* --only mnist_lenet5"):
        networks.load_network(tmp_path, "mnist_lenet5")
    networks.save_network(tmp_path / "cut.safetensors", *_network(scripts), {})
    whole = (tmp_path / "cut.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(StorageError, match=r"cannot be read .*; make it anew with: python"):
        networks.load_network(tmp_path, "cut")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(StorageError, match="is no network of these experiments"):
        networks.load_network(tmp_path, "foreign")


@pytest.mark.parametrize("flip", [False, True])
def test_an_image_is_moved_by_whole_pixels_and_mirrored_or_not(scripts, flip):
    x = torch.rand(60, 2, 5, 6, generator=torch_generator(0, "test"))
    moved = scripts("train_networks").varied(x, 1, flip=flip, random=torch_generator(0, "moves"))
    seen = set()
    for before, after in zip(x, moved, strict=True):
        wide = torch.zeros(2, 7, 8)
        wide[:, 1:-1, 1:-1] = before
        for top, left, mirrored in product(range(3), range(3), (False, True)):
            part = wide[:, top : top + 5, left : left + 6]
            if torch.equal(part.flip(2) if mirrored else part, after):
                seen.add((top, left, mirrored))
                break
        else:
            raise AssertionError("neither moved nor mirrored")
    assert len(seen) == (18 if flip else 9)


def test_training_learns_and_repeats_itself(scripts):
    training = scripts("train_networks")
    images = _images(scripts, 200)
    for x, label in zip(images.x, images.labels, strict=True):  # a bright stripe tells the class
        x[:, 5 * int(label) : 5 * int(label) + 5] += 1.0
    recipe = training.Recipe("none", "lenet5", epochs=4, batch=20, shift=1, peak=0.02)
    first, again = training.train(recipe, images)[0], training.train(recipe, images)[0]
    other = training.train(replace(recipe, seed=1), images)[0]
    for name, weights in first.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name])
    assert not torch.equal(first.head.weight, other.head.weight)
    assert training.assess(first, images)["accuracy"] > 0.8


def test_accuracies_are_those_of_a_slow_count(scripts):
    images = _images(scripts, 23)
    network, _ = _network(scripts)
    found = scripts("train_networks").assess(network, images)
    answers = [int(network(x[None]).argmax()) for x in images.x]
    right = [answer == int(label) for answer, label in zip(answers, images.labels, strict=True)]
    by_class = [
        np.mean([r for r, label in zip(right, images.labels, strict=True) if label == c]) for c in range(5)
    ]
    assert found["accuracy"] == pytest.approx(np.mean(right))
    assert found["balanced_accuracy"] == pytest.approx(np.mean(by_class))
    assert found["stderr"] == pytest.approx(np.std(right) / 23**0.5)
    assert found["largest_class"] == pytest.approx(5 / 23)
