"""Edges of a graph as players, against plain loops over all their subsets in the whole graph."""

from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

import onlyif
from onlyif import Graph, Graphs
from onlyif.causation.change import TargetChange
from onlyif.core.progress import Meter
from onlyif.core.seeds import generator
from onlyif.core.subsets import keep_of_codes
from onlyif.modalities.ego_graphs import surroundings_of
from onlyif.modalities.graphs import EdgeModality, GraphNodes
from onlyif.setup import graphs as setup_graphs
from onlyif.setup.foundation import Source
from onlyif.setup.instances import pieces_of
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare
from onlyif.testing.modalities import check_modality

RANDOM = np.random.default_rng(0)
FIRST, SECOND = RANDOM.normal(size=(3, 5)), 2 * RANDOM.normal(size=(5, 3))
X = RANDOM.normal(size=(11, 3))
# A tail, a triangle and a branch, a pair apart, and node 10 with nothing.
PAIRS = np.array([(0, 1), (1, 2), (2, 3), (1, 3), (3, 4), (4, 5), (5, 6), (6, 7), (8, 9)]).T
BOTH = np.concatenate([PAIRS, PAIRS[::-1]], axis=1)
TWO = Graphs(hops=2)


def dense(x, ends, weights=None):
    """Two layers of graph convolution as two products with a matrix, with softmax: rows of probabilities."""
    matrix = np.eye(len(x))
    for edge, (source, target) in enumerate(ends.T):
        matrix[target, source] += 1.0 if weights is None else weights[edge]
    degrees = matrix.sum(1) ** -0.5
    matrix = degrees[:, None] * matrix * degrees
    scores = matrix @ (np.maximum(matrix @ x @ FIRST, 0) @ SECOND)
    exponents = np.exp(scores - scores.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def convolved(x, edge_index):
    """The same along the edges."""
    return _along(x, edge_index, np.ones(edge_index.shape[1]))


def weighted(x, edge_index, edge_weight):
    """The same with weights."""
    return _along(x, edge_index, edge_weight)


def _along(x, edge_index, weights):
    loops = np.tile(np.arange(len(x)), (2, 1))
    sources, targets = np.concatenate([edge_index, loops], axis=1)
    weights = np.concatenate([weights, np.ones(len(x))])
    degrees = np.bincount(targets, weights, minlength=len(x)) ** -0.5
    weights = (degrees[sources] * weights * degrees[targets])[:, None]

    def passed(rows):
        received = np.zeros((len(x), rows.shape[1]))
        np.add.at(received, targets, weights * rows[sources])
        return received

    scores = passed(np.maximum(passed(x @ FIRST), 0) @ SECOND)
    exponents = np.exp(scores - scores.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


class Network(nn.Module):
    """Two such layers in torch, whose outputs are the scores."""

    def __init__(self):
        super().__init__()
        self.first = nn.Parameter(torch.tensor(FIRST))
        self.second = nn.Parameter(torch.tensor(SECOND))
        self.dropout = nn.Dropout(0.5)

    def forward(self, x, edge_index):
        loops = torch.arange(len(x)).expand(2, -1)
        sources, targets = torch.cat([edge_index, loops], 1)
        degrees = torch.bincount(targets, minlength=len(x)).to(x.dtype).rsqrt()
        weights = (degrees[sources] * degrees[targets])[:, None]
        for matrix, last in ((self.first, False), (self.second, True)):
            x = torch.zeros(len(x), matrix.shape[1], dtype=x.dtype).index_add(
                0, targets, weights * (x @ matrix)[sources]
            )
            x = x if last else self.dropout(x.relu())
        return x


def by_hand(graph, item, model=dense):
    """f_S of every subset: the whole graph without the edges that are not in it."""
    directed = [name.split(" -> ") for name in item.names if ">" in name]
    pairs = [name.split(" - ") for name in item.names if ">" not in name]
    players = [{tuple(map(int, one))} for one in directed]
    players += [{(int(a), int(b)), (int(b), int(a))} for a, b in pairs]
    table = []
    for code in range(2 ** len(players)):
        gone = set().union(*(one for i, one in enumerate(players) if not code >> i & 1))
        left = np.array([tuple(end) not in gone for end in graph.edge_index.T.tolist()])
        more = [] if graph.edge_weight is None else [graph.edge_weight[left]]
        table.append(model(graph.x, graph.edge_index[:, left], *more)[item.row, item.target])
    return np.array(table)


@pytest.fixture(scope="module")
def found():
    return onlyif.explain(convolved, Graph(X, BOTH), index=[1, 3, 6, 10], modality=TWO, keep_table=True)


def test_every_subset_is_the_whole_graph_without_the_other_edges(found):
    assert [item.row for item in found] == [1, 3, 6, 10]
    assert found[2].names == ("5 - 6", "6 - 7", "4 - 5")
    assert [len(item.names) for item in found[:2]] == [5, 6]
    for item in found[:3]:
        assert np.allclose(item.table, by_hand(Graph(X, BOTH), item), rtol=0, atol=1e-12)
        assert item.target == dense(X, BOTH)[item.row].argmax()


def test_the_smallest_sets_are_those_of_a_loop_over_all(found):
    for item in found[:3]:
        table, d = by_hand(Graph(X, BOTH), item), len(item.names)
        codes = sorted(range(2**d), key=int.bit_count)
        near = item.epsilon + 1e-9
        sufficient = next(code for code in codes if abs(table[code] - table[-1]) <= near)
        necessary = next(code for code in codes if abs(table[2**d - 1 - code] - table[0]) <= near)
        assert item.sufficient.size == sufficient.bit_count()
        assert item.necessary.size == necessary.bit_count()


def test_edges_each_way_are_players_of_a_graph_whose_edges_go_one_way():
    graph = Graph(X, np.concatenate([PAIRS, [[7, 5], [6, 3]]], axis=1))
    item = onlyif.explain(convolved, graph, index=3, modality=TWO, keep_table=True)[0]
    assert item.names == ("2 -> 3", "1 -> 3", "5 -> 3", "0 -> 1", "1 -> 2", "4 -> 5")
    assert np.allclose(item.table, by_hand(graph, item), rtol=0, atol=1e-12)
    assert "each way for itself" in item.provenance.reference
    paired = onlyif.explain(convolved, graph, index=3, modality=Graphs(2, undirected=True))[0]
    assert paired.names == ("2 - 3", "1 - 3", "3 - 5", "0 - 1", "1 - 2", "4 - 5")


def test_groups_of_edges_play_as_one(found):
    groups = {"triangle": ["1 - 2", "2 - 3", "1 - 3"], "far": ["6 - 7", "5 - 6"]}
    graph = Graph(X, BOTH)
    items = onlyif.explain(convolved, graph, index=[1, 3, 6], modality=TWO, groups=groups, keep_table=True)
    assert items[2].names == ("far", "4 - 5") and items[2].values[0] == "5 - 6, 6 - 7"
    for item, plain in zip(items, found, strict=False):
        assert [item.row, item.noun] == [plain.row, "edge"]
        of = [next((g for g, edges in groups.items() if name in edges), name) for name in plain.names]
        keep = keep_of_codes(np.arange(2 ** len(item.names)), len(item.names))
        codes = keep[:, [item.names.index(name) for name in of]] @ (1 << np.arange(len(of)))
        assert np.allclose(item.table, plain.table[codes], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("groups", "said"),
    [
        ({"a": ["0 - 9"]}, "the group 'a' holds none of the edges.*called as '0 - 1'"),
        ({"a": ["1 - 2"], "b": ["1 - 2"]}, "the edge '1 - 2' is in the groups 'a' and 'b'"),
        ({"1 - 3": ["1 - 2"]}, "called like the edge '1 - 3'"),
    ],
)
def test_groups_that_are_none(groups, said):
    with pytest.raises(onlyif.SettingError, match=said):
        onlyif.explain(convolved, Graph(X, BOTH), index=1, modality=TWO, groups=groups)


def test_edges_have_directions_alternatives_verdicts_and_constraints(found):
    plain = found[1]
    table, d, near = plain.table, len(plain.names), plain.epsilon + 1e-9
    codes = np.arange(2**d)
    sufficient = codes[np.abs(table - table[-1]) <= near]
    minimal = [c for c in sufficient if not any(c & o == o and c != o for o in sufficient)]
    assert plain.alternatives["sufficient"].count == len(minimal)
    for kind in ("sufficient", "necessary", "unified"):
        assert len(plain.sets[kind].directions) == plain.sets[kind].size
    assert "Node 3" in onlyif.explanation_text(plain)
    other = next(name for i, name in enumerate(plain.names) if not plain.sufficient.keep[i])
    number = plain.names.index(other)
    first, name = plain.sufficient.players[0], plain.sufficient.names[0]
    has_first, has_other = sufficient >> first & 1 == 1, sufficient >> number & 1 == 1
    for asked, allowed in (
        ({"keep": other}, has_other),
        ({"never": name}, ~has_first),
        ({"order": {name: [other]}}, ~has_first | has_other),
    ):
        (item,) = onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=TWO, **asked)
        sizes = [int(code).bit_count() for code in sufficient[allowed]]
        assert ("sufficient" in item.sets) == bool(sizes)
        assert not sizes or item.sufficient.size == min(sizes)
    (dear,) = onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=TWO, costs={name: 100.0})
    assert (name in dear.sufficient.names) == has_first.all()


def test_weights_self_loops_and_edges_that_are_there_twice():
    ends = np.concatenate([BOTH, [[1, 1, 2], [1, 2, 1]]], axis=1)
    graph = Graph(X, ends, np.linspace(0.5, 2, ends.shape[1]))
    item = onlyif.explain(weighted, graph, index=0, modality=TWO, keep_table=True)[0]
    assert item.names == ("0 - 1", "1 - 2", "1 - 3", "1 - 1")
    assert [value.partition(", ")[2] for value in item.values] == ["", "2 edges", "", "self loop"]
    assert item.values[0] == "weight 0.5"
    assert np.allclose(item.table, by_hand(graph, item), rtol=0, atol=1e-12)
    # A model that takes no weights is given none.
    plain = onlyif.explain(convolved, graph, index=0, modality=TWO, keep_table=True)[0]
    assert np.allclose(plain.table, by_hand(Graph(X, ends), plain), rtol=0, atol=1e-12)


def test_a_node_without_edges_has_an_explained_empty_answer(found):
    item = found[3]
    assert item.prediction == item.base == pytest.approx(dense(X, BOTH)[10].max(), abs=1e-12)
    assert item.sufficient.names == item.necessary.names == ()
    assert item.notes[0].startswith("the node receives no edges")
    assert "receives no edges" in onlyif.explanation_text(item)
    bare = onlyif.explain(convolved, Graph(X, BOTH[:, :0]), index=[0, 1], modality=TWO)
    assert [each.prediction for each in bare] == pytest.approx(dense(X, BOTH[:, :0])[:2].max(1).tolist())
    causes = onlyif.explain(convolved, Graph(X, BOTH), index=[10, 8], modality=TWO, criterion="pns")
    assert causes[0].reason.startswith("no perturbation changes")


def test_the_contract_and_block_beside_block_is_one_by_one():
    around = surroundings_of(Graph(X, BOTH), None)
    egos = [around.ego(node, 2) for node in range(11)]
    modality = EdgeModality(Graph(X, BOTH), undirected=True)
    check_modality(modality, egos, lambda call: call.answered_by(convolved))
    shown = [(ego, RANDOM.random((4, ego.players.count)) < 0.5) for ego in egos]
    together = modality.joined(shown).answered_by(convolved)
    alone = [
        modality.joined([(ego, row[None])]).answered_by(convolved) for ego, rows in shown for row in rows
    ]
    assert np.allclose(together, np.concatenate(alone), rtol=0, atol=1e-12)


def test_a_network_in_training_mode_answers_as_in_evaluation_and_stays_as_it_was(found):
    network, graph = Network().train(), Graph(torch.tensor(X), torch.tensor(BOTH))
    items = onlyif.Explainer(network, modality=TWO, output="probability", keep_table=True)(
        graph, index=torch.tensor([1, 3, 6])
    )
    for item, same in zip(items, found[:3], strict=True):
        assert np.allclose(item.table, same.table, rtol=0, atol=1e-9)
        assert item.sufficient.names == same.sufficient.names
    assert network.training
    assert items[0].provenance.predictor == "torch Network"


def test_nothing_is_sufficient_by_no_edge_and_all_edges_are_necessary():
    options = Options(criterion="pns", modality=TWO)
    rows, chosen = pieces_of(GraphNodes(Graph(X, BOTH), 3), Source(convolved, None, options))[0]
    criterion = prepare(convolved, rows, None, chosen, Meter()).whole.criterion
    change = TargetChange(np.array(criterion.targets))
    measured = criterion.test.table(criterion.x, change)
    assert measured.ps[0, 0] == 0
    assert measured.pn[0, -1] == pytest.approx(1)
    assert 0 < measured.pns[0].max() <= 1


def test_causes_targets_labels_files_and_frames(tmp_path):
    explainer = onlyif.Explainer(convolved, modality=TWO, criterion="pns", target=[0, 2], size=1)
    items = explainer(Graph(X, BOTH), index=[3, 0])
    assert [(item.row, item.target) for item in items] == [(3, 0), (0, 2)]
    assert items[1].cause.names[0] in items[1].names
    assert items[1].prediction == pytest.approx(dense(X, BOTH)[0, 2], abs=1e-12)
    onlyif.save(items, tmp_path / "nodes.json")
    assert onlyif.load(tmp_path / "nodes.json") == items
    assert items.to_frame()["row"].tolist() == [3, 0]
    assert explainer.set_params(target=None).estimate(Graph(X, BOTH), index=3).n_players == 6
    never = onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=TWO, never=["2 - 3"])[0]
    assert "2 - 3" not in {*never.unified.names, *never.sufficient.names}
    with pytest.raises(onlyif.SettingError, match="2 instances, got 3 targets"):
        onlyif.explain(convolved, Graph(X, BOTH), index=[0, 1], modality=TWO, target=[0, 1, 2])


def test_a_node_with_many_edges_is_searched():
    star = np.stack([np.arange(1, 31), np.zeros(30, dtype=int)])
    x = np.zeros((31, 3))
    x[17] = 9.0
    item = onlyif.explain(
        lambda x, ends: np.bincount(ends[1], x[ends[0], 0], minlength=len(x)),
        Graph(x, star), index=0, modality=Graphs(hops=1), budget=2_000,
    )[0]  # fmt: skip
    assert item.sufficient.names == item.necessary.names == ("17 -> 0",)
    assert item.certificate.basis.name != "EXACT"


def test_nodes_beyond_the_last_hop_are_one_and_count_as_many():
    leaves = np.stack([np.arange(3, 23), np.full(20, 2)])
    ends = np.concatenate([[[0, 1], [1, 2]], leaves], axis=1)
    graph = Graph(RANDOM.normal(size=(23, 3)), np.concatenate([ends, ends[::-1]], axis=1))
    ego = surroundings_of(graph, None).ego(0, 2)
    assert (ego.nodes.tolist(), ego.players.names) == ([0, 1, 2, 3], ("0 - 1", "1 - 2"))
    item = onlyif.explain(convolved, graph, index=0, modality=TWO, keep_table=True)[0]
    assert np.allclose(item.table, by_hand(graph, item), rtol=0, atol=1e-12)


def test_a_large_graph_is_compared_with_a_wider_part_of_it(monkeypatch, found):
    monkeypatch.setattr(setup_graphs, "MOST_COMPARED", 0)
    items = onlyif.explain(convolved, Graph(X, BOTH), index=[1, 3, 6, 10], modality=TWO, keep_table=True)
    assert list(items) == list(found)
    with pytest.raises(onlyif.ModelError, match="node 3 otherwise by the edges within 1 hops"):
        onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=Graphs(hops=1))


def centred(x, edge_index):
    """Looks at the mean of all nodes beside messages."""
    return convolved(x - x.mean(0), edge_index)


def pooled(x, edge_index):
    return convolved(x, edge_index).mean(0, keepdims=True)


def of_data(data):
    return convolved(data.x, data.edge_index)


def failing(x, edge_index):
    raise ZeroDivisionError("no layer")


class Remembering(Network):
    """Keeps the edges of its first call, as `cached=True` does."""

    def __init__(self, name, value):
        super().__init__()
        self.layer = nn.Identity()
        setattr(self.layer, name, value)


class HeteroData:
    """Of the name of torch_geometric's."""


@pytest.mark.parametrize(
    ("model", "graph", "settings", "error", "said"),
    [
        (convolved, Graph(X, BOTH), {"index": 11}, onlyif.InputError, "node 11; need nodes from 0 to 10"),
        (convolved, Graph(X, BOTH), {"index": -1}, onlyif.InputError, "node -1"),
        (convolved, Graph(X, BOTH), {"index": []}, onlyif.InputError, r"float64 of shape \(0,\)"),
        (convolved, Graph(X, BOTH), {"index": [True, False]}, onlyif.InputError, "boolean for each of 11"),
        (convolved, Graph(X, BOTH), {}, onlyif.SettingError, "index="),
        (convolved, X, {"index": 0}, onlyif.InputError, "got a ndarray without edge_index"),
        (convolved, HeteroData(), {"index": 0}, onlyif.InputError, "yet.*to_homogeneous"),
        (
            convolved,
            Graph(X, BOTH),
            {"index": 0, "modality": None},
            onlyif.SettingError,
            "cannot tell.*hops=",
        ),
        (
            convolved,
            Graph(X, BOTH),
            {"index": 0, "modality": onlyif.Images(2)},
            onlyif.SettingError,
            "no use with Images",
        ),
        (
            convolved,
            Graph(X, BOTH),
            {"index": 0, "background": X},
            onlyif.SettingError,
            "background has no use",
        ),
        (convolved, Graph(X, BOTH), {"index": 0, "stability": 9}, onlyif.SettingError, "stability"),
        (of_data, Graph(X, BOTH), {"index": 0}, onlyif.SettingError, r"model\(x, edge_index\).*\(data\)"),
        (centred, Graph(X, BOTH), {"index": 0}, onlyif.ModelError, "otherwise by the edges.*batch norm"),
        (pooled, Graph(X, BOTH), {"index": 0}, onlyif.ModelError, r"shape \(1, 3\); need \d+ rows"),
        (failing, Graph(X, BOTH), {"index": 0}, onlyif.ModelError, "ZeroDivisionError on a graph of"),
        (Network(), Graph(X, BOTH), {"index": 0}, onlyif.InputError, "takes tensors"),
        (
            Remembering("cached", True),
            Graph(torch.tensor(X), torch.tensor(BOTH)),
            {"index": 0},
            onlyif.ModelError,
            "layer keeps its edges from call to call",
        ),
        (
            Remembering("_cached_edge_index", (BOTH, None)),
            Graph(torch.tensor(X), torch.tensor(BOTH)),
            {"index": 0},
            onlyif.ModelError,
            "cached to False and _cached_edge_index to None",
        ),
        (
            Network().to("meta"),
            Graph(torch.tensor(X), torch.tensor(BOTH)),
            {"index": 0},
            onlyif.InputError,
            "x on cpu, edge_index on cpu, the model on meta",
        ),
    ],
)
def test_what_cannot_be_explained_is_refused(model, graph, settings, error, said):
    with pytest.raises(error, match=said):
        onlyif.explain(model, graph, **{"modality": TWO, **settings})


def test_too_many_edges_are_refused():
    with pytest.raises(onlyif.LimitError, match="node 3 has 6 edges within 2 hops, and at most 5"):
        onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=Graphs(2, most_edges=5))


def test_hidden_edges_may_be_there_by_chance():
    """f_S is the mean over draws of the whole graph without the hidden edges that a draw lacks."""
    how = Graphs(hops=2, density=0.3, n_draws=5)
    item = onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=how, keep_table=True, seed=4)[0]
    d = len(item.names)
    there = generator(4, "edges", 3).random((5, d)) < 0.3
    table = by_hand(Graph(X, BOTH), item)
    keep = keep_of_codes(np.arange(2**d), d)
    codes = ((keep[:, None] | there) * 2 ** np.arange(d)).sum(2)
    assert np.allclose(item.table, table[codes].mean(1), rtol=0, atol=1e-12)
    assert "there with probability 0.3, else deleted" in item.provenance.reference
    own = onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=Graphs(2, density="graph", n_draws=2))[
        0
    ]
    assert "probability 0.164" in own.provenance.reference  # 18 / (11 * 10)
    with pytest.raises(onlyif.SettingError, match="need density=0"):
        onlyif.explain(convolved, Graph(X, BOTH), index=3, modality=how, criterion="pns")


def test_messages_are_masked_in_torch_geometrics_layers_alone():
    with pytest.raises(onlyif.SettingError, match="a Network has none"):
        onlyif.explain(
            Network(),
            Graph(torch.tensor(X), torch.tensor(BOTH)),
            index=3,
            modality=Graphs(2, hidden="messages"),
        )


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ((X, BOTH + 3), "nodes from 3 to 12, and x has 11 rows"),
        ((X, BOTH.T), r"shape \(2, edges\), got int64 of shape \(18, 2\)"),
        ((X, BOTH * 1.0), "whole numbers"),
        ((X.tolist(), BOTH), "x must be an array or tensor.*got a list"),
        ((np.where(X > 0, np.nan, X), BOTH), "x has NaN"),
        ((X, BOTH, np.ones(3)), "edge_weight has 3 rows for 18 edges"),
    ],
)
def test_graphs_that_are_none(parts, said):
    with pytest.raises(onlyif.InputError, match=said):
        Graph(*parts)


@pytest.mark.slow  # importing torch_geometric takes seconds
def test_how_far_messages_travel_in_torch_geometrics_layers():
    geometric = pytest.importorskip("torch_geometric", reason="needs torch_geometric, the extra graphs")
    from torch_geometric.nn import APPNP, GCN

    data = geometric.data.Data(x=torch.tensor(X, dtype=torch.float32), edge_index=torch.tensor(BOTH))
    torch.manual_seed(0)
    for network, hops in ((GCN(3, 4, 2, 3), 2), (APPNP(3, 0.1), 3)):
        found = onlyif.explain(network, data, index=[3, 10], keep_table=True)
        same = onlyif.explain(network, data, index=3, modality=Graphs(hops), keep_table=True)
        assert found[0] == same[0]
        item = found[0]
        table = by_hand(Graph(X, BOTH), item, partial(_of_network, network))
        assert np.allclose(item.table, table, atol=1e-6)
    with pytest.raises(onlyif.ModelError, match=r"convs\.0 keeps its edges"):
        onlyif.explain(GCN(3, 4, 2, 3, cached=True), data, index=3)
    with pytest.raises(onlyif.SettingError, match="X is a graph"):
        onlyif.explain(network, data)


def _of_network(network, x, ends):
    with torch.no_grad():
        return network.eval()(torch.tensor(x, dtype=torch.float32), torch.tensor(ends)).numpy()


def test_a_model_that_ends_the_program_is_an_error_of_the_model():
    def model(x, edge_index):
        raise SystemExit(3)

    with pytest.raises(onlyif.ModelError, match="raised SystemExit"):
        onlyif.explain(
            model, onlyif.Graph(np.eye(2), np.array([[0], [1]])), index=1, modality=onlyif.Graphs(hops=1)
        )
