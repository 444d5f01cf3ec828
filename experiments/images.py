"""The image data sets of the experiments, as float32 tensors in [0, 1].

Every reader takes the folder of data sets and answers with channels first, nothing
normalised: the networks do that themselves, in their first layer.

    from images import read_images, read_slices

    test = read_images(folder, "mnist", "test")     # x (10000, 1, 28, 28), labels (10000,)
    slices = read_slices(folder, size=128)          # x (4, 1, 128, 128), boxes in its pixels
"""

import argparse
import gzip
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor
from torch.nn import functional

from onlyif.core.errors import SettingError, StorageError
from onlyif.core.torch_seeds import torch_generator

CLASSES = {
    "mnist": tuple("0123456789"),
    "fashion": (
        "T-shirt",
        "trouser",
        "pullover",
        "dress",
        "coat",
        "sandal",
        "shirt",
        "sneaker",
        "bag",
        "ankle boot",
    ),
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "faces_smile": ("not smiling", "smiling"),
}
# Folders and names of IDX files as torchvision keeps them.
IDX_FOLDERS = {"mnist": "MNIST/raw", "fashion": "FashionMNIST/raw"}
IDX_PARTS = {"train": "train", "test": "t10k"}
SOURCES = {
    "mnist": "torchvision.datasets.MNIST(DIR, download=True)",
    "fashion": "torchvision.datasets.FashionMNIST(DIR, download=True), or the four .gz files of "
    "github.com/zalandoresearch/fashion-mnist in DIR/FashionMNIST/raw",
    "cifar10": "cs.toronto.edu/~kriz/cifar.html, as arrays images (b, 32, 32, 3) of bytes and labels (b,)",
}
BRAIN_WINDOW = (0.0, 80.0)
IMAGENET_MEAN, IMAGENET_SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SLICE_SIZE = 512


@dataclass(frozen=True, eq=False)
class Images:
    """Labelled images of one part of a data set.

    Args:
        x: Pixels in [0, 1].
        labels: Positions in `classes`.
        classes: What each label means.
    """

    x: Float[Tensor, "b channels height width"]
    labels: Int64[Tensor, " b"]
    classes: tuple[str, ...]

    def take(self, rows: Int64[Tensor, " m"]) -> "Images":
        """These rows alone, in this order."""
        return replace(self, x=self.x[rows], labels=self.labels[rows])

    def of_class(self, label: int) -> "Images":
        """The images of one class, in the file's order."""
        return self.take((self.labels == label).nonzero().flatten())

    def sample(self, n: int, seed: int) -> "Images":
        """Rows drawn without replacement; a larger n begins with the rows of a smaller one.

        Raises:
            SettingError: unless 1 <= n <= the images there are.
        """
        if not 1 <= n <= len(self.x):
            raise SettingError(f"need 1 <= n={n} <= {len(self.x)}, the images there are")
        order = torch.randperm(len(self.x), generator=torch_generator(seed, "images of an experiment"))
        return self.take(order[:n])


@dataclass(frozen=True, eq=False)
class Slices:
    """Head CT slices with boxes around the bleeds.

    Args:
        x: The brain window, 0 to 80 Hounsfield units, scaled to [0, 1].
        boxes: x, y, width, height in pixels of `x`, origin top left.
        box_slice: Which slice each box is of.
        reference: The mean training image of a published classifier, on the scale of `x`.
        names: The pseudonymous name of each slice.
    """

    x: Float[Tensor, "b 1 height width"]
    boxes: Float[Tensor, "boxes 4"]
    box_slice: Int64[Tensor, " boxes"]
    reference: Float[Tensor, "1 height width"]
    names: tuple[str, ...]


def read_images(folder: Path, name: str, part: str) -> Images:
    """One part of a labelled data set.

    Args:
        folder: The folder of data sets.
        name: "mnist" or "fashion" (1 x 28 x 28), "cifar10" (3 x 32 x 32) or "faces_smile" (1 x 64 x 64).
        part: "train" or "test".

    Raises:
        SettingError: if there is no such data set or part.
        StorageError: if its file is not in the folder, or holds something else.
    """
    if name not in CLASSES or part not in ("train", "test"):
        raise SettingError(f"got {name!r}, {part!r}; need one of {', '.join(CLASSES)} and 'train' or 'test'")
    arrays = _labelled(Path(folder), name, part)
    pixels = torch.from_numpy(arrays["images"])
    pixels = pixels.unsqueeze(1) if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    labels = torch.from_numpy(arrays["labels"].astype(np.int64))
    return Images(pixels.contiguous().float().div_(255), labels, CLASSES[name])


def read_slices(folder: Path, size: int = SLICE_SIZE) -> Slices:
    """The four CT slices of "rsna_ct" and their boxes.

    Args:
        folder: The folder of data sets.
        size: Pixels a side after averaging over blocks; a divisor of 512.

    Raises:
        SettingError: unless `size` divides 512.
        StorageError: if a file is not in the folder.
    """
    if size < 1 or SLICE_SIZE % size:
        raise SettingError(f"need a size that divides {SLICE_SIZE}, got {size}")
    keys = ("images", "image_id", "boxes", "box_image")
    found = arrays_of(Path(folder) / "rsna_ct" / "ct_slices.npz", keys)
    mean_image = arrays_of(Path(folder) / "rsna_ct" / "reference.npz", ("reference",))["reference"]
    low, high = BRAIN_WINDOW
    x = (torch.from_numpy(found["images"]).float().clamp(low, high) - low) / (high - low)
    # The reference is one grey image, normalised per channel for a network of three.
    grey = torch.from_numpy(mean_image) * _per_channel(IMAGENET_SPREAD) + _per_channel(IMAGENET_MEAN)
    block = SLICE_SIZE // size
    return Slices(
        functional.avg_pool2d(x.unsqueeze(1), block),
        torch.from_numpy(found["boxes"]).float() / block,
        torch.from_numpy(found["box_image"]),
        functional.avg_pool2d(grey.mean(0, keepdim=True).clamp(0, 1), block),
        tuple(found["image_id"].tolist()),
    )


def add_data_argument(parser: argparse.ArgumentParser) -> None:
    """`--data`, the folder of data sets; the environment variable ONLYIF_DATA unless given."""
    named = os.environ.get("ONLYIF_DATA")
    help_text = "folder of data sets (default: ONLYIF_DATA)"
    parser.add_argument("--data", type=Path, default=named, required=named is None, help=help_text)


def _labelled(folder: Path, name: str, part: str) -> dict[str, np.ndarray]:
    """Images and labels from DIR/NAME/PART.npz, or from IDX files, packed or not."""
    packed = folder / name / f"{part}.npz"
    if packed.is_file() or name not in SOURCES:
        return arrays_of(packed, ("images", "labels"))
    found = {}
    for key, file in (("images", "images-idx3-ubyte"), ("labels", "labels-idx1-ubyte")):
        plain = folder / IDX_FOLDERS.get(name, name) / f"{IDX_PARTS[part]}-{file}"
        path = next((one for one in (plain, plain.with_name(f"{plain.name}.gz")) if one.is_file()), None)
        if path is None:
            instead = f", or {plain}, packed (.gz) or not" if name in IDX_FOLDERS else ""
            raise StorageError(
                f"there is no {packed}; name the folder of data sets with --data or in the variable "
                f"ONLYIF_DATA; need that file{instead}: the data are those of {SOURCES[name]}"
            )
        found[key] = read_idx(path)
    if found["images"].ndim != 3 or found["labels"].shape != found["images"].shape[:1]:
        raise StorageError(
            f"{folder} holds images {found['images'].shape} and labels {found['labels'].shape}; "
            f"need grey images with one label each, as of {SOURCES[name]}"
        )
    return found


def read_idx(path: Path) -> np.ndarray:
    """The bytes of an IDX file: two zeros, the type (8: bytes), the dimensions, their lengths, the numbers.

    Args:
        path: The file; one that ends in .gz is unpacked.

    Raises:
        StorageError: if it is no whole IDX file of bytes.
    """
    try:
        held = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise StorageError(f"{path} cannot be unpacked ({error}); fetch it anew") from error
    if len(held) < 4 or held[:3] != b"\x00\x00\x08":
        raise StorageError(f"{path} is no IDX file of bytes: it begins with {held[:4].hex()}, need 000008")
    n_axes = held[3]
    shape = np.frombuffer(held, ">u4", n_axes, 4) if len(held) >= 4 + 4 * n_axes else np.array([-1])
    numbers = np.frombuffer(held, np.uint8, offset=min(len(held), 4 + 4 * n_axes))
    if numbers.size != np.prod(shape.astype(np.int64)):
        raise StorageError(
            f"{path} is cut short: {numbers.size} numbers for the shape {tuple(shape.tolist())}"
        )
    return numbers.reshape(shape.astype(np.int64)).copy()


def _per_channel(values: tuple[float, ...]) -> Float[Tensor, "channels 1 1"]:
    return torch.tensor(values).view(-1, 1, 1)


def arrays_of(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Some arrays of an archive."""
    if not path.is_file():
        raise StorageError(
            f"there is no {path}; name the folder of data sets with --data or in the variable ONLYIF_DATA"
        )
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in keys}
