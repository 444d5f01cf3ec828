"""Rows explained against other rows: those that the model decides otherwise, or some that the user names."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float64, Int64

from onlyif.core.errors import SettingError
from onlyif.core.labels import Labels, Row
from onlyif.core.plain_values import shown
from onlyif.core.progress import Meter
from onlyif.criteria.distances import DiscreteDistance, Distance, SideDistance
from onlyif.engine.engine import outputs_of
from onlyif.explanation.verdicts import SAME_DECISION
from onlyif.models.base import Meaning
from onlyif.setup.checked_model import CheckedModel, checked_model
from onlyif.setup.decisions import decisions_of
from onlyif.setup.foundation import Source
from onlyif.setup.options import Options, criterion_of, own_criterion_of, recipe_of
from onlyif.setup.tables import CodedRows, coded_rows

OTHERWISE = "other decisions"


@final
@dataclass(frozen=True, eq=False)
class Piece:
    """Rows that are explained against the same background.

    Args:
        places: Their places among all rows.
        rows: The rows.
        background: The background.
        options: What is asked of them.
        sentence: What the background is, for the reader.
        notes: What the reader should know, each a sentence.
    """

    places: tuple[int, ...]
    rows: Any
    background: Any
    options: Options
    sentence: str
    notes: tuple[str, ...]


@final
@dataclass(frozen=True, eq=False)
class Pieces:
    """All rows in pieces.

    Args:
        pieces: The pieces.
        labels: The label of each row.
    """

    pieces: tuple[Piece, ...]
    labels: tuple[Row, ...]


@final
@dataclass(frozen=True, eq=False)
class _Decided:
    """What the model says of one table."""

    outputs: Float64[np.ndarray, "b k"]
    numbers: Int64[np.ndarray, "b"] | None


def pieces_against(source: Source, rows: Any, against: Any, meter: Meter) -> Pieces:
    """The rows in pieces, each with the background that it is explained against.

    Args:
        source: The model, the background, which may be None where `against` is a table, and the options.
        rows: The rows to explain.
        against: "other decisions"; a class, whose rows in the background are taken; a mask of booleans over
            the background; or a table of rows.
        meter: What counts the rows that the model is asked for their decisions.

    Raises:
        SettingError: if an option has no use with it, it decides nothing, or no row is left.
    """
    options, background = source.options, source.background
    _check_unused(options)
    given, chosen = _given(background, against)
    coded = coded_rows(rows, given, options, model=source.model)
    base = checked_model(source.model, coded.tables, options, meter)
    ours, theirs = (_decided(base, x, options) for x in (coded.x, coded.values))
    names = _names(base.meaning, ours.outputs.shape[1])
    if given is not background or chosen is not None:
        everything = np.ones(len(coded.values), dtype=np.bool_)
        which = everything if chosen is None else _masked(chosen, len(coded.values))
        said = "that were given" if chosen is None else "of the background that were chosen"
        groups = [_Group(number, which, said) for number in _decisions_in(ours)]
    else:
        groups = _by_decision(ours, theirs, names, against, base.meaning)
    return Pieces(
        tuple(_piece(coded, group, options, (base.meaning, ours, theirs)) for group in groups), coded.labels
    )


@final
@dataclass(frozen=True, eq=False)
class _Group:
    """Rows that are decided alike.

    Args:
        number: The class that they are decided for; None where the model decides nothing.
        which: The background rows that they are explained against.
        said: What these are.
    """

    number: int | None
    which: Bool[np.ndarray, "rows"]
    said: str


def _decisions_in(decided: _Decided) -> list[int | None]:
    return [None] if decided.numbers is None else [*np.unique(decided.numbers).tolist()]


def _check_unused(options: Options) -> None:
    causes, own = criterion_of(options.criterion), own_criterion_of(options)
    given = {
        "criterion='pns'": causes is not None,
        "a criterion of your own": own is not None,
        "distance": options.distance is not None,
        "target": options.target is not None,
        "modality": options.modality is not None,
        "a finished reference": not recipe_of(options.reference).needs_background,
    }
    for name, there in given.items():
        if there:
            raise SettingError(
                f"{name} has no use with against, which explains the model's decision by sets; leave one out"
            )


def _given(background: Any, against: Any) -> tuple[Any, Any]:
    """The background, which may be what was given as `against`, and a mask over it or None."""
    if isinstance(against, list | tuple) and all(isinstance(one, bool | np.bool_) for one in against):
        against = np.array(against, dtype=np.bool_)
    shape = getattr(against, "shape", None)
    if (
        isinstance(shape, tuple)
        and len(shape) == 1
        and str(getattr(against, "dtype", "")).lower() in _BOOLEAN
    ):
        return background, np.asarray(against, dtype=np.bool_)
    if isinstance(shape, tuple) and len(shape) == 2:
        return against, None
    return background, None


_BOOLEAN = frozenset({"bool", "boolean"})


def _masked(chosen: Bool[np.ndarray, "n"], n_rows: int) -> Bool[np.ndarray, "rows"]:
    if len(chosen) != n_rows:
        raise SettingError(f"against holds {len(chosen)} booleans, the background has {n_rows} rows")
    return chosen


def _decided(model: CheckedModel, x: Float64[np.ndarray, "b c"], options: Options) -> _Decided:
    outputs = outputs_of(model.predictor, x, options.max_rows)
    return _Decided(outputs, decisions_of(model, x, outputs, options).numbers)


def _names(meaning: Meaning, n_outputs: int) -> tuple[str, ...]:
    """What each class is called."""
    known = tuple(map(str, meaning.classes)) or (meaning.labels if len(meaning.labels) > 1 else ())
    return known or tuple(f"class {number}" for number in range(max(2, n_outputs)))


def _by_decision(
    ours: _Decided, theirs: _Decided, names: Sequence[str], against: Any, meaning: Meaning
) -> list[_Group]:
    """The rows by the class that they are decided for, each with the background rows they stand against."""
    if ours.numbers is None or theirs.numbers is None:
        raise SettingError(
            f"against={shown(against)} needs a model that decides between classes, {meaning.model} answers "
            f"with {meaning.output}; give the rows to explain against, or a mask over the background"
        )
    wanted = None if _is_otherwise(against) else _class(against, names, meaning)
    groups = []
    for number in np.unique(ours.numbers).tolist():
        if number == wanted:
            alike = np.flatnonzero(ours.numbers == number)
            raise SettingError(
                f"{len(alike)} rows are decided as {names[number]!r} themselves, the first of them in place "
                f"{alike[0]}: they cannot be explained against that; leave them out, or ask against="
                f"{OTHERWISE!r}"
            )
        which: np.ndarray = theirs.numbers != number if wanted is None else theirs.numbers == wanted
        said = (
            f"decided otherwise than {names[number]!r}" if wanted is None else f"decided as {names[wanted]!r}"
        )
        if not which.any():
            raise SettingError(f"none of the {len(which)} background rows is {said}; give others")
        groups.append(_Group(number, which, said))
    return groups


def _is_otherwise(against: Any) -> bool:
    return isinstance(against, str) and against == OTHERWISE


def _class(against: Any, names: Sequence[str], meaning: Meaning) -> int:
    place = Labels(meaning.classes).place(against)
    if place is None and isinstance(against, str) and against in names:
        place = names.index(against)
    if place is None:
        raise SettingError(
            f"against must be {OTHERWISE!r}, one of the classes {list(names)}, a mask of booleans over the "
            f"background, or a table of rows; got {shown(against)}"
        )
    return place


def _distance(
    meaning: Meaning, ours: _Decided, theirs: _Decided, number: int
) -> tuple[Distance, tuple[str, ...]]:
    """Whether the decision stays, and then how far the probability moves where one number tells of both.

    Args:
        meaning: What the outputs are.
        ours: What the model says of the rows.
        theirs: What it says of the background.
        number: The class that the rows are decided for.
    """
    outputs = np.concatenate([ours.outputs, theirs.outputs])
    if outputs.shape[1] > 2 or outputs.min() < 0 or outputs.max() > 1:
        return DiscreteDistance(), ()
    # A single output is that of the second class, of two outputs the decided class's own is explained.
    single = outputs.shape[1] == 1
    score, target = outputs[:, 0 if single else number], 1 if single else number
    numbers = np.concatenate([one.numbers for one in (ours, theirs) if one.numbers is not None])
    low = score[numbers != target].max(initial=0.0)
    high = score[numbers == target].min(initial=1.0)
    usual = 0.5 if meaning.threshold is None else meaning.threshold
    if low <= usual <= high:
        return SideDistance(usual), ()
    if low < high:
        middle = float(low + high) / 2
        between = f"{meaning.model} decides between {low:.4g} and {high:.4g} of {meaning.output}"
        return SideDistance(middle), (f"{between}; {middle:.4g} was taken for its threshold",)
    note = f"the decisions of {meaning.model} do not go by its {meaning.output}: they alone are compared"
    return DiscreteDistance(), (note,)


def _piece(
    coded: CodedRows, group: _Group, options: Options, seen: tuple[Meaning, _Decided, _Decided]
) -> Piece:
    meaning, ours, theirs = seen
    which, total = group.which, len(group.which)
    if not which.any():
        raise SettingError(f"against leaves none of the {total} rows of the background")
    alike = np.ones(len(coded.x), dtype=np.bool_) if ours.numbers is None else ours.numbers == group.number
    places = np.flatnonzero(alike)
    notes: tuple[str, ...] = ()
    if group.number is not None:
        distance, notes = _distance(meaning, ours, theirs, group.number)
        question = options.question
        if question.epsilon is None:
            question = replace(question, epsilon=SAME_DECISION)
        options = replace(options, distance=distance, question=question)
    count = int(which.sum())
    sentence = (
        f"{count:,} of {total:,} rows {group.said}" if count < total else f"{total:,} rows {group.said}"
    )
    rows, background = coded.schema.decode(coded.x[places]), coded.schema.decode(coded.values[which])
    told = (*coded.notes, *coded.schema.notes, *notes)
    return Piece(tuple(places.tolist()), rows, background, options, sentence, told)
