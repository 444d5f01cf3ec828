"""Names of pixels, computed where they are read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from typing_extensions import override


@final
@dataclass(frozen=True)
class PixelNames(Sequence[str]):
    """The names of an image's pixels, row by row from the top left: "row 0, column 3".

    Args:
        height: Pixels from top to bottom.
        width: Pixels from left to right.

    Example:
        >>> names = PixelNames(2, 4)
        >>> len(names), names[5]
        (8, 'row 1, column 1')
    """

    height: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width

    @override
    def __len__(self) -> int:
        return self.height * self.width

    @override
    def __getitem__(self, which: Any) -> Any:
        if isinstance(which, slice):
            return tuple(self[i] for i in range(*which.indices(len(self))))
        row, column = divmod(range(len(self))[which], self.width)
        return f"row {row}, column {column}"
