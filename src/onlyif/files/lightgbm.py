"""LightGBM models from text files, checked before the library sees them.

LightGBM's reader and its trees trust every number in the file. The text is
taken apart here; what is given to the library is exactly what was checked,
without the line of byte offsets ('tree_sizes') that it would jump to.
"""

from pathlib import Path
from typing import Any

import lightgbm

from onlyif.core.errors import StorageError
from onlyif.files.lightgbm_checks import checked_text
from onlyif.files.tree_arrays import read_text


def read_lightgbm(path: Path) -> Any:
    """The `lightgbm.Booster` in a text file.

    Raises:
        StorageError: if the file is damaged or no LightGBM model.
    """
    try:
        text = read_text(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise StorageError(f"{path.name} is no text file, so no LightGBM model ({error})") from error
    try:
        return lightgbm.Booster(model_str=checked_text(text))
    except (lightgbm.basic.LightGBMError, ValueError, TypeError) as error:
        raise StorageError(f"LightGBM {lightgbm.__version__} cannot read {path.name}: {error}") from error
