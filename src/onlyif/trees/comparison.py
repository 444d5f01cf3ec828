"""Whether trees that were read answer as their model does."""

import warnings
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from onlyif.core.arrays import doubled
from onlyif.core.errors import OnlyIfError
from onlyif.models.outputs import DIGITS_DOUBLE
from onlyif.trees.question import Rows, TreeModel, TreeQuestion, UnreadableTreesError

N_ROWS = 128
TOLERANCE = 1e-9


def compare(trees: TreeModel, question: TreeQuestion) -> None:
    """Ask trees and model for the same rows.

    The rows are of the background; mixtures of them; others with values on
    the trees' thresholds and next to them; and, where the model takes them, others with missing values.

    Args:
        trees: What was read.
        question: The model it was read from.

    Raises:
        UnreadableTreesError: if they differ by more than rounding, saying by how much and where.
    """
    # What a library treats in no certain way is refused in whichever row it is.
    rows, encoded = question.rows, trees.encode(question.rows)
    most = min(N_ROWS, question.max_rows)
    some = slice(None, None, max(1, len(rows) // most))
    known, seen = rows[some][:most], encoded[some][:most]
    made = {"given": known, "mixed": _mixed(trees, known, seen)}
    near = _on_thresholds(trees, question, known, seen)
    if near is not None:
        made["made on the trees' thresholds"] = near
    missing = _with_missing(question, known)
    with warnings.catch_warnings():
        # Nobody gave most of these rows: what a model says of them is of no use to anybody.
        warnings.simplefilter("ignore")
        _agree(trees, question, made, _asked(question, np.concatenate([*made.values()])))
        try:
            wanted = _asked(question, missing)
        except OnlyIfError:
            return  # it takes no missing values
        _agree(trees, question, {"with missing values": missing}, wanted)


def compare_on(
    trees: TreeModel, question: TreeQuestion, rows: Rows, wanted: Float64[np.ndarray, "r k"]
) -> None:
    """Compare trees and model on rows that the model was asked for already.

    Args:
        trees: What was read.
        question: The model it was read from.
        rows: The rows.
        wanted: The model's answers to them.

    Raises:
        UnreadableTreesError: if they differ by more than rounding.
    """
    trees.encode(rows)
    _agree(trees, question, {"to explain": rows[:N_ROWS]}, wanted[:N_ROWS])


def _asked(question: TreeQuestion, rows: Rows) -> Float64[np.ndarray, "r k"]:
    """The model's own answers, in few calls: each costs some models more than its rows."""
    size = question.max_rows
    parts = [question.predictor.predict(rows[at : at + size]) for at in range(0, len(rows), size)]
    return np.concatenate([doubled(part) for part in parts])


def _agree(
    trees: TreeModel, question: TreeQuestion, made: Mapping[str, Rows], wanted: Float64[np.ndarray, "s k"]
) -> None:
    got = trees.ensemble.predict(trees.encode(np.concatenate([*made.values()])))
    if got.shape != wanted.shape:
        raise UnreadableTreesError(
            f"its trees were read but give {got.shape[1]} outputs a row, the model {wanted.shape[1]}"
        )
    first = 0
    for what, rows in made.items():
        part = slice(first, first + len(rows))
        difference = float(np.abs(got[part] - wanted[part]).max())
        if not difference <= _tolerance(trees, question, wanted[part]):
            raise UnreadableTreesError(
                f"its trees were read but differ from the model by up to {difference:.3g} on rows {what}"
            )
        first = part.stop


def _tolerance(trees: TreeModel, question: TreeQuestion, outputs: Float64[np.ndarray, "r k"]) -> float:
    """How much outputs may differ by rounding."""
    scale = max(1.0, float(np.abs(outputs).max()))
    digits = min(question.predictor.meaning.digits, trees.read.digits)
    return scale * (TOLERANCE if digits >= DIGITS_DOUBLE else 4 * 2.0**-digits)


def _mixed(trees: TreeModel, rows: Rows, encoded: Rows) -> Rows:
    """Rows of which each column is taken from some row; encoded they must be the same mixture."""
    numbers = np.random.default_rng(0).integers(0, len(rows), rows.shape)
    mixed = np.take_along_axis(rows, numbers, axis=0)
    wanted = np.take_along_axis(encoded, numbers[:, trees.source], axis=0)
    if not np.allclose(trees.encode(mixed), wanted, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        raise UnreadableTreesError("what its trees compare is not made column by column")
    return mixed


def _on_thresholds(trees: TreeModel, question: TreeQuestion, rows: Rows, encoded: Rows) -> Rows | None:
    """Rows with values on thresholds and next to them, in the columns that are compared as they are."""
    nodes, rng, made = trees.ensemble.nodes, np.random.default_rng(1), rows.copy()
    if not _same(encoded[:, : rows.shape[1]], rows):
        return None
    for column in range(rows.shape[1]):
        at = (nodes.column == column) & (nodes.category_set < 0) & np.isfinite(nodes.threshold)
        known = nodes.threshold[at]
        if len(known):
            chosen = rng.choice(known, len(made))
            nearest = np.stack([chosen, np.nextafter(chosen, np.inf), chosen.astype(np.float32)])
            made[:, column] = nearest[rng.integers(0, 3, len(made)), np.arange(len(made))]
    try:
        # Columns of whole numbers or of single precision hold what is nearest.
        return question.form.encode(question.form.decode(made))
    except OnlyIfError:
        return None


def _with_missing(question: TreeQuestion, rows: Rows) -> Rows:
    """Rows with missing values in the columns that can hold one."""
    gaps = np.random.default_rng(2).random(rows.shape) < 0.3
    held = _hold_missing(question, rows[:1], list(range(rows.shape[1])))
    made = rows.copy()
    made[:, held] = np.where(gaps[:, held], np.nan, rows[:, held])
    return made


def _hold_missing(question: TreeQuestion, row: Rows, columns: list[int]) -> list[int]:
    """The columns of some that can hold a missing value: mostly all, so that all are tried at once."""
    made = row.copy()
    made[0, columns] = np.nan
    try:
        question.form.decode(made)
    except OnlyIfError:
        half = len(columns) // 2
        parts = (columns[:half], columns[half:]) if half else ()
        return [column for part in parts for column in _hold_missing(question, row, part)]
    return columns


def _same(one: Rows, other: Rows) -> bool:
    return one.shape == other.shape and np.array_equal(one, other, equal_nan=True)
