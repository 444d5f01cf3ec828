"""Which class the model decides for, in each row to explain and as what is explained."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from jaxtyping import Float64, Int64

from onlyif.core.errors import ModelError, SettingError
from onlyif.engine.engine import outputs_of
from onlyif.models.base import Meaning, Predictor
from onlyif.models.checked import CheckedPredictor, checked
from onlyif.models.decided import decided, decided_numbers
from onlyif.models.function import FunctionPredictor
from onlyif.setup.checked_model import CheckedModel, probed_model
from onlyif.setup.options import Options
from onlyif.setup.tables import N_PROBE
from onlyif.setup.targets import are_classes, disagreements


@final
@dataclass(frozen=True, eq=False)
class Decisions:
    """The classes that a model decides for.

    Args:
        numbers: The number of the class in each row; None where the model has no classes.
        notes: What the reader should know, each a sentence.
        row_notes: What the reader should know of each row alone.
    """

    numbers: Int64[np.ndarray, "b"] | None
    notes: tuple[str, ...]
    row_notes: tuple[tuple[str, ...], ...]


def decisions_of(
    model: CheckedModel,
    x: Float64[np.ndarray, "b c"],
    outputs: Float64[np.ndarray, "b k"],
    options: Options,
) -> Decisions:
    """The class that the model decides for in each row.

    Args:
        model: The model.
        x: The rows.
        outputs: What it answers to them.
        options: What is asked.

    Raises:
        SettingError: if it decides for several labels at once.
        ModelError: if what it decides for is none of its classes, and a target was left open.
    """
    nothing = ((),) * len(x)
    try:
        numbers = _numbers(model, x, outputs, options)
    except ModelError as error:
        if options.target is None:
            raise
        return Decisions(None, (f"not compared with the class it predicts: {error}",), nothing)
    if numbers is None:
        return Decisions(None, (), nothing)
    differing = disagreements(outputs, model.meaning, numbers)
    return Decisions(numbers, _assumed(model, outputs, options), differing)


def deciding_model(model: CheckedModel, options: Options) -> CheckedModel:
    """The same model, asked for the class that it decides for instead of its outputs.

    Args:
        model: The model.
        options: What is asked.

    Raises:
        SettingError: if it makes no decision between classes.
    """
    n_outputs, meaning = model.outputs.shape[1], model.meaning
    if _rule(model.predictor.inner) is None and n_outputs > 1 and meaning.exclusive is False:
        raise SettingError(
            f"a distance between decisions needs classes, the {n_outputs} outputs of {meaning.model} are none"
        )
    raw = decided(model.predictor.inner, n_outputs)
    deciding = probed_model(raw, model.form, model.notes, model.sample, options)
    return replace(deciding, predictor=checked(raw, model.sample))


def decided_as(
    decisions: Decisions,
    outputs: Float64[np.ndarray, "b k"],
    meaning: Meaning,
    targets: Int64[np.ndarray, "b"],
) -> list[dict[str, bool | int | float]]:
    """For each row whether a large or a small output is what the model decided, and from where on it would.

    Args:
        decisions: The classes that the model decides for, where it has any.
        outputs: What it answers.
        meaning: What its outputs are.
        targets: The number of the explained output.
    """
    if decisions.numbers is None:
        return [{}] * len(targets)
    # A single output is that of the second of two classes.
    target = targets if outputs.shape[1] > 1 else np.ones_like(targets)
    signs = np.where(decisions.numbers == target, 1, -1).tolist()
    threshold = _threshold(outputs, meaning)
    return [{"decided": sign} | ({} if threshold is None else {"threshold": threshold}) for sign in signs]


def _threshold(outputs: Float64[np.ndarray, "b k"], meaning: Meaning) -> float | None:
    """Above which an output decides, where every class has one; of several classes it is half of all."""
    n_outputs = outputs.shape[1]
    if n_outputs == 1:
        return meaning.threshold
    return 0.5 if n_outputs == 2 and are_classes(outputs, replace(meaning, exclusive=None)) else None


def _numbers(
    model: CheckedModel,
    x: Float64[np.ndarray, "b c"],
    outputs: Float64[np.ndarray, "b k"],
    options: Options,
) -> Int64[np.ndarray, "b"] | None:
    n_outputs, meaning = outputs.shape[1], model.meaning
    if _rule(model.predictor.inner) is not None:
        raw = decided(model.predictor.inner, n_outputs)
        decided_for: np.ndarray = outputs_of(CheckedPredictor(raw), x, options.max_rows).argmax(1)
        return decided_for
    if n_outputs == 1:
        return None if meaning.threshold is None else decided_numbers(outputs, meaning)
    some = outputs
    if meaning.exclusive is None and are_classes(some, meaning):
        # A few rows may sum to 1 by chance: the background is looked at too.
        some = np.concatenate([outputs[:N_PROBE], model.outputs])
    return outputs.argmax(1) if are_classes(some, meaning) else None


def _assumed(model: CheckedModel, outputs: Float64[np.ndarray, "b k"], options: Options) -> tuple[str, ...]:
    """What was taken for granted of the outputs, where it decides what is explained and nothing shows it."""
    meaning = model.meaning
    matters = meaning.assumed and options.target is None and outputs.shape[1] > 1
    if not matters or are_classes(outputs, replace(meaning, exclusive=None)):
        return ()
    return (meaning.assumed,)


def _rule(predictor: Predictor) -> object | None:
    return predictor.decision if isinstance(predictor, FunctionPredictor) else None
