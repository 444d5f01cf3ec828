"""What a piece of work was made of, so that it can be made again in another way."""

from dataclasses import dataclass
from typing import Any, final

from onlyif.setup.options import Options


@final
@dataclass(frozen=True, eq=False)
class Source:
    """What the user gave.

    Args:
        model: The model.
        rows: The rows to explain.
        background: The background, or None.
        options: All that can be chosen.
    """

    model: Any
    rows: Any
    background: Any
    options: Options
