"""Explainers in torch_geometric's convention: masks against its own, PNS against loops, all left as found."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch_geometric.explain import Explainer, GNNExplainer
from torch_geometric.nn import GATConv, GCNConv, SAGEConv, SimpleConv, global_add_pool

import onlyif
from onlyif.causation.perturbation import Perturbations
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.core.subsets import keep_of_codes
from onlyif.core.torch_seeds import torch_generator
from onlyif.interop.pyg import (
    EdgeMaskSettings,
    FANSExplainer,
    FANSGraphSettings,
    SufficientNecessaryExplainer,
    paper_fans,
)
from onlyif.interop.pyg_causes import measures
from onlyif.interop.pyg_edges import EdgeQuestion, edge_task
from onlyif.interop.pyg_fans import led_start
from onlyif.modalities.base import Queries
from onlyif.models.convolutions import convolutions_of
from onlyif.models.tiled import TiledFeatures
from onlyif.samples.dropped import DroppedSample
from onlyif.searches.ascent_settings import paper_graph_settings, recommended_graph_settings
from onlyif.searches.gradient import Schedule
from onlyif.searches.mask_shapes import FreeMask, SizedMasks
from onlyif.searches.sized import edge_settings
from onlyif.searches.swaps import Swaps

# A tail, a triangle and a branch; a pair apart, and node 10 with nothing.
PAIRS = torch.tensor([(0, 1), (1, 2), (2, 3), (1, 3), (3, 4), (4, 5), (5, 6), (6, 7), (8, 9)]).T
BOTH = torch.cat([PAIRS, PAIRS.flip(0)], dim=1)
X = torch.randn(11, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
RAW = {"mode": "multiclass_classification", "task_level": "node", "return_type": "raw"}
FEW = FANSGraphSettings(recommended_graph_settings(steps=4))
TARGET = FANSGraphSettings(c=0.05, reading="change")
QUESTION = EdgeQuestion("messages", None, None, 0, 64)


class Net(nn.Module):
    """Two layers of some kind."""

    def __init__(self, kind=GCNConv, last=None, outputs=2):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(1)
            self.first, self.second = kind(3, 6).double(), kind(6, outputs).double()
            for parameter in self.parameters():
                parameter.data *= 2
        self.dropout, self.last = nn.Dropout(0.5), last or nn.Identity()

    def forward(self, x, edge_index, edge_weight=None):
        more = () if edge_weight is None else (edge_weight,)
        x = self.dropout(self.first(x, edge_index, *more).relu())
        return self.last(self.second(x, edge_index, *more))


def explained(algorithm, net, index, ends=BOTH, x=X, *, config=RAW, **further):
    made = Explainer(net, algorithm, "model", config, edge_mask_type="object", **further.pop("how", {}))
    return made(x, ends, index=index, **further)


def task_of(net, index, question=QUESTION, ends=BOTH, **further):
    config = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object").model_config
    target = torch.zeros(len(X), dtype=torch.long)
    return edge_task(question, config, net, x=X, edge_index=ends, target=target, index=index, further=further)


def state(net):
    layers = [part for part in net.modules() if hasattr(part, "propagate")]
    return [
        (each.explain, each._edge_mask, each._loop_mask, each._apply_sigmoid, each.training)
        for each in layers
    ]


def spread(task, ego, mask):
    """The mask of all edges of the graph."""
    whole = torch.ones(task.modality.graph.n_edges, dtype=mask.dtype)
    playing = torch.from_numpy(ego.player >= 0)
    return whole.index_put(
        (torch.from_numpy(ego.edges)[playing],), mask[torch.from_numpy(ego.player)[playing]]
    )


@pytest.mark.parametrize("kind", [GCNConv, SAGEConv, GATConv])
def test_masks_of_ego_graphs_are_torch_geometrics_masks_of_the_whole_graph_with_their_gradient(kind):
    net = Net(kind).eval()
    task = task_of(net, torch.tensor([1, 6, 3]))
    whole = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object")
    _, _, there = task.instances(np.arange(3))
    made = torch.Generator().manual_seed(2)
    number = torch.tensor([0, 1, 1, 2, 0])
    masks = torch.rand(5, there.shape[1], generator=made, dtype=torch.float64).requires_grad_()
    with task.predictor.opened() as opened, torch.enable_grad():
        rows = torch.cat([number[:, None].double(), masks], dim=1)
        together = opened.respond(rows)
        (slopes,) = torch.autograd.grad(together[:, 0].sum(), masks)
        alone = torch.cat([opened.respond(row[None]) for row in rows])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)
    for row, own in enumerate(number.tolist()):
        ego, mask = task.egos[own], masks[row].detach().requires_grad_()
        expected = whole.get_masked_prediction(X, BOTH, edge_mask=spread(task, ego, mask.detach()))
        torch.testing.assert_close(together[row], expected[ego.node].softmax(0), rtol=0, atol=1e-12)
        # By differences, in the whole graph.
        for player in range(ego.players.count):
            ends = []
            for step in (1e-5, -1e-5):
                moved = mask.detach().clone()
                moved[player] += step
                answer = whole.get_masked_prediction(X, BOTH, edge_mask=spread(task, ego, moved))
                ends.append(answer[ego.node].softmax(0)[0])
            assert float(slopes[row, player]) == pytest.approx(float(ends[0] - ends[1]) / 2e-5, abs=1e-8)


def test_sets_of_masked_messages_are_those_of_torch_geometrics_masks():
    net = Net().train()
    graph, how = onlyif.Graph(X, BOTH), onlyif.Graphs(hidden="messages")
    item = onlyif.explain(net, graph, index=3, modality=how, output="probability", keep_table=True)[0]
    whole = Explainer(net.eval(), FANSExplainer(), "model", RAW, edge_mask_type="object")
    pairs = [set(map(int, name.split(" - "))) for name in item.names]
    player = [next((p for p, one in enumerate(pairs) if one == set(end)), -1) for end in BOTH.T.tolist()]
    for code in range(0, 2 ** len(pairs), 5):
        mask = torch.tensor([1.0 if p < 0 else float(code >> p & 1) for p in player], dtype=torch.float64)
        expected = whole.get_masked_prediction(X, BOTH, edge_mask=mask)[3].softmax(0)[item.target]
        assert item.table[code] == pytest.approx(float(expected), abs=1e-9)
    assert "send no messages" in item.provenance.reference
    assert state(net)[0][:3] == (None, None, None)


def test_features_are_repeated_only_where_a_model_needs_them_to_be():
    assert task_of(Net(), 1).model.lean
    assert not task_of(Net(SAGEConv), 1).model.lean
    rows, index = torch.randn(3, 4), torch.tensor([2, 0, 0, 1])
    plain = rows[index]
    linear, other = nn.Linear(4, 2), torch.randn(2, 4)
    ways = [
        linear,
        lambda x: linear(nn.functional.dropout(x, 0.5, training=False)),
        lambda x: nn.functional.linear(x, other),
        lambda x: torch.cat([x, 2 * x]) + x.mean(),
        lambda x: x.new_ones(x.size(0), x.shape[1]) * len(x) + x.T.mean(),
        lambda x: linear(x.relu()) + linear(x),
    ]
    for way in ways:
        tiled = TiledFeatures(rows, index)
        for _ in range(2):
            with tiled:
                found = way(tiled.x)
            torch.testing.assert_close(found, way(plain))
    tiled = TiledFeatures(rows, index)
    with tiled:
        torch.testing.assert_close(linear(linear(tiled.x) @ other), linear(linear(plain) @ other))
    assert tiled.whole is None and len(tiled.kept) == 1


def test_weights_of_0_are_edges_that_are_not_there():
    task = task_of(Net(), torch.tensor([1, 3]), EdgeQuestion("weights", False, None, 0, 64))
    _, _, there = task.instances(np.arange(2))
    for number, ego in enumerate(task.egos):
        d = ego.players.count
        shown = np.random.default_rng(number).random((9, d)) < 0.5
        queries = Queries(task.egos, np.full(9, number), shown, np.zeros((9, d), dtype=np.int64))
        call = task.modality.render(queries)
        x, ends = call.arguments
        deleted = Net().eval()(x, ends)[torch.from_numpy(call.rows)].softmax(1)
        rows = torch.zeros(9, 1 + there.shape[1], dtype=torch.float64)
        rows[:, 0], rows[:, 1 : 1 + d] = number, torch.from_numpy(shown)
        torch.testing.assert_close(task.predictor.predict(rows), deleted.detach(), rtol=0, atol=1e-12)


def _by_hand(net, task, settings, subset):
    """PN, PS and PNS of a set by loops over E and all choices, in the whole graph."""
    ego, (x, _, there) = task.egos[0], task.instances(np.array([0]))
    whole = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object")
    inputs, d = DroppedSample(settings.n, settings.share, 1).rows(x, 0).own[0, :, 1:], int(there.sum())
    masks = torch.from_numpy(keep_of_codes(np.arange(2**d), d))

    def f(mask):
        return whole.get_masked_prediction(X, BOTH, edge_mask=spread(task, ego, mask))[ego.node].softmax(0)[0]

    table = {tuple(mask.tolist()): float(f(mask.double())) for mask in masks}
    b, c, rho = settings.b, settings.c, settings.share
    sums = dict.fromkeys(("nc", "sf", "pn", "ps"), 0.0)
    for one in inputs.bool():
        events = {}
        for name, part in (("s", subset), ("rest", ~subset)):
            choices = [list(choice) for choice in itertools.product((False, True), repeat=int(part.sum()))]
            moved = []
            for choice in choices:
                hit = torch.zeros(d, dtype=torch.bool)
                hit[part] = torch.tensor(choice, dtype=torch.bool)
                moved.append(abs(table[tuple((one & ~hit).tolist())] - table[tuple(one.tolist())]))
            change = np.array(moved)
            apart = float((~one & part).sum()) / (rho * d)
            near = np.exp(-apart / (2 * b * b))
            events[name] = near, np.mean(1 - np.exp(-(change**2) / (2 * c * c))), np.mean(change > c)
        nc, sf = events["s"][0] * events["s"][1], events["rest"][0] * (1 - events["rest"][1])
        sums["nc"] += nc
        sums["sf"] += sf
        sums["pn"] += nc * (1 - events["rest"][2])
        sums["ps"] += sf * events["s"][2]
    n = len(inputs)
    return sums["pn"] / sums["nc"], sums["ps"] / sums["sf"], (sums["pn"] + sums["ps"]) / n


def test_pns_is_that_of_loops_over_all_choices_in_the_whole_graph_and_samples_come_near():
    net, settings = (
        Net().eval(),
        FANSGraphSettings(n=4, share=0.3, c=0.05, reading="change", n_perturbations=2**8),
    )
    task = task_of(net, torch.tensor([1]))
    subset = torch.tensor([True, False, True, False, False])[: task.egos[0].players.count]
    expected = _by_hand(net, task, settings, subset)
    told = measures(task, [subset.float()], settings)
    assert [told[name][0] for name in ("pn", "ps", "pns")] == pytest.approx(expected, abs=1e-9)
    x, ends, _ = task.instances(np.array([0]))
    change = settings.change(task.targets)
    test = settings.test(task.predictor, (x, ends), change, max_rows=64, seed=0)
    table = test.table(x, change).pns[0]
    code = int((subset.long() * 2 ** torch.arange(len(subset))).sum())
    assert table[code] == pytest.approx(expected[2], abs=1e-9)
    drawn = replace(test, perturbations=Perturbations(0.5, 400, 0))
    found = drawn.measure(x, subset[None, None].numpy(), change)
    assert abs(found.values.pns[0, 0] - expected[2]) < 4 * found.stderr.pns[0, 0] + 1e-9
    assert found.stderr.pns[0, 0] > 0


def test_no_edge_suffices_for_nothing_and_all_edges_are_necessary():
    task = task_of(Net(), torch.tensor([1, 3, 6]))
    for share, name, value in ((0.0, "ps", 0.0), (1.0, "pn", 1.0)):
        told = measures(task, [torch.full((count,), share) for count in task.counts.tolist()], TARGET)
        assert told[name] == [value] * 3
        # Nothing kept is no edge, and all hidden is no edge.
        assert (
            told["gap_necessary" if share else "gap_sufficient"] == pytest.approx([0.0] * 3, abs=1e-12)
            or not share
        )
    whole = measures(task, [torch.ones(count) for count in task.counts.tolist()], TARGET)
    assert whole["gap_sufficient"] == pytest.approx([0.0] * 3, abs=1e-12)


def test_masks_come_near_the_best_of_all_sets_of_their_size():
    """The highest edges of a mask are among the best of all sets of as many of the d edges each way."""
    net = Net()
    for node, alpha, size in ((3, 0.5, 3), (1, 0.0, 2)):
        task = task_of(net, node, replace(QUESTION, undirected=False))
        d = int(task.counts[0])
        assert d <= 12
        subsets = torch.from_numpy(keep_of_codes(np.arange(2**d), d))
        full, none, _ = task.instances(np.array([0]))
        ones = torch.ones(len(subsets), 1, dtype=torch.float64)
        kept = task.predictor.predict(torch.cat([0 * ones, subsets.double()], 1))[:, 0]
        ends = [float(task.predictor.predict(rows)[0, 0]) for rows in (full, none)]
        sufficiency, necessity = (kept - ends[0]).abs(), (kept.flip(0) - ends[1]).abs()
        value = alpha * sufficiency + (1 - alpha) * necessity
        shape = SizedMasks((size / d,))
        settings = EdgeMaskSettings(Schedule(30, 1.0, 0.02, (0.9, 0.999), normalised=True), shape)
        made = SufficientNecessaryExplainer(alpha, settings, probabilities=False)
        made.connect(*_connected(net))
        target = torch.zeros(len(X), dtype=torch.long)
        mask = made(net, X, BOTH, target=target, index=node).edge_mask
        places = torch.from_numpy(task.egos[0].edges[task.egos[0].player >= 0])
        players = torch.from_numpy(task.egos[0].player[task.egos[0].player >= 0])
        scores = torch.zeros(d, dtype=mask.dtype).index_put((players,), mask[places])
        code = int((2 ** scores.argsort(descending=True)[:size]).sum())
        pool = value[subsets.sum(1) == size]
        assert float((pool < value[code] - 1e-12).double().mean()) < 0.05
        assert value[code] <= pool.min() + 0.2 * (pool.median() - pool.min())


def _connected(net):
    explainer = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object")
    return explainer.algorithm.explainer_config, explainer.model_config


PRINTED = FANSGraphSettings(paper_graph_settings(steps=2), n=4, c=None, reading="all")
ALGORITHMS = [
    lambda: FANSExplainer(FEW, undirected=None),
    lambda: FANSExplainer(PRINTED, undirected=None),
    lambda: SufficientNecessaryExplainer(settings=EdgeMaskSettings(Schedule(4, 1.0)), undirected=None),
    lambda: SufficientNecessaryExplainer(
        0.0, EdgeMaskSettings(Schedule(4, 0.1), FreeMask(), 0.1), undirected=None
    ),
]


@pytest.mark.parametrize("made", ALGORITHMS)
@pytest.mark.filterwarnings("ignore:PNS has no slope")
def test_many_nodes_are_each_as_if_alone_and_all_is_left_as_found(made):
    net = Net()
    before = state(net)
    found = explained(made(), net, torch.tensor([1, 3, 10, 8, 6]))
    assert state(net) == before
    own = found.masks_of_nodes.to_dense()
    assert found.edge_mask.shape == (18,)
    torch.testing.assert_close(found.edge_mask, own.amax(0), rtol=0, atol=0)
    assert not own[2].any()
    # The only edge of a node, both ways, is its set.
    assert own[3].nonzero().flatten().tolist() == [8, 17] and own[3, 8] == 1
    for row, node in ((0, 1), (4, 6)):
        alone = explained(made(), net, node)
        torch.testing.assert_close(alone.edge_mask, own[row], rtol=0, atol=1e-6)
        for name in ("pn", "ps", "pns", "gap_sufficient", "gap_necessary"):
            assert float(alone[name][0]) == pytest.approx(float(found[name][row]), abs=1e-6)


def test_masks_leave_the_layers_also_on_errors_and_after_another_explainer():
    net = Net()
    explained(GNNExplainer(epochs=2), net, 1)
    assert all("_edge_mask" in part._parameters for part in (net.first, net.second))
    before = state(net)
    after = explained(FANSExplainer(FEW), net, 1)
    assert state(net) == before
    assert bool((after.edge_mask != 0.5).any())
    torch.testing.assert_close(after.edge_mask, explained(FANSExplainer(FEW), Net(), 1).edge_mask)
    explained(GNNExplainer(epochs=2), net, 1)

    class Failing(nn.Module):
        calls = 0

        def __init__(self):
            super().__init__()
            self.net = net

        def forward(self, x, edge_index):
            self.calls += 1
            if self.calls > 9:
                self.net.first(x, edge_index)
                raise RuntimeError("no more")
            return self.net(x, edge_index)

    with pytest.raises(ModelError, match=r"RuntimeError.*no more"):
        explained(FANSExplainer(FEW), Failing(), 1)
    assert [each[:4] for each in state(net)] == [each[:4] for each in before]


@pytest.mark.parametrize("undirected", [False, True])
def test_convolutions_send_only_what_arrives_with_the_same_answers_and_gradients(undirected, monkeypatch):
    net, ends = Net().eval(), torch.cat([BOTH, torch.tensor([[2, 5], [2, 5]])], dim=1)
    question, index = replace(QUESTION, undirected=undirected), torch.tensor([1, 10, 6, 3])
    task = task_of(net, index, question, ends)
    assert task.model.sizes[0] < task.egos[0].size
    monkeypatch.setattr("onlyif.models.edge_predictor.convolutions_of", lambda model: None)
    plain = task_of(net, index, question, ends)
    assert [ego.size for ego in plain.egos] == list(plain.model.sizes)
    draws, (_, _, there) = torch.Generator().manual_seed(3), task.instances(np.array([0, 2, 3]))
    masks = torch.rand(7, there.shape[1], generator=draws, dtype=torch.float64)
    answers = []
    for one in (task, plain):
        leaf = masks.clone().requires_grad_()
        rows = torch.cat([torch.tensor([0, 0, 1, 2, 2, 3, 0])[:, None].double(), leaf], dim=1)
        with one.predictor.opened() as opened, torch.enable_grad():
            outputs = opened.respond(rows)
            answers.append((outputs.detach(), *torch.autograd.grad(outputs[:, 0].sum(), leaf)))
    for own, other in zip(*answers, strict=True):
        torch.testing.assert_close(own, other, rtol=0, atol=1e-12)
    assert [layer._cached_edge_index for layer in (net.first, net.second)] == [None, None]


class Counting(Net):
    """Looks at the edges beside its layers."""

    def forward(self, x, edge_index):
        return super().forward(x, edge_index) + 0.01 * edge_index.shape[1]


def test_a_model_that_looks_at_edges_itself_is_given_all_of_them():
    net = Counting().eval()
    with pytest.raises(ModelError, match="answers for node"):
        task_of(net, torch.tensor([1]))
    found = convolutions_of(net)
    assert found is not None and convolutions_of(Net(SAGEConv)) is None
    with pytest.raises(ValueError, match="nothing"), found.sending(BOTH, torch.ones(18)):
        raise ValueError("nothing")
    assert net.first._cached_edge_index is None


def test_many_edges_are_ranked_along_a_gradient_of_all_nodes_together(monkeypatch):
    monkeypatch.setattr("onlyif.setup.edge_rankings.MOST_PLAYERS", 4)
    few = replace(edge_settings(), schedule=Schedule(12, 2.0, 0.04, normalised=True), swaps=Swaps(2, 4))
    monkeypatch.setattr("onlyif.setup.edge_rankings.edge_settings", lambda: few)
    net, graph, how = Net(), onlyif.Graph(X, BOTH), onlyif.Graphs(2, hidden="messages")
    calls, forward = [], Net.forward
    monkeypatch.setattr(
        Net, "forward", lambda self, x, *more: (calls.append(len(x)), forward(self, x, *more))[1]
    )

    def of(index, **more):
        calls.clear()
        return onlyif.explain(net, graph, index=index, modality=how, output="probability", **more)

    found = of([10, 3, 6, 1, 0])
    together = len(calls)
    assert [item.row for item in found] == [10, 3, 6, 1, 0]
    ranked = [item for item in found if "gradient" in item.provenance.search]
    assert [item.row for item in ranked] == [3, 1]
    assert state(net) == state(Net()) and net.training
    for item in ranked[1:]:
        (alone,) = of(item.row)
        assert together < 2 * len(calls)
        assert alone.prediction == pytest.approx(item.prediction, abs=1e-12)
        assert [one.players for one in alone.sets.values()] == [one.players for one in item.sets.values()]
        (exact,) = of(item.row, search="exhaustive")
        assert exact.epsilon == pytest.approx(item.epsilon, abs=1e-12)
        for kind, gap in (("sufficient", "sufficiency"), ("necessary", "necessity")):
            assert getattr(item.sets[kind], gap).value <= item.epsilon
            assert exact.sets[kind].size <= item.sets[kind].size <= exact.sets[kind].size + 1
        assert len(item.sufficient.directions) == item.sufficient.size
        assert item.alternatives["sufficient"].count >= 1
        assert f"Node {item.row}" in onlyif.explanation_text(item)


@pytest.mark.parametrize(
    "asked",
    [
        {"keep": "1 - 3"},
        {"search": "beam"},
        {"distance": "discrete"},
        {"criterion": "pns", "budget": 3000},
    ],
)
def test_what_a_gradient_cannot_do_is_searched_as_before(asked, monkeypatch):
    monkeypatch.setattr("onlyif.setup.edge_rankings.MOST_PLAYERS", 4)
    how = onlyif.Graphs(2, hidden="messages")
    (item,) = onlyif.explain(Net(), onlyif.Graph(X, BOTH), index=1, modality=how, **asked)
    assert "gradient" not in item.provenance.search


@pytest.mark.filterwarnings("ignore:PNS has no slope")
def test_an_edge_shares_in_the_score_of_the_edge_the_other_way():
    ends = torch.cat([BOTH, torch.tensor([[7, 2, 2], [5, 2, 1]])], dim=1)
    own, shared = (
        explained(FANSExplainer(replace(FEW, other_way=share), probabilities=False), Net(), 3, ends).edge_mask
        for share in (0.0, 0.25)
    )
    pairs = ends.T.tolist()
    for edge, (source, target) in enumerate(pairs):
        other = pairs.index([target, source]) if [target, source] in pairs else edge
        if own[edge] == 0:  # does not play: received too far away
            assert shared[edge] == 0
            continue
        other = other if own[other] else edge
        assert float(shared[edge]) == pytest.approx(float(own[edge] + 0.25 * own[other]) / 1.25, abs=1e-6)


def _planted():
    """Node 0 is of class 1 for what its neighbour 2 says; the others say little."""
    x = 0.1 * torch.ones(7, 1, dtype=torch.float64)
    x[2] = 3.0
    star = torch.tensor([(1, 0), (2, 0), (3, 0), (4, 0), (5, 0), (6, 0)]).T

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = SimpleConv(aggr="sum")

        def forward(self, x, edge_index):
            score = 2 * self.conv(x, edge_index) - 3
            return torch.cat([-score, score], dim=1)

    return Sum(), x, star


@pytest.mark.parametrize("made", [FANSExplainer, SufficientNecessaryExplainer])
def test_the_edge_that_decides_is_found_necessary_and_sufficient(made):
    net, x, star = _planted()
    found = explained(made(), net, 0, star, x, how={"threshold_config": ("topk_hard", 1)})
    assert found.edge_mask.tolist() == [0, 1, 0, 0, 0, 0]
    plain = explained(made(), net, 0, star, x)
    assert plain.edge_mask.argmax() == 1
    assert float(plain.gap_sufficient[0]) < 0.1
    assert float(plain.gap_necessary[0]) < 0.1
    assert float(plain.pn[0]) > 0.9 and 0.3 < float(plain.ps[0]) < 0.51


def test_a_start_is_ranked_by_mean_slopes_in_the_whole_graph():
    net = Net().eval()
    task = task_of(net, torch.tensor([6, 3, 8]))
    start = led_start(task, np.arange(3), 4)
    whole = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object")
    for number, ego in enumerate(task.egos):
        d = ego.players.count
        draws = torch.rand((d, 4), generator=torch_generator(0, "random subgraphs", ego.node)).T < 0.5
        slope = torch.zeros(d, dtype=torch.float64)
        for mask in draws.double():
            for player in range(d):
                ends = []
                for step in (1e-5, -1e-5):
                    moved = mask.clone()
                    moved[player] += step
                    answer = whole.get_masked_prediction(X, BOTH, edge_mask=spread(task, ego, moved))
                    ends.append(float(answer[ego.node, 0] - answer[ego.node, 1]))
                slope[player] += (ends[0] - ends[1]) / 2e-5
        ranks = slope.abs().argsort().argsort().double() / max(1, d - 1)
        expected = (4 * (ranks - 0.5)).sigmoid() if d > 1 else torch.ones(1).double() * start[number, 0]
        torch.testing.assert_close(start[number, :d].double(), expected, rtol=0, atol=1e-6)
        assert bool(start[number, d:].isnan().all())


def test_nodes_whose_pns_has_no_slope_are_named():
    class Constant(Net):
        def forward(self, x, edge_index):
            return 0 * super().forward(x, edge_index)

    with pytest.warns(onlyif.OnlyIfWarning, match=r"no slope for \[3, 6\]"):
        found = explained(FANSExplainer(FEW), Constant(), torch.tensor([6, 3]))
    assert found.pns.tolist() == [0, 0]


@pytest.mark.parametrize(("last", "kind"), [(nn.LogSoftmax(1), "log_probs"), (nn.Softmax(1), "probs")])
def test_what_a_model_returns_is_read_as_it_is_said(last, kind):
    one = explained(FANSExplainer(FEW), Net(), 3)
    other = explained(FANSExplainer(FEW), Net(last=last), 3, config={**RAW, "return_type": kind})
    torch.testing.assert_close(one.edge_mask, other.edge_mask, rtol=0, atol=1e-6)
    single = {"mode": "binary_classification", "task_level": "node"}
    one = explained(FANSExplainer(FEW), Net(outputs=1), 3, config={**single, "return_type": "raw"})
    net = Net(last=nn.Sigmoid(), outputs=1)
    other = explained(FANSExplainer(FEW), net, 3, config={**single, "return_type": "probs"})
    torch.testing.assert_close(one.edge_mask, other.edge_mask, rtol=0, atol=1e-6)
    assert bool((one.edge_mask > 0).any())


def test_settings_are_those_of_the_paper_and_of_the_guide():
    printed, own = paper_fans(), FANSGraphSettings()
    assert (printed.c, printed.scaled, printed.reading, printed.n) == (None, False, "all", 20)
    steps = printed.ascent.schedule.steps, printed.ascent.schedule.rate, printed.ascent.draws.n_intervened
    assert steps == (30, 0.1, 50)
    assert (own.reading, own.scaled, own.subgraphs) == ("fall", True, 32)


class Pooling(nn.Module):
    """Predictions for graphs: two layers, the sum of the nodes of each, and a linear map."""

    def __init__(self, kind=GCNConv):
        super().__init__()
        self.net, self.pooled = Net(kind, outputs=4), nn.Linear(4, 2).double()
        with torch.random.fork_rng():
            torch.manual_seed(2)
            self.pooled.reset_parameters()

    def forward(self, x, edge_index, batch=None):
        batch = torch.zeros(len(x), dtype=torch.long) if batch is None else batch
        return self.pooled(global_add_pool(self.net(x, edge_index), batch))


OF = torch.tensor([0] * 8 + [1] * 3)


@pytest.mark.parametrize("made", ALGORITHMS[:3])
@pytest.mark.filterwarnings("ignore:PNS has no slope")
def test_predictions_for_graphs_are_explained_by_all_their_edges(made):
    net, config = Pooling(), {**RAW, "task_level": "graph"}
    both = explained(made(), net, None, config=config, batch=OF)
    assert both.masks_of_nodes.shape == (2, 18)
    own = both.masks_of_nodes.to_dense()
    second = (BOTH[0] >= 8).nonzero().flatten().tolist()
    assert own[1].nonzero().flatten().tolist() == second
    assert not own[0, second].any() and bool((own[0] > 0).any())
    alone = explained(made(), net, None, BOTH[:, BOTH[0] < 8], X[:8], config=config)
    torch.testing.assert_close(alone.edge_mask, own[0][BOTH[0] < 8], rtol=0, atol=1e-6)
    last = explained(made(), net, 1, config=config, batch=OF)
    torch.testing.assert_close(last.edge_mask, own[1], rtol=0, atol=1e-6)


def test_masks_of_graphs_are_torch_geometrics_and_what_is_no_set_of_graphs_is_refused():
    net, config = Pooling().eval(), {**RAW, "task_level": "graph"}
    explainer = Explainer(net, FANSExplainer(), "model", config, edge_mask_type="object")

    def task(model=net, of=OF):
        target = torch.zeros(2, dtype=torch.long)
        return edge_task(
            QUESTION, explainer.model_config, model, x=X, edge_index=BOTH, target=target, index=None,
            further={"batch": of},
        )  # fmt: skip

    made = task()
    masks = torch.rand(2, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    whole = torch.ones(18, dtype=torch.float64)
    for row, ego in enumerate(made.egos):
        whole[torch.from_numpy(ego.edges)] = masks[row][torch.from_numpy(ego.player)]
    expected = explainer.get_masked_prediction(X, BOTH, edge_mask=whole, batch=OF).softmax(1)
    rows = torch.cat([torch.arange(2.0, dtype=torch.float64)[:, None], masks], 1)
    torch.testing.assert_close(made.predictor.predict(rows), expected, rtol=0, atol=1e-12)
    with pytest.raises(SettingError, match="has no argument batch"):
        task(Net())
    with pytest.raises(InputError, match="from one graph to another"):
        task(of=torch.tensor([0] * 4 + [1] * 7))

    class Centred(Pooling):
        def forward(self, x, edge_index, batch):
            return super().forward(x - x.mean(0), edge_index, batch)

    with pytest.raises(ModelError, match="must not share anything"):
        task(Centred())


def test_self_loops_parallel_edges_weights_and_attributes_are_masked_as_torch_geometric_does():
    ends = torch.cat([BOTH, torch.tensor([[1, 1, 2], [1, 2, 1]])], 1)
    made = torch.Generator().manual_seed(3)
    weight = torch.rand(21, generator=made, dtype=torch.float64) + 0.5
    attributes = torch.rand(21, 2, generator=made, dtype=torch.float64)

    class Attributed(nn.Module):
        def __init__(self):
            super().__init__()
            with torch.random.fork_rng():
                torch.manual_seed(1)
                self.conv = GATConv(3, 2, edge_dim=2).double()

        def forward(self, x, edge_index, edge_attr):
            return self.conv(x, edge_index, edge_attr)

    for net, further in ((Net(), {"edge_weight": weight}), (Attributed(), {"edge_attr": attributes})):
        net.eval()
        task = task_of(net, torch.tensor([1, 0]), ends=ends, **further)
        whole = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object")
        for row, ego in enumerate(task.egos):
            mask = torch.rand(ego.players.count, generator=made, dtype=torch.float64)
            expected = whole.get_masked_prediction(X, ends, edge_mask=spread(task, ego, mask), **further)
            found = task.predictor.predict(torch.cat([torch.tensor([float(row)]).double(), mask])[None])
            torch.testing.assert_close(found[0], expected[ego.node].softmax(0), rtol=0, atol=1e-12)
    cached = Net(kind=lambda *sizes: GCNConv(*sizes, cached=True))
    with pytest.raises(ModelError, match="keeps its edges from call to call"):
        task_of(cached, 1)


def test_what_cannot_be_explained_is_refused():
    net = Net()
    for how in ({"node_mask_type": "object"}, {"edge_mask_type": None, "node_mask_type": "object"}):
        with pytest.raises(ValueError, match="does not support"):
            Explainer(net, FANSExplainer(), "model", RAW, **{"edge_mask_type": "object", **how})
    with pytest.raises(ValueError, match="does not support"):
        Explainer(
            net,
            SufficientNecessaryExplainer(),
            "model",
            {**RAW, "task_level": "edge"},
            edge_mask_type="object",
        )
    with pytest.raises(InputError, match="several kinds"):
        config = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object").model_config
        edge_task(QUESTION, config, net, x={"a": X}, edge_index=BOTH, target=X, index=0, further={})
    with pytest.raises(InputError, match="got batch"):
        task_of(net, 1, batch=torch.zeros(11))
    with pytest.raises(InputError, match="node 11"):
        task_of(net, 11)
    plain = nn.Linear(3, 2).double()
    plain.forward = lambda x, edge_index: nn.functional.linear(x, plain.weight)
    with pytest.raises(ModelError, match="no layers of torch_geometric"):
        task_of(plain, 1, EdgeQuestion("messages", None, 1, 0, 64))
    closed = Net()
    closed.first.explain = False
    with pytest.raises(ModelError, match=r"\['first'\] have explain=False"):
        task_of(closed, 1)

    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = GCNConv(3, 2).double()

        def forward(self, x, edge_index):
            return self.conv(x, edge_index)

    with pytest.raises(ModelError, match="no argument edge_weight"):
        task_of(Bare(), 1, EdgeQuestion("weights", None, None, 0, 64))
    with pytest.raises(SettingError, match="unknown way to mask edges 'nodes'"):
        FANSExplainer(masks="nodes")
    with pytest.raises(SettingError, match="one class a node"):
        config = Explainer(net, FANSExplainer(), "model", RAW, edge_mask_type="object").model_config
        edge_task(QUESTION, config, net, x=X, edge_index=BOTH, target=X[:, 0], index=1, further={})
