"""How good a ranking of a node's edges is: the protocol of the graph tables.

All is measured on the entries that the prediction depends on, by the absolute scores divided by the largest.

- `hard FID+`, `hard FID-`: the decision changes without, or with nothing but, the top (1 - p) of the
  entries, p = .5, .6, .7, .8, .9; the mean of the five. `12` is the same with twelve entries.
- `soft FID+`, `soft FID-`: the same with messages times 1 - s, or s. Won by masks of ones (FID-) and alike:
  to be read with `Gini`, and beside the rows `ones` and `random`.
- `del FID+`, `del FID-`: links (the sum of both entries), deleted before degrees are counted.
- `Recall@12`, `Recall@6 links`: how much of the node's own motif is among the best.
"""

import math

import torch
from ego_graphs import EgoGraph
from jaxtyping import Bool, Float
from torch import Tensor

from onlyif.core.torch_seeds import torch_generator

SPARSITIES = (0.5, 0.6, 0.7, 0.8, 0.9)
MOTIF_ENTRIES = 12


def tops(scores: Float[Tensor, " d"], sizes: list[int], seed: int) -> Bool[Tensor, "sizes d"]:
    """The sets of the highest scores; ties are broken at random."""
    mixed = torch.randperm(len(scores), generator=torch_generator(seed, "ties"))
    order = mixed[scores[mixed].argsort(descending=True, stable=True)]
    rank = torch.empty_like(order).scatter_(0, order, torch.arange(len(scores)))
    return rank < torch.tensor(sizes)[:, None]


def sizes_of(count: int) -> list[int]:
    """How many of so many players are kept at each sparsity."""
    # A product like (1 - .9) 10 may lie above 1 by rounding.
    return [math.ceil(round((1 - p) * count, 9)) for p in SPARSITIES]


def gini(s: Float[Tensor, " d"]) -> float:
    """The Gini index of scores that are not negative: 0 if all are equal, 1 - 1/d if one alone is not 0."""
    d, total = len(s), float(s.double().sum())
    share = (d - torch.arange(1, d + 1).double() + 0.5) / d
    return 1 - 2 * float(s.double().sort().values @ share) / total if total > 0 else 0.0


def scaled(scores: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
    """Absolute scores divided by their largest."""
    s = scores.detach().abs().float()
    return s / s.max().clamp(min=1e-30)


@torch.no_grad()
def measures(ego: EgoGraph, scores: Float[Tensor, " entries"], seed: int = 0) -> dict[str, float]:
    """All measures of one node's scores.

    Args:
        ego: The node.
        scores: One number an entry.
        seed: Of what breaks ties.
    """
    s = scaled(scores)
    top = tops(s, [*sizes_of(ego.count), MOTIF_ENTRIES], seed).float()
    rows = torch.cat([1 - top, top, 1 - s[None], s[None], torch.ones(1, ego.count)])
    changed = ego.logits(rows).argmax(1) != ego.target
    m = len(top)
    plus, minus = changed[:m].double(), changed[m : 2 * m].double()
    links = torch.zeros(ego.n_links).index_add(0, ego.link, s)
    cut = tops(links, sizes_of(ego.n_links), seed).float()
    deleted = (ego.deleted_logits(torch.cat([1 - cut, cut])).argmax(1) != ego.target).double()
    found = {
        "hard FID+": float(plus[:-1].mean()), "hard FID-": float(minus[:-1].mean()),
        "FID+ 12": float(plus[-1]), "FID- 12": float(minus[-1]),
        "soft FID+": float(changed[2 * m]), "soft FID-": float(changed[2 * m + 1]),
        "del FID+": float(deleted[: len(cut)].mean()), "del FID-": float(deleted[len(cut) :].mean()),
        "Gini": gini(s),
    }  # fmt: skip
    if ego.truth.any():
        found["Recall@12"] = float((top[-1].bool() & ego.truth).sum() / ego.truth.sum())
        motif = torch.zeros(ego.n_links, dtype=torch.bool).index_fill(0, ego.link[ego.truth], True)
        best = tops(links, [int(motif.sum())], seed)[0]
        found["Recall@6 links"] = float((best & motif).sum() / motif.sum())
    return found
