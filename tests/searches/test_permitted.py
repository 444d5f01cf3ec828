"""Sets that must or must not hold players, need others, or cost: against filtering all 2^d sets."""

from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onlyif.answers.case import SetQuestion
from onlyif.answers.explained import explain_case
from onlyif.core.errors import SettingError
from onlyif.core.permitted import Permitted
from onlyif.criteria.base import Criterion
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.explanation.selection import Measure, gap_selection
from onlyif.searches.base import Search
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import BackwardGreedySearch, ForwardGreedySearch
from onlyif.searches.within import compare_permitted
from onlyif.testing.continua import best_set, continua_of_points
from onlyif.testing.restrictions import game_of_tables
from oracles.cases import case_of, explained
from oracles.search import code

HEURISTICS = (BeamSearch(), ForwardGreedySearch(), BackwardGreedySearch())


@st.composite
def constraints_of(draw, d):
    """Any keep, never, needs (of a player earlier ones, so without a circle) and costs that fit together."""
    kind = [draw(st.sampled_from("fffkn")) for _ in range(d)]
    if "f" not in kind and "k" not in kind:
        kind[0] = "f"
    free = [i for i in range(d) if kind[i] == "f"]
    pairs = [pair[::-1] for pair in combinations(free, 2) if draw(st.booleans())]
    costs = draw(st.sampled_from([(), tuple(draw(st.integers(0, 3)) / 10 for _ in range(d))]))
    keep, never = (tuple(i for i in range(d) if kind[i] == one) for one in "kn")
    return keep, never, tuple(pairs), costs


games = st.integers(1, 4).flatmap(
    lambda d: st.tuples(st.lists(st.integers(0, 4), min_size=2**d, max_size=2**d), constraints_of(d))
)


def is_permitted(players, permitted):
    holds = set(permitted.keep) <= set(players) and not set(permitted.never) & set(players)
    return holds and all(needed in players or one not in players for one, needed in permitted.needs)


def cost_of(players, permitted):
    return round(10 * sum(permitted.costs[i] for i in players)) if permitted.costs else 0


def plain_points(table, permitted):
    """The permitted sets with both gaps, the cheapest first, then the smallest, then in order."""
    d, last = len(table).bit_length() - 1, len(table) - 1
    names, points = tuple(f"p{i}" for i in range(d)), []
    for size in range(d + 1):
        for players in combinations(range(d), size):
            if is_permitted(players, permitted):
                suf = abs(table[last] - table[code(players)])
                nec = abs(table[last - code(players)] - table[0])
                points.append(gap_selection(players, names, (Measure(float(suf)), Measure(float(nec))), 1))
    return sorted(points, key=lambda one: (cost_of(one.players, permitted), one.size, one.players))


def plain_smallest(points, gap, epsilon, permitted):
    """Of the sets within ε that with the least cost, size and gap, and how many have its cost (or size)."""
    good = [one for one in points if one.measure(gap).value <= epsilon]
    if not good:
        return None

    def first(one):
        return cost_of(one.players, permitted) if permitted.costs else one.size

    tied = [one for one in good if first(one) == min(map(first, good))]
    best = min(tied, key=lambda one: (one.size, one.measure(gap).value, one.players))
    return best.players, len(tied)


def plain_minimal(points, gap, epsilon):
    good = [set(one.players) for one in points if one.measure(gap).value <= epsilon]
    return [tuple(sorted(one)) for one in good if not any(other < one for other in good)]


def _records(held):
    columns = held.size, held.exact_size, held.low, held.high, held.keep, held.n_ties
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return sorted((*row[:2], round(row[2], 9), round(row[3], 9), tuple(row[4]), row[5]) for row in rows)


@given(games, st.sampled_from([0.0, 0.3, 0.5, 1.0]), st.integers(0, 3))
@settings(max_examples=6)
def test_exhaustive_answers_are_those_of_filtering_all_sets(game, alpha, epsilon):
    table, permitted = game[0], Permitted(*game[1])
    case = case_of(
        game_of_tables([[float(v) for v in table]]), SetQuestion(alpha=alpha, epsilon=float(epsilon))
    )
    item = explain_case(replace(case, permitted=permitted))[0]
    points = plain_points(table, permitted)
    assert _records(item.continua) == _records(continua_of_points(points, item.names))
    smallest = []
    for kind, gap in (("sufficient", "sufficiency"), ("necessary", "necessity")):
        best = plain_smallest(points, gap, epsilon, permitted)
        assert (kind in item.missing) == (best is None)
        if best is not None:
            assert (item.sets[kind].players, item.sets[kind].n_ties) == best
            smallest.append(len(best[0]))
        assert [one.players for one in item.alternatives[kind]] == plain_minimal(points, gap, epsilon)
    size = max(*smallest, 1) if len(smallest) == 2 else max(one.size for one in points)
    assert item.size == size
    best = best_set([one for one in points if one.size <= size], alpha)
    assert (item.unified.players, item.unified.n_ties) == (best.players, best.n_ties)
    assert (item.status.kind.value == "no permitted set") == bool(
        item.missing and item.certificate.informative
    )


@dataclass(frozen=True, eq=False)
class Watched(Criterion):
    """Notes what is asked."""

    inner: Unified
    asked: list = field(default_factory=list)

    def gap(self, subset):
        self.asked.extend(tuple(np.flatnonzero(one).tolist()) for one in subset.reshape(-1, subset.shape[-1]))
        return self.inner.gap(subset)

    @property
    def weights(self):
        return self.inner.weights


@given(games, st.sampled_from(HEURISTICS))
@settings(max_examples=25)
def test_heuristic_searches_go_through_permitted_sets_and_tell_their_gaps(game, search):
    table, permitted = game[0], Permitted(*game[1])
    criterion = Watched(Unified(game_of_tables([[float(v) for v in table]]), AbsoluteDistance()))
    d = criterion.inner.set_function.n_players
    found = compare_permitted(search, permitted, criterion, d, 30).clouds[0].narrowed(permitted)
    truth = {
        one.players: (one.sufficiency.value, one.necessity.value) for one in plain_points(table, permitted)
    }
    numbers = np.concatenate(found.by_size)
    sets = [tuple(np.flatnonzero(keep).tolist()) for keep in found.keep_of(numbers)]
    assert len(set(sets)) == len(sets) > 0
    assert [truth[one] for one in sets] == [tuple(parts) for parts in found.parts[numbers].tolist()]
    # Beside permitted sets only those next to both ends are asked for, to see what single players do.
    ends = {size + len(permitted.keep) for size in (0, 1)}
    ends |= {d - len(permitted.never) - size for size in (0, 1)}
    for players in criterion.asked:
        assert set(permitted.keep) <= set(players) and not set(permitted.never) & set(players)
        assert is_permitted(players, permitted) or len(players) in ends


@pytest.mark.parametrize("search", HEURISTICS)
def test_searches_find_the_best_sets_of_a_sum(search):
    """Of a sum with one dominant player per need, the greedy order is the right one."""
    effects = np.array([8.0, 4.0, 2.0, 1.0, 0.5, 0.0])
    table = [float(effects[[i for i in range(6) if mask >> i & 1]].sum()) for mask in range(64)]
    permitted = Permitted(keep=(5,), never=(1,), needs=((0, 4),))
    case = replace(case_of(game_of_tables([table]), SetQuestion(epsilon=5.0)), permitted=permitted)
    best = explain_case(case)[0]
    item = explain_case(replace(case, search=search))[0]
    assert item.sufficient.players == best.sufficient.players == (0, 2, 4, 5)
    assert item.certificate.basis.name == "HEURISTIC"


def test_equal_costs_and_no_constraints_change_nothing():
    tables = np.random.default_rng(0).integers(0, 5, (4, 16)).tolist()
    for table in tables:
        (plain,) = explained([table])
        case = case_of(game_of_tables([[float(v) for v in table]]))
        (same,) = explain_case(replace(case, permitted=Permitted(costs=(1.0,) * 4)))
        assert same == plain


@dataclass(frozen=True)
class Stranger(Search):
    """A search of a user's, which knows nothing of order."""

    def compare(self, criterion, n_players, digits):
        return BeamSearch().compare(criterion, n_players, digits)

    @property
    def plan(self):
        return replace(BeamSearch().plan, sentence="strange; not certified")


def test_a_search_of_ones_own_obeys_keep_and_never_and_refuses_order():
    table = np.random.default_rng(1).random(16).tolist()
    case = case_of(game_of_tables([table]), search=Stranger())
    item = explain_case(replace(case, permitted=Permitted(keep=(1,), never=(0,))))[0]
    assert all(1 in one.players and 0 not in one.players for one in item.sets.values())
    with pytest.raises(SettingError, match="Stranger cannot obey order"):
        explain_case(replace(case, permitted=Permitted(needs=((0, 1),))))


def test_the_only_permitted_set_is_the_answer_of_every_search():
    table = np.random.default_rng(2).random(8).tolist()
    for search in (ExhaustiveSearch(), *HEURISTICS):
        case = case_of(game_of_tables([table]), SetQuestion(epsilon=5.0), search)
        item = explain_case(replace(case, permitted=Permitted(keep=(0,), never=(1, 2))))[0]
        assert {one.players for one in item.sets.values()} == {(0,)}
        assert item.certificate.basis.name == "EXACT"


@pytest.mark.parametrize(
    "search", [BeamSearch(width=2, swaps=2, budget=5_000), ForwardGreedySearch(), BackwardGreedySearch()]
)
def test_heuristic_searches_are_drawn_to_cheap_sets(search):
    rng, d = np.random.default_rng(5), 7
    keep = (np.arange(2**d)[:, None] >> np.arange(d) & 1).astype(bool)
    spent = {"drawn": 0.0, "not drawn": 0.0, "least": 0.0}
    for _ in range(15):
        effects, costs = rng.random(d), tuple(rng.integers(1, 10, d).astype(float))
        table = np.tanh(keep @ effects + 0.5 * keep[:, 0] * keep[:, 1]) + 0.05 * rng.random(2**d)
        permitted = Permitted(costs=costs)
        criterion = Unified(game_of_tables([table.tolist()]), AbsoluteDistance())
        clouds = {
            "drawn": compare_permitted(search, permitted, criterion, d, 30).clouds[0],
            "not drawn": search.compare(criterion, d, 30).clouds[0],
            "least": ExhaustiveSearch().compare(criterion, d, 30).clouds[0],
        }
        assert clouds["drawn"].parts.shape[1] == 2
        for how, cloud in clouds.items():
            within = np.flatnonzero(cloud.parts[:, 0] <= 0.1)
            members = cloud.keep_of(within)
            spent[how] += float((members @ np.array(costs)).min())
    assert spent["least"] <= spent["drawn"] < spent["not drawn"]


def test_costs_of_tenths_tie_as_they_would_on_paper():
    permitted = Permitted(costs=(0.1, 0.2, 0.3, 0.7))
    subsets = np.array([[1, 1, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0], [0, 0, 1, 0]], dtype=bool)
    costs = permitted.costs_on_grid(subsets).tolist()
    assert costs[2] == costs[3] < costs[0] < costs[1]
    assert permitted.cost((0, 1)) == pytest.approx(0.3)


def test_ties_of_the_unified_gap_go_to_the_cheapest_whatever_its_size():
    """{0} and {1, 2} have the same two gaps, the least ones from some α on; {1, 2} is larger, but cheaper."""
    kept = [0, 1, 2, 1, 2, 1, 1, 1]
    case = case_of(game_of_tables([[float(v) for v in kept]]), SetQuestion(alpha=1.0, size=2))
    for costs, best in (((), (0,)), ((5.0, 1.0, 1.0), (1, 2)), ((1.0, 1.0, 1.0), (0,))):
        item = explain_case(replace(case, permitted=Permitted(costs=costs)))[0]
        assert item.unified.players == item.continuum.at(0.9).players == best


@pytest.mark.parametrize("search", HEURISTICS)
def test_between_the_ends_only_sets_are_asked_for_that_hold_what_they_need(search):
    table = np.random.default_rng(4).random(2**7).tolist()
    permitted = Permitted(needs=((0, 6), (1, 5), (2, 1)))
    criterion = Watched(Unified(game_of_tables([table]), AbsoluteDistance()))
    compare_permitted(search, permitted, criterion, 7, 30)
    inner = [one for one in criterion.asked if 2 <= len(one) <= 5]
    assert inner and all(is_permitted(one, permitted) for one in inner)
