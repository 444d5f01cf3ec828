"""The networks of the experiments, and how they are kept on disk.

Both take raw images in [0, 1] (normalising is their first layer) and answer with one
logit a class. Every activation is a module of its own, used once and not in place, so
that methods which rewrite the gradient of an activation (DeepLift, guided
backpropagation) work on them.

    from networks import load_network

    network = load_network(models, "cifar10_resnet18")      # trained; network.stage4 is for Grad-CAM
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from onlyif.core.errors import SettingError, StorageError
from onlyif.core.seeds import child_seed
from onlyif.core.whole_files import write_whole

Pixels, Logits = Float[Tensor, "b channels height width"], Float[Tensor, "b classes"]
FORMAT = "onlyif experiment network 1"


class Normalise(nn.Module):
    """(x - mean) / spread per channel, as fixed parts of the network.

    Args:
        mean: Mean of each channel over the training images.
        spread: Standard deviation of each channel.
    """

    def __init__(self, mean: tuple[float, ...], spread: tuple[float, ...]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1))
        self.register_buffer("spread", torch.tensor(spread).view(1, -1, 1, 1))

    def forward(self, x: Pixels) -> Pixels:
        """The normalised images."""
        return (x - self.mean) / self.spread


class LeNet5(nn.Module):
    """LeNet-5 with ReLUs and mean pooling, for any number of channels and any size.

    The mean is the published pooling; DeepLift's attributions add up through it.

    Args:
        normalise: The first layer.
        channels: Channels of an image.
        classes: Logits.
        size: Height and width, a multiple of 4 from 12 on.
    """

    def __init__(self, normalise: Normalise, channels: int, classes: int, size: int) -> None:
        super().__init__()
        self.normalise = normalise
        self.conv1 = nn.Conv2d(channels, 6, 5, padding=2)
        self.relu1, self.pool1 = nn.ReLU(), nn.AvgPool2d(2)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.relu2, self.pool2 = nn.ReLU(), nn.AvgPool2d(2)
        self.flatten = nn.Flatten()
        self.linear1, self.relu3 = nn.Linear(16 * ((size // 2 - 4) // 2) ** 2, 120), nn.ReLU()
        self.linear2, self.relu4 = nn.Linear(120, 84), nn.ReLU()
        self.head = nn.Linear(84, classes)

    def forward(self, x: Pixels) -> Logits:
        """One logit a class."""
        x = self.pool1(self.relu1(self.conv1(self.normalise(x))))
        x = self.flatten(self.pool2(self.relu2(self.conv2(x))))
        return self.head(self.relu4(self.linear2(self.relu3(self.linear1(x)))))


class Block(nn.Module):
    """Two convolutions and a way around them.

    Args:
        before: Channels that come in.
        after: Channels that go out.
        stride: Of the first convolution.
    """

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm1, self.relu1 = nn.BatchNorm2d(after), nn.ReLU()
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm2, self.relu2 = nn.BatchNorm2d(after), nn.ReLU()
        projection = nn.Sequential(nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after))
        self.shortcut = nn.Identity() if before == after and stride == 1 else projection

    def forward(self, x: Pixels) -> Pixels:
        """What the next block sees."""
        inner = self.norm2(self.conv2(self.relu1(self.norm1(self.conv1(x)))))
        return self.relu2(inner + self.shortcut(x))


class ResNet18(nn.Module):
    """ResNet-18 for small images: a 3 x 3 stem, four stages of two blocks, mean pooling.

    Args:
        normalise: The first layer.
        channels: Channels of an image.
        classes: Logits.
        width: Channels of the first stage, doubled by each later one; 64 is the usual one.
        stride: Of the stem: 1 keeps all pixels (32 x 32), 2 makes 64 x 64 as cheap as that.
    """

    def __init__(self, normalise: Normalise, channels: int, classes: int, width: int, stride: int) -> None:
        super().__init__()
        self.normalise = normalise
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.norm1, self.relu1 = nn.BatchNorm2d(width), nn.ReLU()
        self.stage1 = nn.Sequential(Block(width, width, 1), Block(width, width, 1))
        self.stage2 = nn.Sequential(Block(width, 2 * width, 2), Block(2 * width, 2 * width, 1))
        self.stage3 = nn.Sequential(Block(2 * width, 4 * width, 2), Block(4 * width, 4 * width, 1))
        self.stage4 = nn.Sequential(Block(4 * width, 8 * width, 2), Block(8 * width, 8 * width, 1))
        self.pool, self.flatten = nn.AdaptiveAvgPool2d(1), nn.Flatten()
        self.head = nn.Linear(8 * width, classes)

    def forward(self, x: Pixels) -> Logits:
        """One logit a class."""
        x = self.relu1(self.norm1(self.conv1(self.normalise(x))))
        x = self.stage4(self.stage3(self.stage2(self.stage1(x))))
        return self.head(self.flatten(self.pool(x)))


@dataclass(frozen=True)
class Architecture:
    """All that is needed to build a network anew; `size`, `width` and `stride` where they matter.

    Args:
        kind: "lenet5" or "resnet18".
        channels: Channels of an image.
        classes: Logits.
        size: Height and width of an image.
        width: Of a ResNet-18.
        stride: Of the stem of a ResNet-18.
    """

    kind: str
    channels: int
    classes: int
    size: int
    width: int = 16
    stride: int = 1


BUILDERS: dict[str, Callable[[Normalise, Architecture], nn.Module]] = {
    "lenet5": lambda first, wanted: LeNet5(first, wanted.channels, wanted.classes, wanted.size),
    "resnet18": lambda first, wanted: ResNet18(
        first, wanted.channels, wanted.classes, wanted.width, wanted.stride
    ),
}


def build_network(wanted: Architecture, mean: Tensor, spread: Tensor, seed: int = 0) -> nn.Module:
    """An untrained network; the same seed gives the same weights, the global random state is left alone.

    Args:
        wanted: Which network.
        mean: Mean of each channel over the training images.
        spread: Standard deviation of each channel.
        seed: Seed of the first weights.

    Raises:
        SettingError: if no such kind is known.
    """
    if wanted.kind not in BUILDERS:
        raise SettingError(f"got the architecture {wanted.kind!r}; need one of {', '.join(BUILDERS)}")
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(child_seed(seed, "first weights"))
        network = BUILDERS[wanted.kind](Normalise(tuple(mean.tolist()), tuple(spread.tolist())), wanted)
    # A third faster on a CPU with images of either layout.
    return network.to(memory_format=torch.channels_last)


def save_network(path: Path, network: nn.Module, wanted: Architecture, record: dict[str, Any]) -> None:
    """Weights as safetensors; the architecture and the record of its training in the header.

    Args:
        path: The file; it appears whole or not at all.
        network: What was trained.
        wanted: Its architecture.
        record: Settings and results, as JSON knows them.
    """
    weights = {name: tensor.contiguous() for name, tensor in network.state_dict().items()}
    header = {"format": FORMAT, "architecture": json.dumps(asdict(wanted)), "record": json.dumps(record)}
    write_whole(path, save(weights, header))


def load_network(models: Path, name: str) -> nn.Module:
    """A trained network in evaluation mode; nothing is trained here.

    Args:
        models: The folder that `train_networks.py` wrote.
        name: "mnist_lenet5", "cifar10_resnet18", "faces_smile_resnet18" or "faces_smile_lenet5".

    Raises:
        StorageError: if there is no such file (the message names the command that makes it), or it
            is cut short, or not a network of these experiments.
    """
    header = _header(Path(models), name)
    wanted = Architecture(**json.loads(header["architecture"]))
    network = build_network(wanted, torch.zeros(wanted.channels), torch.ones(wanted.channels))
    with safe_open(_path(Path(models), name), "pt") as file:
        network.load_state_dict({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118  # no dict
    return network.eval()


def network_record(models: Path, name: str) -> dict[str, Any]:
    """How a network was trained and how well it does, from its file's header.

    Args:
        models: The folder that `train_networks.py` wrote.
        name: As for `load_network`.

    Raises:
        StorageError: as `load_network`.
    """
    header = _header(Path(models), name)
    return {**json.loads(header["architecture"]), **json.loads(header["record"])}


def _path(models: Path, name: str) -> Path:
    return models / f"{name}.safetensors"


def _header(models: Path, name: str) -> dict[str, str]:
    path = _path(models, name)
    command = f"python experiments/train_networks.py --data DIR --models {models} --only {name}"
    if not path.is_file():
        raise StorageError(f"there is no trained network {path}; make it with: {command}")
    try:
        with safe_open(path, "pt") as file:
            header = file.metadata() or {}
    except SafetensorError as error:
        raise StorageError(f"{path} cannot be read ({error}); make it anew with: {command}") from error
    if header.get("format") != FORMAT:
        raise StorageError(f"{path} is no network of these experiments; make it with: {command}")
    return header
