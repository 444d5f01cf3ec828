"""Does a learned mask smuggle the label? A fresh classifier that sees nothing but binary masks.

A selector is paid for what the model says of m∘x, so it may write the answer into the mask's shape.
If a fresh classifier reads the label off masks alone as well as off m∘x, then the mask tells more than
where to look.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from onlyif.core.errors import InputError, SettingError
from onlyif.core.precision import as_floats, doubled_tensor
from onlyif.core.seeds import child_seed
from onlyif.core.shapes import Numbers
from onlyif.core.torch_seeds import torch_generator


@final
@dataclass(frozen=True)
class LeakSettings:
    """The fresh classifier and how it is judged.

    Args:
        folds: The images are split into so many parts; each is read by a classifier trained on the others.
        epochs: Times that a classifier sees each of its images.
        learning_rate: Adam's.
        batch: Images a step.
        width: Channels of its first layer.
        threshold: Masks are made binary: an entry of at least this is in.
        strata: Masks are sorted by size into so many parts, within which labels change places for what sizes
            alone tell; 0 leaves that out.
        seed: Seed of the split, the first weights and the order.

    Raises:
        SettingError: unless folds >= 2, strata >= 0, the others are positive and 0 < threshold <= 1.
    """

    folds: int = 5
    epochs: int = 20
    learning_rate: float = 1e-3
    batch: int = 32
    width: int = 8
    threshold: float = 0.5
    strata: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.folds < 2 or min(self.epochs, self.batch, self.width) < 1 or not self.learning_rate > 0:
            raise SettingError(
                "a leak check needs folds >= 2, positive epochs, batch, width and learning_rate, got "
                f"{self.folds}, {self.epochs}, {self.batch}, {self.width}, {self.learning_rate}"
            )
        if self.strata < 0:
            raise SettingError(f"need strata >= 0 parts of masks by size, got {self.strata}")
        if not 0.0 < self.threshold <= 1.0:
            raise SettingError(f"the threshold of a mask must lie in (0, 1], got {self.threshold}")


@final
@dataclass(frozen=True)
class Reading:
    """How well a label can be read off something, on images that the reader was not trained on.

    Args:
        accuracy: Balanced accuracy: the mean over labels of the share that is read right.
        stderr: Its standard error over images.
    """

    accuracy: float
    stderr: float


@final
@dataclass(frozen=True)
class Leak:
    """What masks alone tell of the label.

    Args:
        masks: Read off the binary masks alone.
        masked: Read off mask∘x + (1 - mask)∘b, what the explained model sees.
        chance: The balanced accuracy of guessing.
        labels: How many images have each label.
        sizes: What the sizes of the masks tell: read off the masks after labels changed places among masks of
            one size. None where that was not asked for.
    """

    masks: Reading
    masked: Reading
    chance: float
    labels: tuple[int, ...]
    sizes: Reading | None = None

    @property
    def share(self) -> float:
        """Of what is read off masked images above chance, the share that masks alone tell; NaN if nothing."""
        room = self.masked.accuracy - self.chance
        return (self.masks.accuracy - self.chance) / room if room > 0 else float("nan")

    @property
    def above_chance(self) -> bool:
        """Whether masks alone tell the label, beyond two standard errors."""
        return self.masks.accuracy - 2 * self.masks.stderr > self.chance

    @property
    def beyond_sizes(self) -> bool:
        """Whether masks tell the label by where they lie, beyond what sizes tell and two standard errors.

        A mask that is empty where there is nothing to explain tells the label by its size, honestly.

        Raises:
            SettingError: if that was not asked for.
        """
        if self.sizes is None:
            raise SettingError("what sizes tell was not asked for: LeakSettings(strata=10)")
        error = math.hypot(self.masks.stderr, self.sizes.stderr)
        return self.masks.accuracy - self.sizes.accuracy > 2 * error


def label_leak(
    masks: Float[Tensor, "b h w"],
    x: Numbers,
    hidden: Numbers,
    labels: Int64[Tensor, "b"],
    settings: LeakSettings | None = None,
) -> Leak:
    """Reads a label off binary masks alone, and off the masked images, with fresh classifiers.

    Give it images that the selector was not trained on. What is read is judged on images
    that the reader was not trained on either. A mask that is empty where there is nothing to explain
    tells the label honestly: give `strata`, or masks of one size, and compare with a per-image search's masks
    before calling it smuggling.

    Args:
        masks: The masks, in [0, 1].
        x: The images.
        hidden: What hidden pixels become, for each image.
        labels: What a mask should not tell: the predicted class, 0 to k - 1, each at least `folds` times.
        settings: None is the default.

    Raises:
        InputError: if the sizes differ, a label is too rare, or there is but one.
    """
    given = settings or LeakSettings()
    counts = torch.bincount(labels)
    _check(masks, x, labels, counts, given)
    # In the dtype of the fresh classifiers.
    binary = (masks >= given.threshold).to(torch.float32).unsqueeze(1)
    masked = torch.where(binary.bool(), as_floats(x).to(torch.float32), as_floats(hidden).to(torch.float32))
    fold = _folds(labels, given)
    alone, both = (_reading(_read(what, labels, fold, given) == labels, labels) for what in (binary, masked))
    sizes = None
    if given.strata:
        other = _within_sizes(binary, labels, given)
        apart = _folds(other, given)
        sizes = _reading(_read(binary, other, apart, given) == other, other)
    return Leak(alone, both, 1 / len(counts), tuple(counts.tolist()), sizes)


def _within_sizes(binary: Tensor, labels: Tensor, given: LeakSettings) -> Int64[Tensor, "b"]:
    """The labels after they changed places among masks of about one size."""
    # Masks of one size are mixed first: images that come label by label would change places with their like.
    mixed = torch.randperm(len(labels), generator=torch_generator(given.seed, "masks of one size"))
    mixed = mixed.to(labels.device)
    order, changed = mixed[binary[mixed].flatten(1).sum(1).argsort(stable=True)], labels.clone()
    for number, part in enumerate(order.tensor_split(given.strata)):
        numbers = torch_generator(given.seed, "labels within sizes", number)
        changed[part] = labels[part[torch.randperm(len(part), generator=numbers).to(part.device)]]
    return changed


def _check(masks: Tensor, x: Tensor, labels: Tensor, counts: Tensor, given: LeakSettings) -> None:
    if x.dim() != 4 or masks.shape != (len(x), *x.shape[-2:]):
        raise InputError(f"need masks (b, h, w) of images (b, c, h, w), got {masks.shape} and {x.shape}")
    if len(counts) < 2 or int(counts.min()) < given.folds:
        raise InputError(
            f"need at least two labels and each at least folds={given.folds} times, "
            f"got labels 0 to {len(counts) - 1} {counts.tolist()} times"
        )


def _folds(labels: Tensor, given: LeakSettings) -> Tensor:
    """The fold of each image; each label is spread evenly over the folds."""
    fold = torch.empty_like(labels)
    for label in range(int(labels.max()) + 1):
        rows = (labels == label).nonzero().flatten()
        order = torch.randperm(len(rows), generator=torch_generator(given.seed, "leak folds", label))
        fold[rows[order.to(rows.device)]] = torch.arange(len(rows), device=rows.device) % given.folds
    return fold


def _read(what: Tensor, labels: Tensor, fold: Tensor, given: LeakSettings) -> Tensor:
    """The label that is read off each, by the reader of its fold."""
    read = torch.empty_like(labels)
    for number in range(given.folds):
        reader = _trained(what[fold != number], labels[fold != number], number, given)
        with torch.no_grad():
            parts = torch.split(what[fold == number], 256)
            read[fold == number] = torch.cat([reader(part).argmax(1) for part in parts])
    return read


def _trained(what: Tensor, labels: Tensor, number: int, given: LeakSettings) -> nn.Module:
    reader = _reader(what.shape[1], int(labels.max()) + 1, number, given).to(what.device)
    adam = torch.optim.Adam(reader.parameters(), given.learning_rate)
    weight = 1 / torch.bincount(labels).to(what.dtype)
    for epoch in range(given.epochs):
        numbers = torch_generator(given.seed, f"leak order of fold {number}", epoch)
        for rows in torch.split(torch.randperm(len(what), generator=numbers), given.batch):
            at = rows.to(what.device)
            loss = functional.cross_entropy(reader(what[at]), labels[at], weight / weight.mean())
            adam.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
    return reader.eval()


def _reader(channels: int, n_labels: int, number: int, given: LeakSettings) -> nn.Module:
    """Three convolutions, pooled to 4 x 4, one layer: it sees where and which shape."""
    widths = (channels, given.width, 2 * given.width, 4 * given.width)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(child_seed(given.seed, "leak weights", number))
        parts: list[nn.Module] = []
        for before, after in pairwise(widths):
            parts += [nn.Conv2d(before, after, 3, 2, 1), nn.GroupNorm(1, after), nn.ReLU()]
        parts += [nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(16 * widths[-1], n_labels)]
    return nn.Sequential(*parts)


def _reading(right: Tensor, labels: Tensor) -> Reading:
    shares = torch.stack(
        [doubled_tensor(right[labels == label]).mean() for label in range(int(labels.max()) + 1)]
    )
    counts = doubled_tensor(torch.bincount(labels))
    stderr = (shares * (1 - shares) / counts).sum().sqrt() / len(shares)
    return Reading(shares.mean().item(), stderr.item())
