"""Formats 1 to 4 of saved explanations, which are read and no longer written.

1 and 3 hold sets, 2 and 4 causes; 3 and 4 have a digest of the same entries beside.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.explanation.certificate import Certificate
from onlyif.explanation.checked import converted, row_of
from onlyif.explanation.explanation import Details, Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import empty_reason
from onlyif.explanation.selection import Measure, Selection, gap_selection
from onlyif.explanation.stored import Arrays, ItemArrays, collected_items, need_known_arrays
from onlyif.explanation.whole_items import check_item

Pairs = tuple[tuple[str, str], ...]


@final
@dataclass(frozen=True)
class _Gap:
    value: float
    stderr: float


@final
@dataclass(frozen=True)
class _Chosen:
    players: tuple[int, ...]
    names: tuple[str, ...]
    sufficiency: _Gap
    necessity: _Gap
    n_ties: int
    fresh: tuple[_Gap, _Gap] | None


@final
@dataclass(frozen=True)
class _SetsFrom:
    predictor: str
    output: str
    reference: str
    restriction: str
    search: str
    distance: str
    is_metric: bool
    seed: int
    max_rows: int
    budget: int
    versions: Pairs


@final
@dataclass(frozen=True)
class _Sets:
    row: Any
    names: tuple[str, ...]
    values: tuple[str, ...]
    target: int
    target_label: str
    prediction: float
    base: float
    base_stderr: float
    total_gap: _Gap
    epsilon: float
    alpha: float
    size: int
    exact_size: bool
    sufficient: _Chosen
    necessary: _Chosen
    unified: _Chosen
    certificate: dict[str, Any]
    provenance: _SetsFrom
    model_rows: int
    seconds: float
    notes: tuple[str, ...]
    has_shapley: bool
    has_table: bool


@final
@dataclass(frozen=True)
class _SetsFile:
    backend: str
    explanations: tuple[_Sets, ...]


@final
@dataclass(frozen=True)
class _Cause:
    players: tuple[int, ...]
    pn: Measure
    ps: Measure
    p_changed: Measure
    p_unchanged: Measure
    pns: Measure
    effective_pn: float
    effective_ps: float
    exact: bool
    n_ties: int
    searched: float | None
    typical: float | None


@final
@dataclass(frozen=True)
class _CausesFrom:
    predictor: str
    output: str
    baseline: str
    sample: str
    n_sample: int
    b: float
    boundary: str
    c: float
    threshold: str
    events: str
    distance: str
    p_replace: float
    abduction: str
    weights: tuple[float, float]
    search: str
    seed: int
    max_rows: int
    budget: int
    versions: Pairs


@final
@dataclass(frozen=True)
class _Causes:
    row: Any
    names: tuple[str, ...]
    values: tuple[str, ...]
    baseline: tuple[str, ...]
    target: int
    target_label: str
    size: int
    reason: str
    model_rows: int
    notes: tuple[str, ...]
    prediction: float
    baseline_prediction: float
    seconds: float
    path: tuple[_Cause, ...]
    singles: tuple[_Cause, ...]
    provenance: _CausesFrom


@final
@dataclass(frozen=True)
class _CausesFile:
    backend: str
    causes: tuple[_Causes, ...]


def read_sets(document: Mapping[str, Any], arrays: Arrays, where: str) -> Explanations:
    """Explanations from a file of format 1 or 3.

    Args:
        document: The entries of the JSON file, without format, digest and the name of the arrays' file.
        arrays: The arrays.
        where: The file, for messages.

    Raises:
        StorageError: if an entry or array is missing, unknown or does not fit the others.
    """
    file, renamed = converted(document, _SetsFile, where), _renamed(arrays)
    held = ItemArrays(renamed, "", where)
    items = [
        _sets(item, held.of(i, f"{where}: explanations[{i}]")) for i, item in enumerate(file.explanations)
    ]
    need_known_arrays(items, renamed, where)
    return collected_items(items, file.backend, where)


def read_causes(document: Mapping[str, Any], arrays: Arrays, where: str) -> Explanations:
    """Explanations from a file of format 2 or 4.

    Args:
        document: The entries of the JSON file, without format, digest and the name of the arrays' file.
        arrays: The arrays, none.
        where: The file, for messages.

    Raises:
        StorageError: if an entry is missing, unknown or does not fit the others, or there is an array.
    """
    file = converted(document, _CausesFile, where)
    items = [_causes(item, f"{where}: causes[{i}]") for i, item in enumerate(file.causes)]
    if arrays:
        raise StorageError(f"{where}: unknown arrays {sorted(arrays)}")
    return collected_items(items, file.backend, where)


def _renamed(arrays: Arrays) -> Arrays:
    return {name.replace(".shapley", ".scores.shapley"): array for name, array in arrays.items()}


def _sets(old: _Sets, arrays: ItemArrays) -> Explanation:
    names, made, where = old.names, old.provenance, arrays.where
    basis = {**old.certificate, "basis": str(old.certificate.get("basis")).lower()}
    certificate = converted(basis, Certificate, f"{where}: certificate")
    chosen = {"sufficient": old.sufficient, "necessary": old.necessary, "unified": old.unified}
    sets = {kind: _selection(one, names, f"{where}: {kind}") for kind, one in chosen.items()}
    total_gap, scores = _measure(old.total_gap), {}
    if old.has_shapley:
        scores["shapley"] = arrays.take("scores.shapley", np.float64, (len(names),))
    item = Explanation(
        row=row_of(old.row, where),
        names=names,
        values=old.values,
        target=old.target,
        target_label=old.target_label,
        prediction=old.prediction,
        base=old.base,
        base_stderr=old.base_stderr,
        sets=sets,
        provenance=Provenance(
            "sne", made.predictor, made.output, made.search, made.seed, made.versions,
            {"reference": made.reference, "restriction": made.restriction, "distance": made.distance},
            {"is_metric": made.is_metric, "max_rows": made.max_rows, "budget": made.budget},
        ),
        scores=scores,
        measures={"total_gap": total_gap},
        settings={
            "alpha": old.alpha, "epsilon": old.epsilon, "size": old.size, "exact_size": old.exact_size,
        },
        details=Details(
            arrays.continua(names),
            certificate,
            table=arrays.take("table", np.float64, (2 ** len(names),)) if old.has_table else None,
        ),
        model_rows=old.model_rows,
        seconds=old.seconds,
        notes=old.notes,
        reason=empty_reason(sets["sufficient"], sets["necessary"], total_gap, certificate),
    )  # fmt: skip
    check_item(item, where)
    return item


def _selection(old: _Chosen, names: tuple[str, ...], where: str) -> Selection:
    players = old.players
    if any(not 0 <= i < len(names) for i in players) or old.names != tuple(names[i] for i in players):
        raise StorageError(f"{where}: players {list(players)} do not have the names {list(old.names)}")
    fresh = None if old.fresh is None else (_measure(old.fresh[0]), _measure(old.fresh[1]))
    gaps = _measure(old.sufficiency), _measure(old.necessity)
    return gap_selection(players, names, gaps, old.n_ties, fresh)


def _measure(old: _Gap) -> Measure:
    return Measure(old.value, old.stderr)


def _causes(old: _Causes, where: str) -> Explanation:
    names, made = old.names, old.provenance
    said = ("baseline", "sample", "boundary", "threshold", "events", "distance", "abduction")
    values = ("n_sample", "b", "c", "p_replace", "max_rows", "budget")
    weights = dict(zip(("weight_necessity", "weight_sufficiency"), made.weights, strict=True))
    if not np.isfinite(made.weights).all():
        raise StorageError(f"{where}: weights must be finite, got {list(made.weights)}")
    path, singles = (tuple(_cause(one, names, where) for one in sets) for sets in (old.path, old.singles))
    cause = [one for one in path if one.size == old.size]
    if not cause:
        raise StorageError(f"{where}: the path has no subset of size {old.size}")
    item = Explanation(
        row=row_of(old.row, where),
        names=names,
        values=old.values,
        target=old.target,
        target_label=old.target_label,
        prediction=old.prediction,
        base=old.baseline_prediction,
        base_stderr=0.0,
        sets={"cause": cause[0]},
        provenance=Provenance(
            "pns", made.predictor, made.output, made.search, made.seed, made.versions,
            {name: getattr(made, name) for name in said},
            {name: getattr(made, name) for name in values} | weights,
        ),
        scores={"pns": np.array([one.pns.value for one in singles])},
        settings={"size": old.size},
        details=Details(path=path, singles=singles, baseline=old.baseline),
        model_rows=old.model_rows,
        seconds=old.seconds,
        notes=old.notes,
        reason=old.reason,
    )  # fmt: skip
    check_item(item, where)
    return item


def _cause(old: _Cause, names: tuple[str, ...], where: str) -> Selection:
    if any(not 0 <= i < len(names) for i in old.players):
        raise StorageError(f"{where}: players {list(old.players)} are not among {len(names)} names")
    numbers = {"effective_pn": old.effective_pn, "effective_ps": old.effective_ps}
    numbers |= {} if old.searched is None else {"searched": old.searched}
    numbers |= {} if old.typical is None else {"typical": old.typical}
    measures = {name: getattr(old, name) for name in ("pn", "ps", "p_changed", "p_unchanged", "pns")}
    measures |= {name: Measure(value) for name, value in numbers.items()}
    return Selection(old.players, names, measures, old.n_ties, old.exact)
