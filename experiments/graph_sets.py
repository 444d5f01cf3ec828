"""The graphs of the experiments: one that is generated, with known motifs, and citation graphs.

from graph_sets import ba_community, read_graph

graph = ba_community(seed=0)            # 1,400 nodes, 8 classes, 160 houses
graph = read_graph(folder, "citeseer")  # or "dblp", or a folder in Planetoid's format
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from images import arrays_of
from jaxtyping import Bool, Float, Int64
from scipy.sparse import csr_matrix
from torch import Tensor

from onlyif.core.errors import SettingError
from onlyif.core.seeds import generator

CLASSES = {"citeseer": 6, "dblp": 4}
BASE_NODES, ATTACHED, HOUSES, HOUSE_NODES, CROSS_EDGES = 300, 5, 80, 5, 350
SPACING = BASE_NODES // HOUSES
# A square 0-1-2-3 with a roof 4 over 0 and 1; 0 and 1 are in the middle, 2 and 3 at the bottom.
HOUSE = ((0, 1), (0, 3), (0, 4), (1, 4), (1, 2), (2, 3))
HOUSE_LABELS = (1, 1, 2, 2, 3)


@dataclass(frozen=True, eq=False)
class GraphSet:
    """A graph whose nodes have features and classes.

    Args:
        name: For the reader.
        x: Features, a node a row.
        edge_index: Entries u -> w; each link is there both ways, sorted by u, then w.
        y: Classes.
        parts: Which nodes belong to "train", "val" and "test".
        motif: The number of the motif of each entry; -1 is none.
        motif_of: The number of the motif of each node; -1 is none.
    """

    name: str
    x: Float[Tensor, "n features"]
    edge_index: Int64[Tensor, "2 entries"]
    y: Int64[Tensor, " n"]
    parts: dict[str, Bool[Tensor, " n"]]
    motif: Int64[Tensor, " entries"]
    motif_of: Int64[Tensor, " n"]

    @property
    def n_classes(self) -> int:
        """Classes there are."""
        return int(self.y.max()) + 1


def ba_community(seed: int) -> GraphSet:
    """Two communities of a preferential-attachment graph with 80 houses each, and 350 links between them.

    Features 0 and 1 are normal around -1 or +1 with variance .5, by community; features 2 to 9 are noise. The
    classes of a community are base, middle, bottom and roof. The motif of a node of a house are its 12
    entries, without the link that the house hangs on.

    Args:
        seed: Of links, features and parts.
    """
    random = generator(seed, "BACommunity")
    links, motifs = zip(*(_community(random, number) for number in range(2)), strict=True)
    size = BASE_NODES + HOUSES * HOUSE_NODES
    cross = np.stack([random.integers(0, size, CROSS_EDGES), size + random.integers(0, size, CROSS_EDGES)])
    pairs = np.concatenate([*links, cross], axis=1)
    numbers = np.concatenate([*motifs, np.full(CROSS_EDGES, -1)])
    one = np.concatenate([np.zeros(BASE_NODES, int), np.tile(HOUSE_LABELS, HOUSES)])
    houses = np.repeat(np.arange(HOUSES), HOUSE_NODES)
    x = random.normal(size=(2 * size, 10))
    x[:, :2] = np.sqrt(0.5) * x[:, :2] + np.repeat([-1, 1], size)[:, None]
    none = np.full(BASE_NODES, -1)
    edge_index, motif = _entries(pairs, numbers, 2 * size)
    y, motif_of = np.concatenate([one, 4 + one]), np.concatenate([none, houses, none, HOUSES + houses])
    return GraphSet(
        "bacommunity", torch.from_numpy(x).float(), edge_index, torch.from_numpy(y),
        _split(random, 2 * size), motif, torch.from_numpy(motif_of),
    )  # fmt: skip


def read_graph(folder: Path, name: str) -> GraphSet:
    """A citation graph, its features divided by their sum.

    Args:
        folder: The folder of data sets.
        name: "citeseer" or "dblp".

    Raises:
        SettingError: if it has no such name.
        StorageError: if its file is not there.
    """
    if name not in CLASSES:
        raise SettingError(f"got {name!r}; need one of {', '.join(CLASSES)}")
    keys = ("x_data", "x_indices", "x_indptr", "x_shape", "edge_index", "y")
    parts = ("train_mask", "val_mask", "test_mask")
    found = arrays_of(Path(folder) / name / f"{name}.npz", (*keys, *parts))
    x = csr_matrix(
        (found["x_data"], found["x_indices"], found["x_indptr"]), shape=tuple(found["x_shape"])
    ).toarray()
    split = {key.removesuffix("_mask"): torch.from_numpy(found[key]) for key in parts}
    return _citations(name, torch.from_numpy(x), torch.from_numpy(found["edge_index"]), found["y"], split)


def read_planetoid(folder: Path, name: str) -> GraphSet:
    """A graph in the files `ind.NAME.x`, `ind.NAME.graph` and so on, through torch_geometric.

    These files are pickles, which can run code: read only those that you trust.

    Args:
        folder: The folder of the eight files.
        name: The name in them, as "pubmed".

    Raises:
        SettingError: if there are no such files.
    """
    if not (Path(folder) / f"ind.{name}.graph").is_file():
        raise SettingError(f"there is no ind.{name}.graph in {folder}")
    from torch_geometric.io import read_planetoid_data

    data = read_planetoid_data(str(folder), name)
    split = {part: data[f"{part}_mask"] for part in ("train", "val", "test")}
    pairs = data.edge_index[:, data.edge_index[0] != data.edge_index[1]]
    return _citations(name, data.x, pairs, data.y.numpy(), split)


def _citations(name: str, x: Tensor, edge_index: Tensor, y: np.ndarray, parts: dict[str, Tensor]) -> GraphSet:
    x = x.float() / x.float().sum(1, keepdim=True).clamp(min=1e-12)
    n, none = len(x), torch.full((edge_index.shape[1],), -1)
    order = (edge_index[0] * n + edge_index[1]).argsort()
    return GraphSet(
        name, x, edge_index[:, order].long(), torch.from_numpy(np.asarray(y, dtype=np.int64)),
        {part: mask.bool() for part, mask in parts.items()}, none, torch.full((n,), -1),
    )  # fmt: skip


def _community(random: np.random.Generator, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Links (2, e) of one community and the motif of each."""
    first = number * (BASE_NODES + HOUSES * HOUSE_NODES)
    base = _attached(random)
    house = np.array(HOUSE).T
    starts = BASE_NODES + HOUSE_NODES * np.arange(HOUSES)
    houses = (house[:, None, :] + starts[:, None]).reshape(2, -1)
    hung = np.stack([SPACING * np.arange(HOUSES), starts])
    members = number * HOUSES + np.repeat(np.arange(HOUSES), len(HOUSE))
    motif = np.concatenate([np.full(base.shape[1], -1), members, np.full(HOUSES, -1)])
    return first + np.concatenate([base, houses, hung], axis=1), motif


def _attached(random: np.random.Generator) -> np.ndarray:
    """Preferential attachment as torch_geometric has it: ends drawn with replacement, repeats merged."""
    sources, targets = np.arange(ATTACHED), random.permutation(ATTACHED)
    for node in range(ATTACHED, BASE_NODES):
        sources = np.concatenate([sources, np.full(ATTACHED, node)])
        targets = np.concatenate([targets, random.choice(np.concatenate([sources, targets]), ATTACHED)])
    pairs = np.stack([sources, targets])
    return pairs[:, sources != targets]


def _entries(pairs: np.ndarray, motif: np.ndarray, n: int) -> tuple[Tensor, Tensor]:
    """Both ways of every link, once, sorted; a link of a motif keeps its number."""
    both = np.concatenate([pairs, pairs[::-1]], axis=1)
    codes, first = np.unique(both[0].astype(np.int64) * n + both[1], return_index=True)
    return torch.from_numpy(np.stack([codes // n, codes % n])), torch.from_numpy(
        np.concatenate([motif, motif])[first]
    )


def _split(random: np.random.Generator, n: int) -> dict[str, Tensor]:
    """80, 10 and 10 % of the nodes."""
    order, parts = random.permutation(n), {}
    for part, (start, stop) in {"train": (0.0, 0.8), "val": (0.8, 0.9), "test": (0.9, 1.0)}.items():
        parts[part] = torch.zeros(n, dtype=torch.bool)
        parts[part][order[round(start * n) : round(stop * n)]] = True
    return parts
