"""Which class the model decides for, in each row to explain and as what is explained."""

from dataclasses import replace

import numpy as np
from jaxtyping import Int64

from onlyif.core.errors import ModelError, SettingError
from onlyif.engine.engine import outputs_of
from onlyif.models.base import Predictor
from onlyif.models.checked import CheckedPredictor, checked, probe
from onlyif.models.decided import decided, decided_numbers
from onlyif.models.function import FunctionPredictor
from onlyif.setup.options import Options
from onlyif.setup.tables import Asked, Tables
from onlyif.setup.targets import are_classes, disagreements


def with_decisions(asked: Asked, tables: Tables, options: Options) -> Asked:
    """What the model says of the rows, with the class that it decides for in each of them.

    Args:
        asked: The model and its outputs.
        tables: The rows.
        options: What is asked.

    Raises:
        SettingError: if it decides for several labels at once.
        ModelError: if what it decides for is none of its classes, and a target was left open.
    """
    try:
        decisions = _decisions(asked, tables, options)
    except ModelError as error:
        if options.target is None:
            raise
        notes = (*asked.notes, f"not compared with the class it predicts: {error}")
        return replace(asked, notes=notes, row_notes=((),) * len(tables.x))
    if decisions is None:
        return replace(asked, row_notes=((),) * len(tables.x))
    differing = disagreements(asked.outputs, asked.meaning, decisions)
    notes = (*asked.notes, *_assumed(asked, options))
    return replace(asked, decisions=decisions, notes=notes, row_notes=differing)


def as_decisions(asked: Asked, tables: Tables, options: Options) -> Asked:
    """The same model, asked for the class that it decides for instead of its outputs.

    Args:
        asked: The model and its outputs, with decisions.
        tables: The rows.
        options: What is asked.

    Raises:
        SettingError: if it makes no decision between classes.
    """
    n_outputs = asked.outputs.shape[1]
    if _rule(asked.predictor.inner) is None and n_outputs > 1 and asked.meaning.exclusive is False:
        raise SettingError(
            f"a distance between decisions needs classes, the {n_outputs} outputs of {asked.meaning.model} "
            "are none"
        )
    raw = decided(asked.predictor.inner, n_outputs)
    predictor = checked(raw, tables.x)
    notes = probe(raw, tables.few(options), frozenset(options.tolerate)).notes
    outputs = outputs_of(predictor, tables.x, options.max_rows)
    told = tuple(dict.fromkeys((*asked.notes, *notes)))
    return replace(
        asked, predictor=predictor, meaning=raw.meaning, outputs=outputs, notes=told,
        decisions=outputs.argmax(1),
    )  # fmt: skip


def decided_as(asked: Asked, targets: Int64[np.ndarray, "b"]) -> list[dict[str, bool | int | float]]:
    """For each row whether a large or a small output is what the model decided, and from where on it would.

    Args:
        asked: The model, with its decisions where it makes any.
        targets: The number of the explained output.
    """
    if asked.decisions is None:
        return [{}] * len(targets)
    # A single output is that of the second of two classes.
    target = targets if asked.outputs.shape[1] > 1 else np.ones_like(targets)
    signs = np.where(asked.decisions == target, 1, -1).tolist()
    threshold = _threshold(asked)
    return [{"decided": sign} | ({} if threshold is None else {"threshold": threshold}) for sign in signs]


def _threshold(asked: Asked) -> float | None:
    """Above which an output decides, where every class has one; of several classes it is half of all."""
    n_outputs, meaning = asked.outputs.shape[1], asked.meaning
    if n_outputs == 1:
        return meaning.threshold
    return 0.5 if n_outputs == 2 and are_classes(asked.outputs, replace(meaning, exclusive=None)) else None


def _decisions(asked: Asked, tables: Tables, options: Options) -> Int64[np.ndarray, "b"] | None:
    n_outputs, meaning = asked.outputs.shape[1], asked.meaning
    if _rule(asked.predictor.inner) is not None:
        raw = decided(asked.predictor.inner, n_outputs)
        decided_for: np.ndarray = outputs_of(CheckedPredictor(raw), tables.x, options.max_rows).argmax(1)
        return decided_for
    if n_outputs == 1:
        return None if meaning.threshold is None else decided_numbers(asked.outputs, meaning)
    some = asked.outputs
    if meaning.exclusive is None and are_classes(some, meaning):
        # A few rows may sum to 1 by chance: the background is asked too.
        some = outputs_of(asked.predictor, tables.few(options), options.max_rows)
    return asked.outputs.argmax(1) if are_classes(some, meaning) else None


def _assumed(asked: Asked, options: Options) -> tuple[str, ...]:
    """What was taken for granted of the outputs, where it decides what is explained and nothing shows it."""
    meaning = asked.meaning
    matters = meaning.assumed and options.target is None and asked.outputs.shape[1] > 1
    if not matters or are_classes(asked.outputs, replace(meaning, exclusive=None)):
        return ()
    return (meaning.assumed,)


def _rule(predictor: Predictor) -> object | None:
    return predictor.decision if isinstance(predictor, FunctionPredictor) else None
