"""What trees may hold: bounded by what is stated, whatever the number of leaves and background rows."""

import tracemalloc
import weakref
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import onlyif
from onlyif.core.errors import LimitError
from onlyif.core.players import column_players
from onlyif.models.links import Link, SoftmaxLink, TwoClassLink
from onlyif.models.readouts import TargetReadout
from onlyif.trees import leaves as tree_leaves
from onlyif.trees import linked_restriction as tree_linked
from onlyif.trees import memory as tree_memory
from onlyif.trees import paths as tree_paths
from onlyif.trees import patterns as tree_patterns
from onlyif.trees.linked_restriction import compile_tree_linked
from onlyif.trees.marginal_restriction import compile_tree_marginal
from oracles.trees import forest_arrays

MIB = 2**20


def _forest(n_rows=400, n_trees=5, d=6, depth=None):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n_rows, d))
    y = x[:, 0] + x[:, 1] * x[:, 2] + rng.normal(size=n_rows) > 0
    model = RandomForestClassifier(n_trees, max_depth=depth, random_state=0).fit(x, y)
    return model, x, column_players([f"x{i}" for i in range(d)])


def _linked(link, n_margins=2, d=6, n=30):
    model, x, players = _forest(d=d, depth=4)
    made = forest_arrays(model)
    two = replace(made, value=made.value[:, :n_margins], base=made.base[:n_margins], link=link)
    return compile_tree_linked(two, players, x[:n]), x


def _readout():
    return TargetReadout(np.array([0]))


def test_leaves_are_compiled_in_little_more_memory_than_they_take():
    model, _, players = _forest(5_000, 30)
    ensemble = forest_arrays(model)
    tracemalloc.start()
    try:
        held = tree_leaves.compile_leaves(ensemble, players)
        now, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held.count > 15_000
    assert held.n_bytes == pytest.approx(now, rel=0.05, abs=MIB / 2)
    assert peak < 2.5 * held.n_bytes + 8 * MIB


def test_leaves_do_not_depend_on_the_blocks_in_which_they_are_made(monkeypatch):
    model, x, players = _forest()
    whole = tree_leaves.compile_leaves(forest_arrays(model), players)
    monkeypatch.setattr(tree_paths, "_BLOCK_LEAVES", 7)
    monkeypatch.setattr(tree_leaves, "_BLOCK_LEAVES", 5)
    parts = tree_leaves.compile_leaves(forest_arrays(model), players)
    np.testing.assert_array_equal(whole.path, parts.path)
    rows = whole.see(x[:20])
    np.testing.assert_array_equal(whole.unsatisfied(rows), parts.unsatisfied(rows))
    for part in (slice(0, 3), slice(7, whole.count)):
        leaf = np.arange(whole.count)[part].repeat(20)
        places = whole.unsatisfied_places(rows, part).astype(np.int64).ravel()
        expected = whole.unsatisfied(rows)[part].ravel()
        np.testing.assert_array_equal(whole.masks_of_places(leaf, places), expected)


@pytest.mark.parametrize("n", [3, 50, 400])
def test_patterns_do_not_depend_on_the_blocks_in_which_they_are_found(n, monkeypatch):
    """Few rows beside the sets of players on a path are sorted, many counted; the oracle counts."""
    model, x, players = _forest()
    background, weights = x[:n], np.arange(1, n + 1) / (n * (n + 1) / 2)
    leaves = tree_leaves.compile_leaves(forest_arrays(model), players)
    expected = {}
    for weight, masks in zip(weights, leaves.unsatisfied(leaves.see(background)).T, strict=True):
        for pattern in enumerate(masks.tolist()):
            expected[pattern] = expected.get(pattern, 0) + weight
    for entries in (2**18, 3 * n):
        monkeypatch.setattr(tree_patterns, "_MOST_ENTRIES", entries)
        found = compile_tree_marginal(forest_arrays(model), players, background, weights).patterns
        pairs = list(zip(found.leaf.tolist(), found.needed.tolist(), strict=True))
        assert len(pairs) == len(expected)
        weight = np.array([expected[pair] for pair in pairs])
        np.testing.assert_allclose(found.weight, weight, rtol=0, atol=1e-14)
        np.testing.assert_allclose(found.value[0], weight * leaves.value[found.leaf, 0], rtol=0, atol=1e-14)
        np.testing.assert_array_equal(found.count, np.bincount(found.leaf, minlength=leaves.count))


@dataclass(frozen=True, eq=False)
class Watched(Link):
    """A link that knows how many of its answers are still held when it is asked again."""

    inner: Link
    answers: list = field(default_factory=list)
    alive: list = field(default_factory=list)

    def outputs(self, margins):
        return self.inner.outputs(margins)

    def completed(self, means):
        return self.inner.completed(means)

    def averaged(self, margins):
        self.alive.append(sum(one() is not None for one in self.answers))
        answer = self.inner.averaged(margins)
        self.answers.append(weakref.ref(answer))
        return answer


def test_outputs_of_a_link_are_summed_as_they_come(monkeypatch):
    monkeypatch.setattr(tree_linked, "_BLOCK_ENTRIES", 1 << 4)
    restriction, x = _linked(Watched(TwoClassLink()), 1)
    row = x[40:41]
    keep = np.ones((1, 70, 6), dtype=np.bool_)
    restriction.table(row, _readout())
    restriction.predict(row, keep, _readout())
    alive = restriction.leaves.ensemble.link.alive
    assert len(alive) >= 40
    assert max(alive) <= 2


@pytest.mark.parametrize(("link", "n_margins"), [(TwoClassLink(), 1), (SoftmaxLink(), 2)])
def test_parts_of_the_background_add_up_to_the_whole(link, n_margins, monkeypatch):
    restriction, x = _linked(link, n_margins)
    row = x[40:42]
    whole = restriction.table(row, TargetReadout(np.array([0, 0])))
    monkeypatch.setattr(tree_linked, "_BLOCK_ENTRIES", 1)
    monkeypatch.setattr(tree_linked, "_BLOCK_CUBES", 1)
    parts = restriction.table(row, TargetReadout(np.array([0, 0])))
    assert abs(whole.mean - parts.mean).max() < 1e-12


def test_the_limit_of_a_table_counts_what_a_link_holds():
    restriction, x = _linked(SoftmaxLink(), d=25)
    wide = restriction.leaves.ensemble
    many = replace(wide, value=wide.value[:, :1].repeat(6, 1), base=np.zeros(6))
    players = column_players([f"x{i}" for i in range(25)])
    linked = compile_tree_linked(many, players, x[:2])
    with pytest.raises(LimitError, match=r"2\^25"):
        linked.table(x[2:3], _readout())


def test_trees_that_would_hold_too_much_are_asked_row_by_row_with_a_note(monkeypatch):
    model, x, players = _forest()
    ensemble = forest_arrays(model)
    leaves = tree_leaves.compile_leaves(ensemble, players)
    background = x[:200]
    monkeypatch.setattr(tree_memory, "MAX_HELD_BYTES", leaves.n_bytes * 2 + 200)
    for compiled in (compile_tree_marginal, compile_tree_linked):
        with pytest.raises(LimitError, match="GiB"):
            compiled(ensemble, players, background)
    found = onlyif.explain(model, x[:1], background=x[:50], budget=10_000)
    assert any("row by row" in note and "GiB" in note for note in found[0].notes)
