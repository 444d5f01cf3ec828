"""From what a user has, a model and tables, to a piece of work that is ready to run."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from typing import Any, final

import narwhals as nw
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from onlyif.case import Question, Subject
from onlyif.core.errors import SettingError
from onlyif.core.players import Players, column_players
from onlyif.core.seeds import child_seed
from onlyif.core.table import Schema, fit_schema, row_labels
from onlyif.criteria.distances import Distance
from onlyif.explanation.explanation import Provenance
from onlyif.predictors.base import Meaning, Predictor
from onlyif.predictors.checked import Fault, checked, probe
from onlyif.predictors.outputs import Output
from onlyif.predictors.readouts import DecisionReadout, Readout, TargetReadout
from onlyif.recipes.choose import Parts, choose_restriction, choose_search, fresh_restriction
from onlyif.recipes.detect import detect
from onlyif.recipes.groups import read_groups
from onlyif.recipes.names import DISTANCES, OUTPUTS, REFERENCES, SEARCHES, named
from onlyif.recipes.references import Background, Given, Marginal, ReferenceRecipe
from onlyif.references.base import Reference
from onlyif.restrictions.base import Restriction
from onlyif.searches.base import Search
from onlyif.version import __version__

N_PROBE = 32
Target = int | str | Sequence[int | str] | None


@final
@dataclass(frozen=True, eq=False)
class Options:
    """All that can be chosen when a table is explained; `onlyif.explain` says what each means."""

    target: Target = None
    question: Question = field(default_factory=Question)
    groups: Mapping[str, Sequence[str]] | str | Path | Any | None = None
    seed: int = 0
    max_rows: int = 16_384
    budget: int = 2_000_000
    output: Output | str | None = None
    reference: Reference | ReferenceRecipe | str | None = None
    restriction: Restriction | Callable[[Parts, Reference], Restriction] | None = None
    search: Search | str | None = None
    distance: Distance | str | None = None
    keep_table: bool = False
    tolerate: tuple[Fault, ...] = ()

    def __post_init__(self) -> None:
        child_seed(self.seed, "check")
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")
        if self.budget < 1:
            raise SettingError(f"budget must be at least 1 model row, got {self.budget}")


@final
@dataclass(frozen=True, eq=False)
class Work:
    """A model, rows and everything chosen, ready to be explained block by block.

    Args:
        x: The rows, coded.
        players: How players tile a row.
        readout: Which number of each row's outputs is explained.
        reference: What a hidden player is replaced by.
        restriction: How f_S(x) is computed.
        fresh: The same on draws that no search sees, or None.
        search: Which subsets are compared.
        distance: ρ.
        question: What is asked.
        subjects: What the reader is told of each row.
        digits: Binary digits of the outputs that can be trusted.
        provenance: What was chosen.
        keep_table: Whether explanations keep f_S(x) of all subsets.
        backend: The library of the user's frames.
    """

    x: Float64[Tensor, "b c"]
    players: Players
    readout: Readout
    reference: Reference
    restriction: Restriction
    fresh: Restriction | None
    search: Search
    distance: Distance
    question: Question
    subjects: tuple[Subject, ...]
    digits: int
    provenance: Provenance
    keep_table: bool
    backend: str


def prepare(model: Any, rows: Any, background: Any, options: Options) -> Work:
    """Everything that is needed to explain the rows, with every input checked.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an option is out of range or does not fit another one.
        ModelError: if the model fails on a small sample of rows and backgrounds.
    """
    recipe = _recipe(options.reference)
    if background is None and options.reference is None:
        raise SettingError(
            "need a background: a table of rows like those the model was trained on, from which hidden "
            "columns take their values; pass background=..."
        )
    known = rows if background is None else background
    schema = fit_schema(known, rows)
    x = schema.encode(rows)
    values = schema.encode(known)
    players = column_players(schema.columns, read_groups(options.groups))
    raw = model if isinstance(model, Predictor) else detect(model, schema, _output(options.output))
    predictor = checked(raw, x)
    few = torch.cat([x[:N_PROBE], values[:N_PROBE]])[: options.max_rows]
    notes = probe(raw, few, frozenset(options.tolerate))
    distance = _distance(options.distance)
    outputs = torch.cat([predictor.predict(part) for part in torch.split(x, options.max_rows)]).double()
    targets = _targets(options.target, outputs, raw.meaning)
    ground = _background(schema, values, options, players)
    reference = recipe.build(ground)
    parts = Parts(model, predictor, players, values, options.max_rows, options.seed)
    restriction = _restriction(options.restriction, parts, reference)
    search = _search(options, players, restriction)
    return Work(
        x=x,
        players=players,
        readout=_readout(distance, targets, outputs, raw.meaning),
        reference=reference,
        restriction=restriction,
        fresh=fresh_restriction(parts, recipe.fresh(ground), restriction),
        search=search,
        distance=distance,
        question=options.question,
        subjects=_subjects(
            row_labels(rows),
            x,
            schema=schema,
            players=players,
            targets=targets,
            meaning=raw.meaning,
            notes=(*schema.notes, *notes),
        ),
        digits=raw.meaning.digits,
        provenance=Provenance(
            predictor=raw.meaning.model,
            output=raw.meaning.output,
            reference=reference.law.sentence,
            restriction=restriction.method.sentence,
            search=search.plan.sentence,
            distance=distance.kind.name,
            is_metric=distance.kind.is_metric,
            seed=options.seed,
            max_rows=options.max_rows,
            budget=options.budget,
            versions=_versions(model),
        ),
        keep_table=options.keep_table,
        backend=_backend(rows),
    )


def _recipe(reference: Reference | ReferenceRecipe | str | None) -> ReferenceRecipe:
    if reference is None:
        return Marginal()
    if isinstance(reference, str):
        return named(REFERENCES, reference, "reference")()
    return Given(reference) if isinstance(reference, Reference) else reference


def _distance(distance: Distance | str | None) -> Distance:
    if distance is None or isinstance(distance, str):
        return named(DISTANCES, distance or "absolute", "distance")()
    return distance


def _output(output: Output | str | None) -> Output:
    return named(OUTPUTS, output or "auto", "output")() if isinstance(output, str | None) else output


def _restriction(
    given: Restriction | Callable[[Parts, Reference], Restriction] | None, parts: Parts, reference: Reference
) -> Restriction:
    if given is None:
        return choose_restriction(parts, reference)
    return given if isinstance(given, Restriction) else given(parts, reference)


def _search(options: Options, players: Players, restriction: Restriction) -> Search:
    if isinstance(options.search, str):
        return named(SEARCHES, options.search, "search")(options.budget)
    return options.search or choose_search(players.count, restriction, options.budget)


def _background(schema: Schema, values: Tensor, options: Options, players: Players) -> Background:
    return Background(
        values=values,
        columns=schema.columns,
        numeric=torch.tensor(
            [column.levels is None and column.plain is not bool for column in schema.described]
        ),
        ordered=schema.ordered,
        positions=schema.positions,
        encode=schema.encode,
        decode=schema.decode,
        seed=options.seed,
        affordable_rows=options.budget // 2 ** min(players.count, 60),
    )


def _targets(target: Target, outputs: Float64[Tensor, "b k"], meaning: Meaning) -> Int64[Tensor, "b"]:
    """The number of the explained output of each row; by default the largest one."""
    if target is None:
        return outputs.argmax(1)
    asked = [target] * len(outputs) if isinstance(target, int | str) else list(target)
    if len(asked) != len(outputs):
        raise SettingError(f"need one target, or one a row: {len(outputs)} rows, got {len(asked)} targets")
    return torch.tensor([_target(one, outputs.shape[1], meaning) for one in asked])


def _target(target: int | str, n_outputs: int, meaning: Meaning) -> int:
    if isinstance(target, str):
        if target not in meaning.labels:
            raise SettingError(f"unknown target {target!r}; the model's outputs are {list(meaning.labels)}")
        return meaning.labels.index(target)
    number = int(target)
    if isinstance(target, bool) or not 0 <= number < n_outputs:
        raise SettingError(f"target must be an output number from 0 to {n_outputs - 1}, got {target!r}")
    return number


def _readout(distance: Distance, targets: Tensor, outputs: Tensor, meaning: Meaning) -> Readout:
    if distance.kind.of_decisions:
        if outputs.shape[1] == 1 and meaning.threshold is None:
            raise SettingError(
                f"a distance between decisions needs classes, the model's output is one {meaning.output}"
            )
        return DecisionReadout(0.5 if meaning.threshold is None else meaning.threshold)
    return TargetReadout(targets)


def _subjects(
    labels: tuple[str, ...],
    x: Tensor,
    *,
    schema: Schema,
    players: Players,
    targets: Tensor,
    meaning: Meaning,
    notes: tuple[str, ...],
) -> tuple[Subject, ...]:
    held = [players.columns(player) for player in range(players.count)]
    subjects = []
    for label, row, target in zip(labels, x, targets.tolist(), strict=True):
        texts = schema.text(row)
        values = tuple(
            texts[columns[0]]
            if len(columns) == 1
            else ", ".join(f"{schema.columns[c]}={texts[c]}" for c in columns)
            for columns in held
        )
        name = meaning.labels[target] if target < len(meaning.labels) else f"output {target}"
        subjects.append(Subject(label, values, target, name, notes))
    return tuple(subjects)


def _backend(rows: Any) -> str:
    if not nw.dependencies.is_into_dataframe(rows):
        return ""
    return str(nw.from_native(rows).implementation.value)


def _versions(model: Any) -> tuple[tuple[str, str], ...]:
    package = type(model).__module__.partition(".")[0]
    dist = {"sklearn": "scikit-learn"}.get(package, package)
    found = [("onlyif", __version__), ("python", python_version()), ("torch", str(torch.__version__))]
    if package not in {"builtins", "onlyif", "torch"}:
        with suppress(PackageNotFoundError):
            found.append((dist, version(dist)))
    return tuple(found)
