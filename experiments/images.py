"""The image data sets of the experiments, as float32 tensors in [0, 1].

Every reader takes the folder of data sets and answers with channels first, nothing
normalised: the networks do that themselves, in their first layer.

    from images import read_images, read_slices

    test = read_images(folder, "mnist", "test")     # x (10000, 1, 28, 28), labels (10000,)
    slices = read_slices(folder, size=128)          # x (4, 1, 128, 128), boxes in its pixels
"""

import argparse
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
    "cifar10": ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    "faces_smile": ("not smiling", "smiling"),
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
        name: "mnist" (1 x 28 x 28), "cifar10" (3 x 32 x 32) or "faces_smile" (1 x 64 x 64).
        part: "train" or "test".

    Raises:
        SettingError: if there is no such data set or part.
        StorageError: if its file is not in the folder.
    """
    if name not in CLASSES or part not in ("train", "test"):
        raise SettingError(f"got {name!r}, {part!r}; need one of {', '.join(CLASSES)} and 'train' or 'test'")
    arrays = _arrays(Path(folder) / name / f"{part}.npz", ("images", "labels"))
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
    found = _arrays(Path(folder) / "rsna_ct" / "ct_slices.npz", keys)
    mean_image = _arrays(Path(folder) / "rsna_ct" / "reference.npz", ("reference",))["reference"]
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


def _per_channel(values: tuple[float, ...]) -> Float[Tensor, "channels 1 1"]:
    return torch.tensor(values).view(-1, 1, 1)


def _arrays(path: Path, keys: tuple[str, ...]) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise StorageError(
            f"there is no {path}; name the folder of data sets with --data or in the variable ONLYIF_DATA"
        )
    with np.load(path, allow_pickle=False) as archive:
        return {key: archive[key] for key in keys}
