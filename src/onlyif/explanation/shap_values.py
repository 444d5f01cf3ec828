"""The Shapley values of explanations as a `shap.Explanation`, for that library's pictures."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Shaped

from onlyif.core.errors import SettingError
from onlyif.core.extras import check_installed
from onlyif.explanation.explanation import Explanation


def shap_values(items: Sequence[Explanation]) -> Any:
    """A `shap.Explanation` of the Shapley values, one row an explanation.

    Args:
        items: The explanations, of the same players.

    Raises:
        ExtraError: if shap is not installed.
        SettingError: if there is no explanation, they are of different players, or f_S(x) of one of them is
            not known for all subsets, so that it has no Shapley values.
        AbsentError: if they are by a criterion without Shapley values.
    """
    check_installed("shap", "shap", "a shap.Explanation")
    _check_alike(items)
    values = [item.shapley for item in items]
    lacking = [item.row for item, one in zip(items, values, strict=True) if one is None]
    if lacking:
        raise SettingError(
            f"row {lacking[0]!r} has no Shapley values, for not all subsets were compared; explain it by an "
            f'exhaustive search: search="exhaustive", or a larger budget ({len(lacking)} such rows)'
        )
    shown = np.array([item.values for item in items], dtype=object).reshape(len(items), -1)
    labels = {item.target_label for item in items}
    return import_module("shap").Explanation(
        values=np.array(values, dtype=np.float64),
        base_values=np.array([item.base for item in items]),
        data=_numbers(shown),
        display_data=shown,
        feature_names=list(items[0].names),
        output_names=labels.pop() if len(labels) == 1 else None,
    )


def _check_alike(items: Sequence[Explanation]) -> None:
    if not items:
        raise SettingError("a shap.Explanation needs at least one explanation, got none")
    other = next((item for item in items if tuple(item.names) != tuple(items[0].names)), None)
    if other is not None:
        raise SettingError(
            f"a shap.Explanation is of the same players in each row; row {other.row!r} has the players "
            f"{list(other.names)[:8]}, row {items[0].row!r} has {list(items[0].names)[:8]}"
        )


def _numbers(shown: Shaped[np.ndarray, "b d"]) -> Shaped[np.ndarray, "b d"]:
    """Numbers, which pictures colour by, of a player whose values all are numbers; else its texts."""
    made = shown.copy()
    for player, texts in enumerate(shown.T):
        try:
            made[:, player] = [float("nan" if text == "missing" else text) for text in texts]
        except ValueError:
            continue
    return made
