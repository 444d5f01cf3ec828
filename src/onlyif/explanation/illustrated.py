"""Explanations with the images that they are of."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from onlyif.core.errors import SettingError
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.pixels import Picture, PixelNames, picture_of
from onlyif.modalities.images import Images


def illustrated(items: Sequence[Explanation], images: Any, regions: Any = None) -> tuple[Explanation, ...]:
    """The explanations with their images, as `Explanations.with_images` documents.

    Args:
        items: The explanations.
        images: One for each explained row, in order.
        regions: Which pixels are one player; None where each pixel is one.

    Raises:
        SettingError: unless images and explanations fit each other.
        InputError: if the regions do not fit the images.
    """
    rows = list(dict.fromkeys(item.row for item in items))
    if len(images) != len(rows):
        raise SettingError(
            f"need one image for each explained row, in order: got {len(images)} images and {len(rows)} rows"
        )
    maps = None if regions is None else Images(regions).of(images, images[:1, None], "")
    pictures = {
        row: picture_of(image, None if maps is None else maps.index(place))
        for place, (row, image) in enumerate(zip(rows, images, strict=True))
    }
    return tuple(_illustrated(item, pictures[item.row]) for item in items)


def _illustrated(item: Explanation, picture: Picture) -> Explanation:
    player, names = picture.player, item.names
    turned = isinstance(names, PixelNames) and names.shape != player.shape
    if turned or int(player.max()) + 1 != len(names):
        raise SettingError(
            f"row {item.row} has {len(names)} players, got an image of {player.shape} with "
            f"{int(player.max()) + 1} regions or pixels"
        )
    return replace(item, details=replace(item.details, picture=picture))
