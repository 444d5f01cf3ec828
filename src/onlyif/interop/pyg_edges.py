"""What torch_geometric's Explainer asks, as ego graphs whose edges play; and answers in its convention."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch_geometric.explain import ExplainerAlgorithm, Explanation
from torch_geometric.explain.config import (
    ExplainerConfig,
    MaskType,
    ModelConfig,
    ModelMode,
    ModelReturnType,
    ModelTaskLevel,
)

from onlyif.core.arguments import Either, Flag, Kind, Name, Whole, settle
from onlyif.core.arrays import on_host
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.engine.soft import plain_outputs
from onlyif.modalities.ego_graphs import EgoGraph, Graph, surroundings_of
from onlyif.modalities.graphs import EdgeModality, GraphNodes, Graphs
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.models.edge_masks import EdgeMasking, MessageMasks, WeightMasks
from onlyif.models.edge_predictor import EdgePredictor, alike, masked_ego_graphs, whole_rows
from onlyif.setup.foundation import Source
from onlyif.setup.graphs import TOLERANCE, graph_instances, nodes_of, rows_a_call
from onlyif.setup.options import Options

MASKS: Mapping[str, EdgeMasking] = {"messages": MessageMasks(), "weights": WeightMasks()}
# The arguments of a model that go with edges.
OF_EDGES = ("edge_weight", "edge_attr")
# Edges of a node that may be players: a gradient asks for all of them at once.
MOST_EDGES = 20_000
# The column that says which ego graph a row is of.
NUMBERED = 1
# What both algorithms are told of edges and calls.
KINDS: Mapping[str, Kind] = {
    "masks": Name(tuple(MASKS), "way to mask edges"),
    "undirected": Either((Flag(), None)),
    "hops": Either((Whole(least=1), None)),
    "seed": Whole(),
    "max_rows": Whole(least=1),
}


@final
@dataclass(frozen=True)
class EdgeQuestion:
    """How edges play, and how the model is asked.

    Args:
        masks: "messages" or "weights": how a mask reaches the model.
        undirected: Whether the edges between two nodes are one player; None for where each has its like.
        hops: How far messages travel; None reads it off the layers.
        seed: Seed of all draws.
        max_rows: Most ego graphs of one call.
    """

    masks: str
    undirected: bool | None
    hops: int | None
    seed: int
    max_rows: int

    def __post_init__(self) -> None:
        settle(self, KINDS)


def supported(algorithm: ExplainerAlgorithm) -> bool:
    """Whether an algorithm's settings are those of edges of nodes; it is told in the log what is not.

    Args:
        algorithm: The algorithm, connected.
    """
    said = _refusal(algorithm.explainer_config, algorithm.model_config)
    if said:
        logging.error("'%s' %s", type(algorithm).__name__, said)
    return not said


def _refusal(explainer: ExplainerConfig, model: ModelConfig) -> str:
    """What of an explainer's settings cannot be done; "" for nothing."""
    if model.task_level == ModelTaskLevel.edge:
        return "explains predictions for nodes and graphs, not for edges"
    if explainer.edge_mask_type != MaskType.object:
        return f"needs edge_mask_type='object', got {explainer.edge_mask_type}"
    if explainer.node_mask_type is not None:
        return "masks edges, not nodes: need node_mask_type=None"
    return ""


@final
@dataclass(frozen=True, eq=False)
class EdgeTask:
    """Nodes to explain, with the model as a predictor of masks over their edges.

    Args:
        modality: The graph.
        egos: What is around each node.
        model: The model.
        targets: The output of each node that is explained.
        question: How the model is asked.
        masking: How masks reach it.
    """

    modality: EdgeModality
    egos: tuple[EgoGraph, ...]
    model: EdgePredictor
    targets: Int64[np.ndarray, "b"]
    question: EdgeQuestion
    masking: EdgeMasking

    @property
    def predictor(self) -> DifferentiablePredictor:
        """The model as a predictor of rows of masks."""
        return self.model.predictor

    @property
    def counts(self) -> Int64[np.ndarray, "b"]:
        """The number of players of each node; 0 where it receives no edges."""
        return np.array([ego.players.count if (ego.player >= 0).any() else 0 for ego in self.egos])

    def scores(self) -> list[Float[Tensor, "_"]]:
        """The score of a node's only edge is 1; others are to be found; 0 where there is none."""
        return [torch.full((max(1, count),), float(count == 1)) for count in self.counts.tolist()]

    def groups(self, least: int) -> Iterator[Int64[np.ndarray, "p"]]:
        """The nodes that share calls: those with about as many edges.

        Args:
            least: Nodes with fewer players are left out.
        """
        return alike(self.counts, least)

    def instances(self, numbers: Int64[np.ndarray, "p"]) -> tuple[Tensor, Tensor, Bool[Tensor, "p d"]]:
        """Some nodes as rows: with all edges, with none, and which player is one.

        Args:
            numbers: The nodes.
        """
        return whole_rows(self.counts, numbers, self.predictor.dtype)

    def rows_a_call(self, numbers: Int64[np.ndarray, "p"]) -> int:
        """The most ego graphs of one call.

        Args:
            numbers: The nodes.
        """
        sizes = [self.model.sizes[i] for i in numbers.tolist()]
        return rows_a_call(self.modality, sizes, self.question.max_rows, lean=self.model.lean)

    def gaps(
        self, numbers: Int64[np.ndarray, "p"], subset: Bool[Tensor, "p d"]
    ) -> tuple[Float[Tensor, "p"], Float[Tensor, "p"]]:
        """Δsuf and Δnec of a set of edges of each of some nodes.

        Args:
            numbers: The nodes.
            subset: The sets.
        """
        full, none, there = self.instances(numbers)
        rows = [full, full * _behind_number(subset), full * _behind_number(there & ~subset), none]
        outputs = plain_outputs(self.predictor, torch.cat(rows), self.rows_a_call(numbers))
        column = torch.from_numpy(self.targets[numbers]).repeat(4).to(outputs.device)
        of_full, kept, hidden, of_none = outputs.gather(1, column[:, None])[:, 0].view(4, -1)
        return (of_full - kept).abs(), (hidden - of_none).abs()

    def explanation(
        self, scores: Sequence[Float[Tensor, "_"]], measures: Mapping[str, Sequence[float]]
    ) -> Explanation:
        """The answer as torch_geometric has it.

        Args:
            scores: One score a player, for each node.
            measures: More numbers of each node, by their names.
        """
        where, values = [], []
        for number, (ego, own) in enumerate(zip(self.egos, scores, strict=True)):
            playing = ego.player >= 0
            edges = torch.from_numpy(ego.edges[playing])
            where.append(torch.stack([torch.full_like(edges, number), edges]))
            values.append(own[torch.from_numpy(ego.player[playing])])
        index, value = torch.cat(where, dim=1), torch.cat(values)
        shape, x = (len(self.egos), self.modality.graph.n_edges), self.modality.graph.x
        mask = torch.zeros(shape[1], dtype=value.dtype).scatter_reduce(0, index[1], value, "amax")
        of_nodes = torch.sparse_coo_tensor(index, value, shape, check_invariants=True).coalesce()
        numbers = {name: torch.tensor(each, dtype=torch.float64) for name, each in measures.items()}
        return Explanation(edge_mask=mask.to(x.device), masks_of_nodes=of_nodes, **numbers)


def _behind_number(subset: Bool[Tensor, "p d"]) -> Bool[Tensor, "p columns"]:
    return torch.cat([torch.ones_like(subset[:, :NUMBERED]), subset], dim=1)


def edge_task(
    question: EdgeQuestion,
    model_config: ModelConfig,
    model: Any,
    *,
    x: Any,
    edge_index: Any,
    target: Tensor,
    index: Any,
    further: Mapping[str, Any],
) -> EdgeTask:
    """What torch_geometric's Explainer hands to an algorithm, as nodes to explain.

    Args:
        question: How edges play.
        model_config: What the model answers with.
        model: The model.
        x: Features of the nodes.
        edge_index: The edges.
        target: The target of each node.
        index: The nodes to explain; None is all.
        further: Further arguments of the model.

    Raises:
        InputError: if the graph has several kinds of nodes, or an argument is given that goes with neither
            nodes nor edges.
        SettingError: if nobody knows how far messages travel, or the targets are no outputs.
        ModelError: if masks do not reach the model, or it answers otherwise on ego graphs.
    """
    if isinstance(x, Mapping) or isinstance(edge_index, Mapping):
        raise InputError("graphs with several kinds of nodes or edges cannot be explained yet; need one kind")
    of_graphs = model_config.task_level == ModelTaskLevel.graph
    known = {*OF_EDGES, "batch"} if of_graphs else OF_EDGES
    unknown = sorted(key for key, value in further.items() if key not in known and value is not None)
    if unknown:
        raise InputError(
            "the model is asked on parts of the graph: its arguments can be x, edge_index, "
            f"{', '.join(sorted(known))}; got {', '.join(unknown)}; "
            "wrap the model in one that needs none of them"
        )
    masking, of_edges = MASKS[question.masks], {name: further.get(name) for name in OF_EDGES}
    if masking is MASKS["weights"] and of_edges["edge_weight"] is None:
        of_edges["edge_weight"] = torch.ones(edge_index.shape[1], dtype=x.dtype, device=x.device)
    graph = Graph(x, edge_index, **of_edges)
    if of_graphs:
        modality, egos = _whole_graphs(graph, model, further.get("batch"), index, question.undirected)
    else:
        modality, egos = _ego_graphs(graph, model, index, question)
    readout, output = _readout(model_config)
    made = masked_ego_graphs(model, modality, egos, masking=masking, readout=readout, output=output)
    if of_graphs:
        with torch.no_grad():
            together = readout(model(x, edge_index, **further))
        _check_apart(made.predictor, egos, together)
    targets = _targets(model_config, target, np.array([ego.node for ego in egos]))
    return EdgeTask(modality, egos, made, targets, question, masking)


def _ego_graphs(
    graph: Graph, model: Any, index: Any, question: EdgeQuestion
) -> tuple[EdgeModality, tuple[EgoGraph, ...]]:
    """The nodes to explain, with what is around each."""
    nodes = np.arange(graph.n_nodes) if index is None else index
    asked = Graphs(hops=question.hops, undirected=question.undirected, most_edges=MOST_EDGES)
    options = Options(modality=asked, max_rows=question.max_rows, seed=question.seed)
    return graph_instances(GraphNodes(graph, nodes), Source(model, None, options))


def _whole_graphs(
    graph: Graph, model: Any, batch: Any, index: Any, undirected: bool | None
) -> tuple[EdgeModality, tuple[EgoGraph, ...]]:
    """The graphs to explain, of those that stand side by side.

    Raises:
        SettingError: if the model is not told which graph a node is of.
        InputError: if there is no such graph, or an edge goes from one to another.
    """
    if "batch" not in signature(getattr(model, "forward", model)).parameters:
        raise SettingError(
            f"a {type(model).__name__} has no argument batch: copies of a graph stand side by side, and it "
            "must know which one each node is of; need model(x, edge_index, batch)"
        )
    of = np.zeros(graph.n_nodes, dtype=np.int64) if batch is None else on_host(batch).astype(np.int64)
    count = int(of.max()) + 1
    numbers = nodes_of(np.arange(count) if index is None else index, count)
    around = surroundings_of(graph, undirected, MOST_EDGES)
    if (of[around.ends[0]] != of[around.ends[1]]).any():
        raise InputError("an edge goes from one graph to another; batch must number the nodes of each apart")
    taken = signature(getattr(model, "forward", model)).parameters
    named = tuple(name for name in OF_EDGES if getattr(graph, name) is not None and name in taken)
    egos = tuple(around.component(int(number), of) for number in numbers)
    return EdgeModality(graph, around.undirected, named, pooled=True), egos


def _check_apart(
    predictor: DifferentiablePredictor, egos: Sequence[EgoGraph], together: Float[Tensor, "g k"]
) -> None:
    """Refuse a model that answers otherwise for copies of a graph than for it among all the others."""
    rows = torch.ones(len(egos), NUMBERED + max(ego.players.count for ego in egos), dtype=predictor.dtype)
    rows[:, 0] = torch.arange(len(egos))
    wanted = together[[ego.node for ego in egos]]
    apart = float((predictor.predict(rows).to(wanted.device) - wanted).abs().max())
    if apart > TOLERANCE * max(1.0, float(wanted.abs().max())):
        raise ModelError(
            f"{predictor.meaning.model} answers otherwise for some graphs than for these among the others, "
            f"by up to {apart:.3g}: graphs must not share anything, as by an attribute of all nodes"
        )


def _targets(config: ModelConfig, target: Tensor, nodes: Int64[np.ndarray, "b"]) -> Int64[np.ndarray, "b"]:
    if config.mode == ModelMode.regression:
        return np.zeros(len(nodes), dtype=np.int64)
    labels = target.detach().cpu().reshape(-1)
    if labels.is_floating_point() or len(labels) <= nodes.max():
        raise SettingError(
            f"need a target of one class a node, whole numbers for {nodes.max() + 1} nodes or more; got "
            f"{target.dtype} of shape {tuple(target.shape)}"
        )
    chosen: np.ndarray = labels.numpy().astype(np.int64)[nodes]
    return chosen


def _readout(config: ModelConfig) -> tuple[Callable[[Tensor], Tensor], str]:
    """From a model's answers to probabilities, or to the values of a regression."""
    if config.mode == ModelMode.regression:
        return _columns, "value"
    if config.mode == ModelMode.binary_classification:
        raw = config.return_type == ModelReturnType.raw
        return (_of_one_score if raw else _of_one_probability), "probability"
    readouts: dict[ModelReturnType, Callable[[Tensor], Tensor]] = {
        ModelReturnType.raw: _softmax,
        ModelReturnType.log_probs: torch.exp,
        ModelReturnType.probs: _columns,
    }
    return readouts[config.return_type], "probability"


def _columns(answer: Tensor) -> Tensor:
    return answer if answer.dim() > 1 else answer.unsqueeze(1)


def _softmax(answer: Tensor) -> Tensor:
    return answer.softmax(-1)


def _of_one_score(answer: Tensor) -> Tensor:
    score = _columns(answer)
    return torch.cat([torch.sigmoid(-score), torch.sigmoid(score)], dim=1)


def _of_one_probability(answer: Tensor) -> Tensor:
    chance = _columns(answer)
    return torch.cat([1 - chance, chance], dim=1)
