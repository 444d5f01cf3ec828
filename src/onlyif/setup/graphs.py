"""From a user's graph, nodes and model to instances that are explained like tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter, signature
from typing import Any

import numpy as np
from array_api_compat import device, is_array_api_obj, is_torch_array
from jaxtyping import Float64

from onlyif.core.arrays import doubled, on_host
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.modalities.base import Call
from onlyif.modalities.ego_graphs import EgoGraph, Graph, Surroundings, grouped, surroundings_of
from onlyif.modalities.graphs import EdgeModality, GraphNodes, Graphs
from onlyif.modalities.groups import read_groups
from onlyif.modalities.rendered import RenderedRows
from onlyif.models.base import Predictor
from onlyif.models.checked import NO_FAULT, rounding
from onlyif.models.detect import detect
from onlyif.models.function import FunctionPredictor
from onlyif.setup.foundation import Source
from onlyif.setup.options import Options, criterion_of, output_of

# Nodes with more players are searched: each subset costs a whole ego graph.
MOST_PLAYERS = 16
# Entries of one call: features of its nodes, or what layers of this width make of them and of its edges.
ENTRIES_A_CALL, WIDTH = 2**24, 64
# A graph of at most so many entries is asked as a whole, to compare; of a larger one a wider part.
MOST_COMPARED = 2**26
# By how much an answer on an ego graph may differ from that on the whole graph.
TOLERANCE = 1e-6
# A graph of which each edge is there several times would have a density above 1.
MOST_DENSE = 0.999
EDGE_ARGUMENTS = ("edge_weight", "edge_attr")


def graph_instances(data: Any, source: Source) -> tuple[EdgeModality, tuple[EgoGraph, ...]]:
    """The nodes to explain, each with what is around it.

    Args:
        data: A graph and nodes.
        source: The model, and what is asked.

    Raises:
        InputError: if the graph or the nodes cannot be used as they are.
        SettingError: if nobody knows how far messages travel, or nodes are missing.
        ModelError: if the model answers otherwise on ego graphs than on the whole graph, or would.
        LimitError: if a node has too many edges.
    """
    setting, options = source.options.modality, source.options
    assert isinstance(setting, Graphs)
    if not isinstance(data, GraphNodes):
        raise SettingError("which nodes of the graph? Name them with index=...")
    for name, given in {"background": source.background, "reference": options.reference}.items():
        if given is not None:
            raise SettingError(f"{name} has no use with a graph, whose hidden edges are deleted")
    graph, model = graph_of(data.graph), source.model
    nodes = nodes_of(data.index, graph.n_nodes)
    _check_same_place(model, graph)
    _check_caches(model)
    named = _edge_arguments(model, graph)
    hops = setting.hops or _hops(model)
    around = surroundings_of(graph, setting.undirected, setting.most_edges)
    plain = EdgeModality(graph, around.undirected, named, seed=options.seed)
    modality = _hiding(plain, setting, model, options)
    egos = tuple(around.ego(node, hops) for node in nodes)
    _check_enough(source, around, modality, egos, hops)
    return modality, _grouped(egos, read_groups(options.groups))


def _grouped(egos: tuple[EgoGraph, ...], groups: Mapping[str, Sequence[str]]) -> tuple[EgoGraph, ...]:
    """The same with groups of edges as players.

    Raises:
        SettingError: if a group holds none of the edges around the nodes.
    """
    names = {name for ego in egos for name in ego.players.names}
    for group, edges in groups.items():
        if not names & {*edges}:
            raise SettingError(
                f"the group {group!r} holds none of the edges around the nodes, which are called as "
                f"{min(names)!r}; got {list(edges)}"
            )
    return tuple(grouped(ego, groups) for ego in egos) if groups else egos


def _hiding(modality: EdgeModality, setting: Graphs, model: Any, options: Options) -> EdgeModality:
    """The same with what becomes of hidden edges.

    Raises:
        SettingError: if messages are to be masked of a model that has no such layers, or draws are to be
            made for PNS.
    """
    if setting.density and criterion_of(options.criterion) is not None:
        raise SettingError("PNS compares with one graph, without the edges: need density=0")
    if setting.density:
        n_nodes, n_edges = modality.graph.n_nodes, modality.graph.n_edges
        density = setting.density
        if isinstance(density, str):
            density = min(n_edges / max(n_nodes * (n_nodes - 1), 1), MOST_DENSE)
        modality = replace(modality, density=density, draws=setting.n_draws)
    if setting.hidden == "deleted":
        return modality
    if not any(hasattr(part, "explain_message") for _, part in _modules(model)):
        raise SettingError(
            f"hidden='messages' masks the messages of torch_geometric's layers, and a {type(model).__name__} "
            "has none; need some, or hidden='deleted'"
        )
    from onlyif.models.edge_masks import masked_messages

    return replace(modality, masked=masked_messages)


def rows_a_call(
    modality: EdgeModality, sizes: Sequence[tuple[int, int]], max_rows: int, *, lean: bool = False
) -> int:
    """The most ego graphs of one call.

    Args:
        modality: Their graph.
        sizes: How many nodes and edges each has.
        max_rows: The most that the user allows.
        lean: Whether the features of nodes take no room in a call.
    """
    largest = max(sum(size) * WIDTH if lean else _entries(modality, *size) for size in sizes)
    return max(1, min(max_rows, max(2, ENTRIES_A_CALL // largest)))


def _entries(modality: EdgeModality, n_nodes: int, n_edges: int) -> int:
    """What a call of so many nodes and edges takes, in numbers."""
    width = int(np.prod(modality.graph.x.shape[1:]))
    return n_nodes * max(WIDTH, width) + n_edges * WIDTH


def graph_of(data: Any) -> Graph:
    """A graph of the user's, `onlyif.Graph` or whatever has `x` and `edge_index`.

    Args:
        data: The graph.

    Raises:
        InputError: if it is none, or one of several kinds of nodes.
    """
    if isinstance(data, Graph):
        return data
    kinds = {kind.__name__ for kind in type(data).__mro__}
    if "HeteroData" in kinds:
        raise InputError(
            "got a HeteroData: graphs with several kinds of nodes or edges cannot be explained yet; need a "
            "Data, as HeteroData.to_homogeneous() gives"
        )
    x, edge_index = (getattr(data, name, None) for name in ("x", "edge_index"))
    if x is None or edge_index is None:
        lacking = "edge_index" if edge_index is None else "x"
        raise InputError(
            f"index=... names nodes of a graph: need a torch_geometric Data with x and edge_index, or an "
            f"onlyif.Graph; got a {type(data).__name__} without {lacking}"
        )
    return Graph(x, edge_index, *(getattr(data, name, None) for name in EDGE_ARGUMENTS))


def nodes_of(index: Any, n_nodes: int) -> Sequence[int]:
    """The numbers of the nodes that are explained.

    Args:
        index: A number, some of them, or a boolean a node.
        n_nodes: The number of nodes.

    Raises:
        InputError: unless these are nodes, at least one.
    """
    values = on_host(index) if is_array_api_obj(index) else np.asarray(index)
    if values.dtype.kind == "b" and values.shape == (n_nodes,):
        values = np.flatnonzero(values)
    numbers = np.atleast_1d(values)
    if numbers.dtype.kind not in "iu" or numbers.ndim != 1 or not len(numbers):
        raise InputError(
            f"index must be the number of a node, some of them, or one boolean for each of {n_nodes} nodes; "
            f"got {values.dtype} of shape {values.shape}"
        )
    outside = numbers[(numbers < 0) | (numbers >= n_nodes)]
    if len(outside):
        raise InputError(f"index has the node {outside[0]}; need nodes from 0 to {n_nodes - 1}")
    return [int(number) for number in numbers]


def is_graph(data: Any) -> bool:
    """Whether data is a graph, of which nodes are to be named.

    Args:
        data: What the user wants explained.
    """
    return isinstance(data, Graph) or type(data).__module__.partition(".")[0] == "torch_geometric"


def _modules(model: Any) -> Iterator[tuple[str, Any]]:
    """The parts of a torch module, by name; nothing of another model."""
    return iter(model.named_modules()) if hasattr(model, "named_modules") else iter(())


def _hops(model: Any) -> int:
    """How far messages travel in a model of torch_geometric's layers.

    Raises:
        SettingError: if it has none.
    """
    layers = [part for _, part in _modules(model) if hasattr(part, "propagate") and hasattr(part, "message")]
    if not layers:
        raise SettingError(
            f"cannot tell how many layers of message passing a {type(model).__name__} has; say how far "
            "messages travel: modality=onlyif.Graphs(hops=...)"
        )
    return sum(_reach(layer) for layer in layers)


def _reach(layer: Any) -> int:
    """How far messages travel in one layer; some layers repeat themselves."""
    counts = (getattr(layer, name, None) for name in ("K", "num_layers"))
    return max([1, *(count for count in counts if isinstance(count, int))])


def _check_caches(model: Any) -> None:
    """Refuse layers that keep their edges: torch_geometric's do it in attributes of these names."""
    for name, part in _modules(model):
        kept = [key for key, value in vars(part).items() if key.startswith("_cached") and value is not None]
        if kept or getattr(part, "cached", None) is True:
            raise ModelError(
                f"the layer {name or type(part).__name__} keeps its edges from call to call (cached=True), "
                "so that it would not see which are deleted; set its attribute cached to False"
                + "".join(f" and {key} to None" for key in kept)
            )


def _check_same_place(model: Any, graph: Graph) -> None:
    """Refuse a graph that is not where the model is, or whose parts are in several places."""
    places = {"x": graph.x, "edge_index": graph.edge_index}
    places |= {"edge_weight": graph.edge_weight, "edge_attr": graph.edge_attr}
    known = {name: str(device(values)) for name, values in places.items() if values is not None}
    parameter = next(model.parameters(), None) if hasattr(model, "named_modules") else None
    if parameter is not None:
        if not is_torch_array(graph.x):
            raise InputError(
                f"the model takes tensors, and the graph has {type(graph.x).__name__}; need both"
            )
        known["the model"] = str(parameter.device)
    if len(set(known.values())) > 1:
        said = ", ".join(f"{name} on {place}" for name, place in known.items())
        raise InputError(f"need the graph and the model in one place, got {said}; move one with .to(...)")


def _edge_arguments(model: Any, graph: Graph) -> tuple[str, ...]:
    """What the model takes of the edges beside where they go, as far as the graph has it.

    Raises:
        SettingError: if it does not take features and edges.
    """
    try:
        taken = signature(getattr(model, "forward", model)).parameters
    except (TypeError, ValueError):  # a builtin, or no function at all, which is refused where it is asked
        return ()
    kinds = [parameter.kind for parameter in taken.values()]
    by_place = sum(kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
    if by_place < 2 and Parameter.VAR_POSITIONAL not in kinds:
        raise SettingError(
            f"need a model that is called as model(x, edge_index); {type(model).__name__} takes "
            f"({', '.join(taken)}): wrap it in a function of both"
        )
    held = {"edge_weight": graph.edge_weight, "edge_attr": graph.edge_attr}
    return tuple(name for name, values in held.items() if values is not None and name in taken)


def _check_enough(
    source: Source, around: Surroundings, modality: EdgeModality, egos: Sequence[EgoGraph], hops: int
) -> None:
    """Refuse a model that answers otherwise on ego graphs than on the whole graph.

    All nodes with every edge shown, and the first that has some with all of these deleted. A graph that is
    too large to be asked as a whole is compared by what is around the nodes one hop further out.
    """
    n_nodes, n_edges = modality.graph.n_nodes, modality.graph.n_edges
    whole = _entries(modality, n_nodes, n_edges) <= MOST_COMPARED
    predictor = _predictor(source, modality, egos[0])
    step = rows_a_call(modality, [ego.size for ego in egos], source.options.max_rows)
    wider = egos if whole else [around.ego(ego.node, hops, more=1) for ego in egos]
    own, wanted = (
        np.concatenate(
            [_asked(predictor, _shown(modality, some[i : i + step])) for i in range(0, len(some), step)]
        )
        for some in (egos, wider)
    )
    if whole:
        rows = np.array([ego.node for ego in egos])
        wanted = _asked(predictor, modality.call(np.arange(n_nodes), around.ends, np.arange(n_edges), rows))
    _compare(predictor, egos, own, wanted, f"within {hops} hops")
    first = next((ego for ego in egos if (ego.player >= 0).any()), None)
    if first is not None:
        other = around.whole(first) if whole else wider[egos.index(first)]
        own, wanted = (_asked(predictor, _shown(modality, [ego], everything=False)) for ego in (first, other))
        _compare(predictor, [first], own, wanted, f"within {hops} hops, all of them deleted,")


def _predictor(source: Source, modality: EdgeModality, ego: EgoGraph) -> FunctionPredictor:
    if isinstance(source.model, Predictor):
        raise SettingError("a Predictor takes no graphs; give the model itself")
    schema = RenderedRows(modality, (ego,), (ego.players,), 0).schema()
    found = detect(source.model, schema, output_of(source.options.output))
    assert isinstance(found, FunctionPredictor)
    return found


def _shown(modality: EdgeModality, egos: Sequence[EgoGraph], *, everything: bool = True) -> Call:
    return modality.joined([(ego, np.full((1, ego.players.count), everything)) for ego in egos])


def _asked(predictor: FunctionPredictor, call: Call) -> Float64[np.ndarray, "r k"]:
    try:
        return doubled(predictor.answers(call, len(call)))
    except NO_FAULT:
        raise
    except BaseException as error:  # SystemExit among them: a model must not end the program
        raise ModelError(
            f"{predictor.meaning.model} raised {type(error).__name__} on a graph of {call.n_answers} nodes: "
            f"{error}"
        ) from error


def _compare(
    predictor: FunctionPredictor,
    egos: Sequence[EgoGraph],
    own: Float64[np.ndarray, "r k"],
    wanted: Float64[np.ndarray, "r k"],
    how: str,
) -> None:
    if not (np.isfinite(own).all() and np.isfinite(wanted).all()):
        return  # which is refused where the model is probed, and said better
    apart = np.abs(own - wanted).max(1)
    worst = int(apart.argmax())
    scale = max(1.0, float(np.abs(wanted).max()))
    if apart[worst] <= max(TOLERANCE * scale, rounding(wanted, predictor.meaning.digits)):
        return
    raise ModelError(
        f"{predictor.meaning.model} answers for node {egos[worst].node} otherwise by the edges {how} than on "
        f"the whole graph, by up to {apart[worst]:.3g}. Messages travel further: say how far with "
        "modality=onlyif.Graphs(hops=...); or it keeps something from call to call (cached=True), normalises "
        "over all nodes of a call (batch norm in training mode), or looks at more than messages along edges"
    )
