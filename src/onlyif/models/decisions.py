"""A model's own rule for the class of a row, as its `predict` answers."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64, Int64

from onlyif.core.errors import ModelError, SettingError
from onlyif.core.labels import Labels


@final
@dataclass(frozen=True, eq=False)
class Decision:
    """A model's own rule for the class of a row, which need not be the largest of its outputs.

    Args:
        ask: From the model's own kind of input to one class a row, as its `predict`.
        classes: The classes as the model itself names them, in order; empty where they are
            the numbers from 0.

    Example:
        >>> decision = Decision(lambda rows: np.where(rows > 0.1, "yes", "no"), ("no", "yes"))
        >>> decision.numbers(np.array([0.0, 0.2]))
        array([0, 1])
    """

    ask: Callable[[Any], Any]
    classes: tuple[Any, ...] = ()

    def numbers(self, native: Any) -> Int64[np.ndarray, "r"]:
        """The number of the decided class of each row.

        Raises:
            SettingError: if the model decides for several labels at once.
            ModelError: if it answers with something that is none of its classes.
        """
        said = one_class_a_row(self.ask(native))
        labels = Labels(self.classes) if self.classes else None
        found = [_whole(value) if labels is None else labels.place(value) for value in said]
        if None in found:
            value = said[found.index(None)]
            named = f"its classes {list(self.classes)}" if self.classes else "the numbers of its outputs"
            raise ModelError(f"the model's predict answered {value!r}, which is none of {named}")
        return np.array(found, dtype=np.int64)

    def one_hot(self, native: Any, n_classes: int) -> Float64[np.ndarray, "r k"]:
        """1 for the decided class of each row, 0 for all others.

        Args:
            native: What the model takes.
            n_classes: How many classes there are.

        Raises:
            ModelError: if the model decides for a class beyond them.
        """
        numbers = self.numbers(native)
        if len(numbers) and int(numbers.max()) >= n_classes:
            raise ModelError(f"the model's predict answered {int(numbers.max())}, of {n_classes} classes")
        return one_hot(numbers, n_classes)


def one_class_a_row(answer: Any) -> list[Any]:
    """What a `predict` answered, as one class a row.

    Args:
        answer: An array, a frame's column or a list; a second dimension of 1 is left out.

    Raises:
        SettingError: if it holds several labels a row.
    """
    shape = np.shape(answer) if getattr(answer, "shape", None) is None else tuple(answer.shape)
    if len(shape) == 2 and shape[1] != 1:
        raise SettingError(several_labels(f"its predict answers {shape[1]} of them a row"))
    held = np.asarray(answer)
    return list(held.reshape(len(held), -1)[:, 0]) if held.ndim else [answer]


def several_labels(why: str) -> str:
    """What is said of models whose labels do not exclude each other."""
    return (
        f"the model has several labels a row, which do not exclude each other ({why}), so that no single "
        "class is predicted; explain one label: pass a function that returns its column, such as "
        "lambda table: model.predict_proba(table)[:, 1]"
    )


def one_hot(numbers: Int64[np.ndarray, "r"], n_classes: int) -> Float64[np.ndarray, "r k"]:
    """1 in the column of each number.

    Args:
        numbers: The columns.
        n_classes: How many there are.
    """
    hot: np.ndarray = (numbers[:, None] == np.arange(n_classes)).astype(np.float64)
    return hot


def _whole(value: Any) -> int | None:
    """The number of a class that has no name."""
    try:
        return int(value) if int(value) == value and value >= 0 else None
    except (TypeError, ValueError):
        return None
