"""Small explanations made from a game by slow loops: for tests, documentation and pictures.

Nothing here is fast or clever. It is what the fast code is compared with.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import final

import numpy as np

from onlyif.explanation.alternatives import Alternatives
from onlyif.explanation.certificate import Basis, Certificate
from onlyif.explanation.explanation import Details, Explanation, Provenance
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.layout import empty_reason
from onlyif.explanation.selection import Effect, Measure, Selection, gap_selection
from onlyif.testing.continua import TOLERANCE, allowed_sets, best_set, continua_of_points
from onlyif.testing.games import Game, Players, all_subsets, game_of_table, shapley_of_game, table_of_game

PROVENANCE = Provenance(
    criterion="sne",
    predictor="python function",
    output="probability",
    search="exhaustive: all subsets were compared",
    seed=0,
    versions=(("onlyif", "0.1.0"), ("torch", "2.6.0")),
    sentences={
        "reference": (
            "Hidden features are replaced together by those of 100 background rows, whatever is kept."
        ),
        "restriction": "exact mean over all background rows",
        "distance": "|a - b|, the absolute difference",
    },
    values={"is_metric": True, "max_rows": 16384, "budget": 2_000_000},
)


@final
@dataclass(frozen=True)
class GameCase:
    """The settings of a small explanation.

    Args:
        names: The players' names.
        values: Their values at x as text; empty means "1" for each.
        row: The row's label.
        epsilon: ε; None means a tenth of ρ(f(x), f_0).
        alpha: α of the unified selection.
        size: τ; None means all players.
        exact_size: True for the rule |S| = τ.
        stderr: A standard error to give to every gap, with fresh gaps beside them.
        keep_table: Whether the explanation keeps its table (never for given subsets).
    """

    names: tuple[str, ...]
    values: tuple[str, ...] = ()
    row: str = "0"
    epsilon: float | None = None
    alpha: float = 0.5
    size: int | None = None
    exact_size: bool = False
    stderr: float = 0.0
    keep_table: bool = True

    @property
    def count(self) -> int:
        """The number d of players."""
        return len(self.names)


def explanation_of_game(game: Game, case: GameCase, subsets: Iterable[Players] | None = None) -> Explanation:
    """The explanation of one instance whose restricted predictions are known.

    Args:
        game: f_S(x) for a set S of players.
        case: Names and settings.
        subsets: The sets to compare, where 2^d are too many; None means all of them.
            The empty and the full set must be among them.

    Example:
        >>> game = lambda kept: 1.0 if 0 in kept else 0.0
        >>> explanation_of_game(game, GameCase(("age", "income"))).sufficient.names
        ('age',)
    """
    points = _points(game, case, all_subsets(case.count) if subsets is None else subsets)
    everyone, nobody = tuple(range(case.count)), ()
    total = points[nobody].sufficiency.value
    epsilon = 0.1 * total if case.epsilon is None else case.epsilon
    size = case.count if case.size is None else case.size
    sufficient = _smallest(points, epsilon, lambda s: s.sufficiency.value)
    necessary = _smallest(points, epsilon, lambda s: s.necessity.value)
    unified = best_set(allowed_sets(list(points.values()), size, exact=case.exact_size), case.alpha)
    complete = subsets is None
    certificate = _certificate(points, case, (sufficient, necessary, unified), epsilon, complete)
    total_gap = Measure(total, case.stderr)
    sets = {"sufficient": sufficient, "necessary": necessary, "unified": unified}
    return Explanation(
        row=case.row,
        names=case.names,
        values=case.values or ("1",) * case.count,
        target=1,
        target_label="yes",
        prediction=game(frozenset(everyone)),
        base=game(frozenset(nobody)),
        base_stderr=case.stderr,
        sets={kind: _with_effects(game, case, kind, chosen) for kind, chosen in sets.items()},
        provenance=PROVENANCE,
        scores={"shapley": np.array(shapley_of_game(game, case.count))} if complete else {},
        measures={"total_gap": total_gap},
        settings={
            "alpha": case.alpha,
            "epsilon": epsilon,
            "size": size,
            "exact_size": case.exact_size,
        },
        details=Details(
            continua_of_points(list(points.values()), case.names),
            certificate,
            table=np.array(table_of_game(game, case.count)) if complete and case.keep_table else None,
            alternatives=_all_minimal(points, case, epsilon),
        ),
        model_rows=100 * len(points),
        asked_rows=75 * len(points),
        seconds=0.25,
        reason=empty_reason(sufficient, necessary, total_gap, certificate),
    )


def example_explanations(stderr: float = 0.0) -> Explanations:
    """Three rows of three features, the last of them with nothing to explain."""
    tables = (
        [0.2, 0.55, 0.5, 0.9, 0.22, 0.6, 0.52, 0.93],
        [0.2, 0.3, 0.6, 0.7, 0.3, 0.4, 0.7, 0.9],
        [0.5] * 8,
    )
    values = (("39", "51000", "Private"), ("17", "0", "missing"), ("64", "18250.5", "State-gov"))
    names = ("age", "income", "work class")
    return Explanations(
        tuple(
            explanation_of_game(game_of_table(table), GameCase(names, text, str(row), size=2, stderr=stderr))
            for row, (table, text) in enumerate(zip(tables, values, strict=True))
        )
    )


def _all_minimal(points: dict[Players, Selection], case: GameCase, epsilon: float) -> dict[str, Alternatives]:
    return {
        "sufficient": _minimal(points, case, lambda s: s.sufficiency.value <= epsilon + TOLERANCE),
        "necessary": _minimal(points, case, lambda s: s.necessity.value <= epsilon + TOLERANCE),
    }


def _minimal(
    points: dict[Players, Selection], case: GameCase, within: Callable[[Selection], bool]
) -> Alternatives:
    """The sets within ε of which no proper subset is within ε."""
    good = [point for point in points.values() if within(point)]
    minimal = [one for one in good if not any(set(other.players) < set(one.players) for other in good)]
    everyone = range(case.count)
    gaps = [
        np.array([[one.measure(gap).value, case.stderr] for one in minimal])
        for gap in ("sufficiency", "necessity")
    ]
    return Alternatives(
        names=case.names,
        keep=np.array([one.keep for one in minimal]),
        sufficiency=gaps[0],
        necessity=gaps[1],
        count=len(minimal),
        core=tuple(i for i in everyone if all(i in one.players for one in minimal)),
        union=tuple(i for i in everyone if any(i in one.players for one in minimal)),
        complete=len(points) == 2**case.count,
    )


def _with_effects(game: Game, case: GameCase, kind: str, chosen: Selection) -> Selection:
    """The set with f_S, f_Sc and what each member does, by the definitions."""
    s, everyone = frozenset(chosen.players), frozenset(range(case.count))
    rest = everyone - s

    def changes(i: int) -> Iterator[float]:
        if kind == "sufficient" or (kind == "unified" and case.alpha > 0):
            yield from (game(s) - game(s - {i}), game(frozenset({i})) - game(frozenset()))
        if kind == "necessary" or (kind == "unified" and case.alpha < 1):
            yield from (game(rest | {i}) - game(rest), game(everyone) - game(everyone - {i}))

    sides = {"kept": Measure(game(s), case.stderr), "hidden": Measure(game(rest), case.stderr)}
    effects = tuple(Effect(tuple(Measure(value) for value in changes(i))) for i in chosen.players)
    return replace(chosen, measures={**chosen.measures, **sides}, effects=effects)


def _points(game: Game, case: GameCase, subsets: Iterable[Players]) -> dict[Players, Selection]:
    everyone = frozenset(range(case.count))
    top, base = game(everyone), game(frozenset())
    return {
        chosen: _selection(
            case,
            chosen,
            abs(top - game(frozenset(chosen))),
            abs(game(everyone.difference(chosen)) - base),
        )
        for chosen in sorted(subsets, key=lambda chosen: (len(chosen), chosen))
    }


def _selection(case: GameCase, chosen: Players, suf: float, nec: float) -> Selection:
    error = case.stderr
    fresh = (Measure(suf + error / 2, error), Measure(nec + error / 3, error)) if error else None
    return gap_selection(chosen, case.names, (Measure(suf, error), Measure(nec, error)), 1, fresh)


def _smallest(
    points: dict[Players, Selection], epsilon: float, gap: Callable[[Selection], float]
) -> Selection:
    good = [point for point in points.values() if gap(point) <= epsilon + TOLERANCE]
    size = min(point.size for point in good)
    least = min(gap(point) for point in good if point.size == size)
    tied = [point for point in good if point.size == size and gap(point) <= least + TOLERANCE]
    return replace(tied[0], n_ties=len(tied))


def _certificate(
    points: dict[Players, Selection],
    case: GameCase,
    chosen: tuple[Selection, Selection, Selection],
    epsilon: float,
    complete: bool,
) -> Certificate:
    sufficient, necessary, unified = chosen
    total, alpha = points[()].sufficiency.value, case.alpha
    worst_suf = max(p.sufficiency.interval()[1] for p in _supersets(points, sufficient))
    worst_nec = max(p.necessity.interval()[1] for p in _supersets(points, necessary))
    super_suf, super_nec = worst_suf <= epsilon + TOLERANCE, worst_nec <= epsilon + TOLERANCE
    least = unified.unified(alpha)
    phi = total - (unified.sufficiency.value + unified.necessity.value) / 2
    inside = 0.0 < alpha < 1.0
    return Certificate(
        basis=(Basis.SAMPLED if case.stderr else Basis.EXACT) if complete else Basis.HEURISTIC,
        epsilon=epsilon,
        informative=total > max(TOLERANCE, 1.96 * case.stderr),
        super_sufficient=super_suf if complete else None,
        worst_sufficiency=worst_suf if complete else None,
        super_necessary=super_nec if complete else None,
        worst_necessity=worst_nec if complete else None,
        n_sufficient=_count(points, sufficient, epsilon, lambda s: s.sufficiency.value),
        n_necessary=_count(points, necessary, epsilon, lambda s: s.necessity.value),
        bound_sufficiency=least / alpha if alpha else math.inf,
        bound_necessity=least / (1.0 - alpha) if alpha < 1.0 else math.inf,
        phi=phi,
        phi_bound=total - least / (2.0 * min(alpha, 1.0 - alpha)) if inside else None,
        must_meet=(epsilon < total / 2 and (super_suf or super_nec)) if complete else None,
        meet=bool(set(sufficient.players) & set(necessary.players)),
        union_bound=epsilon if complete and super_suf and super_nec else None,
        tolerance=TOLERANCE,
    )


def _supersets(points: dict[Players, Selection], chosen: Selection) -> list[Selection]:
    return [point for point in points.values() if set(point.players) >= set(chosen.players)]


def _count(
    points: dict[Players, Selection],
    chosen: Selection,
    epsilon: float,
    gap: Callable[[Selection], float],
) -> int:
    return sum(p.size == chosen.size and gap(p) <= epsilon + TOLERANCE for p in points.values())
