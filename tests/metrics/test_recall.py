"""Recall of a known truth, and both fidelities in one number."""

import pytest
import torch

from onlyif.core.errors import InputError
from onlyif.metrics.fidelity import characterization
from onlyif.metrics.recall import top_recall


def test_recall_counts_the_truth_among_the_highest_entries():
    maps = torch.randn(4, 2, 5, generator=torch.Generator().manual_seed(0))
    truth = torch.rand(4, 2, 5, generator=torch.Generator().manual_seed(1)) < 0.4
    for size in (0, 3, 10):
        needed = []
        for scores, known in zip(maps.flatten(1).tolist(), truth.flatten(1).tolist(), strict=True):
            best = sorted(range(10), key=lambda i: -scores[i])[:size]
            needed.append(sum(known[i] for i in best) / sum(known))
        assert top_recall(maps, truth, size).tolist() == pytest.approx(needed)


def test_characterization_is_the_harmonic_mean():
    from torch_geometric.explain.metric import characterization_score

    for plus, minus in ((0.3, 0.2), (1.0, 0.5)):
        needed = characterization_score(torch.tensor(plus), torch.tensor(minus)).item()
        assert characterization(plus, minus) == pytest.approx(needed)
    assert characterization(0.0, 0.3) == characterization(0.4, 1.0) == 0.0


def test_what_does_not_fit_is_refused():
    maps, truth = torch.zeros(2, 3), torch.tensor([[True, False, False], [False, False, False]])
    with pytest.raises(InputError, match="instance 1 has no entry"):
        top_recall(maps, truth, 1)
    with pytest.raises(InputError, match=r"got \(1, 3\)"):
        top_recall(maps, truth[:1], 1)
    with pytest.raises(InputError, match=r"got 1\.5 and 0"):
        characterization(1.5, 0.0)
