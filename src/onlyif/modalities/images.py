"""Images whose players are patches or superpixels: hidden pixels of one image take those of another."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from array_api_compat import is_array_api_obj
from jaxtyping import Float, Int64
from typing_extensions import override

from onlyif.core.arrays import Array, beside, namespace, on_host, where_kept
from onlyif.core.errors import InputError, SettingError
from onlyif.core.labels import Row
from onlyif.core.players import duplicates
from onlyif.modalities.base import InstancePlayers, Modality, Queries

# Arrays of so many axes are images: (images, channels, height, width).
IMAGE_AXES = 4
# What sets of single pixels may be asked to be.
SOUGHT = ("regions", "pixels")


@final
@dataclass(frozen=True, eq=False)
class Images:
    """Images as `onlyif.explain(..., modality=Images(...))` takes them: which pixels are one player.

    Pixels of a player are shown and hidden together, in all channels. What hidden pixels become is the
    `reference`: "baseline" (the default), the mean of the images in `background`; "marginal", the same
    pixels of one background image, at most 100 of them; or a `Reference`.

    Args:
        regions: The side of square patches in pixels; or the number of the region of each pixel, as
            superpixels, numbered from 0 with none left out: an array of the plane's shape (h, w) for all
            images, of shape (b, h, w) for one map an image, or of an image's whole shape (channels, h, w)
            where channels are no matter of course. Or a name: "regions" (the default) looks for sets of a
            few regions of any shape, "pixels" for sets of single pixels; both need a network with gradients
            and take `size` as shares.

        classes: The names of the network's outputs, in order; () names them by their numbers.
        titles: What each image is called in results; () calls it by its number.

    Raises:
        SettingError: for a name that is neither; or if classes or titles are no texts, or repeat.

    Example:
        >>> import onlyif
        >>> x = np.arange(32.0).reshape(2, 1, 4, 4)
        >>> def mean(batch):
        ...     return batch.mean((1, 2, 3))
        >>> onlyif.explain(mean, x, background=0 * x, modality=Images(2))[0].names
        ('patch (0, 0)', 'patch (0, 1)', 'patch (1, 0)', 'patch (1, 1)')
    """

    regions: Any = "regions"
    classes: Sequence[str] = ()
    titles: Sequence[str] = ()

    def __post_init__(self) -> None:
        for name, given in {"classes": self.classes, "titles": self.titles}.items():
            if isinstance(given, str) or not all(isinstance(one, str) for one in given):
                raise SettingError(f"{name} must be a sequence of texts, got {given!r}")
            if len(set(given)) != len(given):
                raise SettingError(f"{name} must be distinct, got {duplicates(given)} more than once")
        if isinstance(self.regions, str) and self.regions not in SOUGHT:
            raise SettingError(
                f"need one of {', '.join(SOUGHT)}, the side of square patches or a map of regions; got "
                f"{self.regions!r}"
            )

    @property
    def sought(self) -> bool:
        """Whether sets of any pixels are looked for, along a network's gradient."""
        return isinstance(self.regions, str)

    def class_name(self, number: int) -> str:
        """What an output is called.

        Args:
            number: Its number.
        """
        return self.classes[number] if number < len(self.classes) else f"output {number}"

    def title(self, place: int, n_images: int) -> Row:
        """What an image is called.

        Args:
            place: Its place among the images.
            n_images: How many images there are.

        Raises:
            SettingError: if there are titles, but not one an image.
        """
        if self.titles and len(self.titles) != n_images:
            raise SettingError(f"need a title for each of {n_images} images, got {len(self.titles)}")
        return self.titles[place] if self.titles else place

    def of(
        self, images: Float[Array, "b *x"], fillings: Float[Array, "#b n *x"], hides: str
    ) -> "ImageModality":
        """These images with what replaces their pixels.

        Args:
            images: The images.
            fillings: n images for each, or shared by all, that hidden pixels are taken from.
            hides: One sentence: what becomes of hidden pixels.

        Raises:
            InputError: if the regions do not fit the images.
            SettingError: if they are neither a whole number nor whole numbers from 0 on.
        """
        shape = tuple(images.shape)
        if isinstance(self.regions, int) and not isinstance(self.regions, bool):
            patches, grid = _patches(self.regions, shape)[None], _grid(self.regions, shape)
            return self._named(ImageModality(patches, images, fillings, hides, grid))
        index = _whole_numbers(self.regions)
        fitting = {shape[-2:]: index[None], (shape[0], *shape[-2:]): index, shape[1:]: index[None]}
        # Where (channels, h, w) and (b, h, w) are the same, nobody knows which is meant.
        if index.ndim == 3 and shape[0] == shape[1] and index.shape == shape[1:]:
            raise InputError(
                f"regions of shape {index.shape} may be one map an image or one of all channels; give them "
                f"as {(shape[0], 1, *shape[-2:])} or as {shape[-2:]}"
            )
        if len(shape) == 4 and index.shape == (shape[0], 1, *shape[-2:]):
            return self._named(ImageModality(index[:, 0], images, fillings, hides))
        if index.shape not in fitting:
            raise InputError(
                f"the regions have shape {index.shape}, the images {shape}; need {shape[-2:]} for all, "
                f"{(shape[0], *shape[-2:])} for one map an image, or {shape[1:]}"
            )
        return self._named(ImageModality(fitting[index.shape], images, fillings, hides))

    def _named(self, images: "ImageModality") -> "ImageModality":
        n = len(images.images)
        called = tuple(self.title(place, n) for place in range(n)) if self.titles else ()
        return replace(images, names_of_outputs=tuple(self.classes), titles=called)


@final
@dataclass(frozen=True, eq=False)
class ImageModality(Modality):
    """Some images, whose numbers are the instances.

    Args:
        regions: The player of each pixel, or of each entry; size 1 in b means shared by all images.
        images: The images.
        fillings: What their hidden pixels are taken from.
        sentence: What becomes of hidden pixels.
        grid: Rows and columns of patches; None for regions that are no patches.
        names_of_outputs: What the model's outputs are called; () where that is not said.
        titles: What each image is called; () calls it by its number.

    Raises:
        SettingError: unless each map has the regions 0 to d - 1.
    """

    regions: Int64[np.ndarray, "#b *plane"]
    images: Float[Array, "b *x"]
    fillings: Float[Array, "#b n *x"]
    sentence: str
    grid: tuple[int, int] | None = None
    names_of_outputs: tuple[str, ...] = ()
    titles: tuple[Row, ...] = ()

    def __post_init__(self) -> None:
        for index in self.regions:
            used = np.unique(index)
            if not np.array_equal(used, np.arange(len(used))):
                raise SettingError(
                    f"regions must be numbered 0 to d - 1 with none left out, got {len(used)} numbers from "
                    f"{used[0]} to {used[-1]}"
                )

    @override
    def players(self, instance: int) -> InstancePlayers:
        if self.grid is not None:
            rows, columns = self.grid
            names = tuple(f"patch ({row}, {column})" for row in range(rows) for column in range(columns))
        else:
            names = tuple(f"region {number}" for number in range(int(self.index(instance).max()) + 1))
        return InstancePlayers(names, ("",) * len(names))

    @override
    def render(self, queries: Queries) -> Float[Array, "r *x"]:
        numbers = np.array(queries.instances, dtype=np.int64)[queries.which]
        x = self.images[beside(numbers, self.images)]
        return where_kept(self._spread(numbers, queries.shown), x, self._fillings(numbers, queries))

    @property
    @override
    def hides(self) -> str:
        return self.sentence

    @override
    def label(self, instance: int, place: int) -> Row:
        return self.titles[instance] if self.titles else place

    @property
    @override
    def classes(self) -> tuple[str, ...]:
        return self.names_of_outputs

    @property
    @override
    def noun(self) -> str:
        return "region" if self.grid is None else "patch"

    @property
    @override
    def n_draws(self) -> int:
        return int(self.fillings.shape[1])

    def index(self, number: int) -> Int64[np.ndarray, "*plane"]:
        """The player of each pixel of an image, or of each entry.

        Args:
            number: The image's number.
        """
        index: np.ndarray = self.regions[number if len(self.regions) > 1 else 0]
        return index

    def _spread(self, numbers: Int64[np.ndarray, "r"], players: np.ndarray) -> np.ndarray:
        """From one value a player to one an entry, with a dimension of 1 where channels share it."""
        if len(self.regions) == 1:
            spread = players[:, self.regions[0]]
        else:
            spread = np.stack([row[self.index(i)] for i, row in zip(numbers.tolist(), players, strict=True)])
        lacking = self.images.ndim - spread.ndim
        return spread.reshape(len(spread), *[1] * lacking, *spread.shape[1:])

    def _fillings(self, numbers: Int64[np.ndarray, "r"], queries: Queries) -> Float[Array, "r *x"]:
        owner = numbers if len(self.fillings) > 1 else np.zeros_like(numbers)
        first = np.where(queries.shown, 0, queries.draw).max(1)
        if bool((queries.shown | (queries.draw == first[:, None])).all()):
            return self.fillings[beside(owner, self.fillings), beside(first, self.fillings)]
        # Players of one row hidden by several draws: entry by entry.
        shape = (len(numbers), *self.images.shape[1:])
        places = np.ogrid[tuple(slice(size) for size in shape)][1:]
        at = (owner.reshape(-1, *[1] * (len(shape) - 1)), self._spread(numbers, queries.draw), *places)
        return self.fillings[tuple(beside(np.broadcast_to(part, shape), self.fillings) for part in at)]


def checked_images(data: Any, role: str) -> Float[Array, "b *x"]:
    """Images as an array or tensor of floats.

    Args:
        data: Of numpy or torch, one image a row; uint8 and other integers are not taken for floats.
        role: What they are, for messages.

    Raises:
        InputError: unless they are finite floating-point numbers with a height and a width.
    """
    if not is_array_api_obj(data):
        raise InputError(f"need the {role} as one array or tensor of images, got a {type(data).__name__}")
    if data.ndim < 3 or 0 in data.shape:
        raise InputError(
            f"need the {role} as (images, ..., height, width), got shape {tuple(data.shape)}; one image is "
            "x[None]"
        )
    xp = namespace(data)
    if not xp.isdtype(data.dtype, "real floating"):
        raise InputError(
            f"the {role} are of {data.dtype}; need floating-point numbers in the scale that the model takes, "
            "as images.float() / 255"
        )
    if not bool(xp.isfinite(data).all()):
        raise InputError(f"the {role} have NaN or infinite values; need finite ones")
    return data


def refuse_single(data: Any, background: Any, modality: Images | None) -> None:
    """Refuse one image that lacks the axis of images.

    Args:
        data: What is to be explained.
        background: The background, or None.
        modality: How images are explained; None where nobody said that these are images.

    Raises:
        InputError: for three axes, which no table has; of images, where the background has four.
    """
    like = background.ndim if is_array_api_obj(background) else 0
    if is_array_api_obj(data) and data.ndim == IMAGE_AXES - 1 and (modality is None or like == IMAGE_AXES):
        raise InputError(
            f"got X of shape {tuple(data.shape)}; need (rows, columns) of a table, or (images, channels, "
            "height, width): one image is X[None], images without channels are X[:, None]"
        )


def _grid(side: int, shape: tuple[int, ...]) -> tuple[int, int]:
    return -(-shape[-2] // side), -(-shape[-1] // side)


def _patches(side: int, shape: tuple[int, ...]) -> Int64[np.ndarray, "h w"]:
    height, width = shape[-2:]
    if not 1 <= side <= max(height, width):
        raise SettingError(f"the side of a patch must be 1 to {max(height, width)} pixels here, got {side}")
    rows, columns = (np.arange(size, dtype=np.int64) // side for size in (height, width))
    return rows[:, None] * _grid(side, shape)[1] + columns


def _whole_numbers(regions: Any) -> Int64[np.ndarray, "*s"]:
    index = on_host(regions) if is_array_api_obj(regions) else np.asarray(regions)
    if index.dtype.kind not in "iu" or index.ndim < 2:
        raise SettingError(
            "regions must be the side of square patches, or the whole number of the region of each pixel as "
            f"an array; got {type(regions).__name__} of {index.dtype}, shape {index.shape}"
        )
    return index.astype(np.int64)
