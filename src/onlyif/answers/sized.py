"""Explanations of images by nested sets of pixels: the same answer as a table's row gets."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from onlyif.answers.case import SetQuestion
from onlyif.answers.certificates import Facts, certify
from onlyif.answers.confidence import Bounded
from onlyif.answers.solutions import continua_of
from onlyif.answers.solved import EPSILON_SHARE, Solved, solve
from onlyif.core.arrays import doubled, on_host
from onlyif.core.labels import Row
from onlyif.core.nouns import PIXEL
from onlyif.criteria.blended import BlendedGaps
from onlyif.explanation.certificate import Certificate
from onlyif.explanation.explanation import Details, Explanation, Provenance
from onlyif.explanation.layout import empty_reason
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Measure
from onlyif.searches.base import Cloud
from onlyif.searches.ranked import COARSE_LOOKS, between, looks
from onlyif.searches.sized import SizedSearch, SizedSets, highest

KINDS = {"sufficient": 1.0, "necessary": 0.0}
UNIFIED = "unified"


@final
@dataclass(frozen=True, eq=False)
class Compared:
    """What was compared.

    Args:
        clouds: The different sets of each image.
        n_sets: How many sets of each image were asked for, equal ones counted each time.
    """

    clouds: tuple[Cloud, ...]
    n_sets: int


@final
@dataclass(frozen=True, eq=False)
class SizedTask:
    """Some images, with all that is needed to explain them.

    Args:
        search: How sets are found; on some of the fillings where there are many.
        gaps: The gaps over all fillings, by which the sets are told.
        question: α, the size of the unified set, and ε.
        labels: The label of each image.
        target_labels: The name of each one's explained output.
        provenance: What was chosen.
        time_is_up: Whether there is no time for another step.
    """

    search: SizedSearch
    gaps: BlendedGaps
    question: SetQuestion
    labels: Sequence[Row]
    target_labels: Sequence[str]
    provenance: Provenance
    time_is_up: Callable[[], bool]

    @property
    def alphas(self) -> tuple[float, ...]:
        """α of each ranking: of the sufficient, the necessary and the unified sets."""
        return tuple(dict.fromkeys((*KINDS.values(), self.question.alpha)))

    def explanations(self) -> tuple[Explanation, ...]:
        """One explanation an image, in order.

        Raises:
            LimitError: if memory runs out even for a single row.
            ModelError: if the model gives no or no finite gradients.
        """
        n, alphas = len(self.gaps), self.alphas
        numbers = torch.arange(n).repeat_interleave(len(alphas)).to(self.gaps.x.device)
        found = self.search.run(numbers, torch.tensor(alphas).repeat(n).to(numbers.device))
        stopped = self.time_is_up()
        with self.gaps.opened() as gaps:
            return tuple(self._explained(gaps, self._compared(gaps, found), found, stopped=stopped))

    def _compared(self, gaps: BlendedGaps, found: SizedSets) -> Compared:
        """All sets of each image, with both gaps of each."""
        n, a, d = len(gaps), len(self.alphas), found.scores.shape[1]
        numbers = torch.arange(n, device=gaps.x.device)
        ends = torch.stack([torch.zeros(n, d), torch.ones(n, d)], 1).bool()
        sets = [ends, found.sets.cpu().view(n, -1, d)]
        parts = [_both(gaps, numbers, each) for each in sets]
        scores = found.scores.view(n, a, d)
        for kind, alpha in KINDS.items():
            part, ranking = int(kind == "necessary"), scores[:, self.alphas.index(alpha)]
            looked = highest(ranking, looks(1, d - 1, COARSE_LOOKS))
            values = _both(gaps, numbers, looked)
            within = values[:, :, part] <= self._epsilons(gaps)[:, None]
            between = torch.stack([_between(ranking[i], looked[i], within[i]) for i in range(n)])
            sets += [looked, between]
            parts += [values, _both(gaps, numbers, between)]
        keeps, gaps_of_all = on_host(torch.cat(sets, 1)), np.concatenate(parts, 1)
        clouds = map(self._cloud, keeps, gaps_of_all)
        return Compared(tuple(clouds), keeps.shape[1])

    def _epsilons(self, gaps: BlendedGaps) -> Float64[np.ndarray, "b"]:
        given = self.question.epsilon
        own: np.ndarray = EPSILON_SHARE * np.abs(doubled(gaps.full) - doubled(gaps.base))
        return own if given is None else np.full(len(own), given)

    def _cloud(self, keep: Bool[np.ndarray, "v d"], parts: Float64[np.ndarray, "v two"]) -> Cloud:
        """The different ones of some sets, by size and in canonical order."""
        # A set that holds a smaller player where another does not comes first.
        _, first = np.unique(np.packbits(~keep, axis=1), axis=0, return_index=True)
        keep, parts = keep[first], parts[first]
        sizes = keep.sum(1)
        by_size = tuple(np.flatnonzero(sizes == size) for size in range(keep.shape[1] + 1))
        digits = self.gaps.predictor.meaning.digits
        return Cloud(parts, np.zeros_like(parts), by_size, keep, digits)

    def _explained(
        self, gaps: BlendedGaps, compared: Compared, found: SizedSets, *, stopped: bool
    ) -> Iterator[Explanation]:
        names, a, n = PixelNames(*gaps.plane), len(self.alphas), len(gaps)
        continua = continua_of(compared.clouds, names, compared_sizes=True)
        full, base = doubled(gaps.full), doubled(gaps.base)
        scores = found.scores.view(n, a, *gaps.plane).numpy()
        felt = found.felt.view(n, a).any(1).tolist()
        # The set that the certificate wants of the unified one is its complement.
        told = 2 * gaps.fillings.shape[1] * (compared.n_sets + 1)
        rows = (found.model_rows.view(n, a).sum(1) + told).tolist()
        for i, cloud in enumerate(compared.clouds):
            total = Measure(float(abs(full[i] - base[i])))
            solved = solve(self.question, Bounded(cloud, cloud), continua[i], total)
            certificate = self._certified(gaps, i, solved, cloud)
            target, sets = int(gaps.target[i]), solved.sets
            yield Explanation(
                row=self.labels[i],
                names=names,
                values=(),
                target=target,
                target_label=self.target_labels[i],
                prediction=float(full[i]),
                base=float(base[i]),
                base_stderr=0.0,
                sets=sets,
                provenance=self.provenance,
                scores=self._scores(scores[i]),
                measures={"total_gap": total},
                settings={
                    "alpha": self.question.alpha,
                    "epsilon": solved.epsilon,
                    "size": solved.size,
                    "exact_size": self.question.exact_size,
                    "felt": felt[i],
                    **({"stopped": True} if stopped else {}),
                },
                details=Details(solved.continua, certificate),
                model_rows=rows[i],
                reason=empty_reason(sets["sufficient"], sets["necessary"], total, certificate, PIXEL),
            )

    def _certified(self, gaps: BlendedGaps, i: int, solved: Solved, cloud: Cloud) -> Certificate:
        unified, one = solved.sets[UNIFIED], torch.tensor([i], device=gaps.x.device)
        rest = torch.from_numpy(~unified.keep)[None, None]
        facts = Facts(
            solved.sets["sufficient"],
            solved.sets["necessary"],
            unified,
            self.question.alpha,
            solved.epsilon,
            solved.total_gap,
            float(_both(gaps, one, rest)[0, 0, 0]),
            is_metric=True,
            exact=True,
        )
        return certify(facts, cloud)

    def _scores(self, of_alphas: Float64[np.ndarray, "a h w"]) -> dict[str, Float64[np.ndarray, "h w"]]:
        """The ranking of each kind of set."""
        kinds = {**KINDS, UNIFIED: self.question.alpha}
        return {kind: of_alphas[self.alphas.index(alpha)].copy() for kind, alpha in kinds.items()}


def _between(
    scores: Float[Tensor, "d"], looked: Bool[Tensor, "m d"], within: Bool[np.ndarray, "m"]
) -> Bool[Tensor, "f d"]:
    """Sets of sizes between the last one that is not within ε and the first that is."""
    sizes = between([int(size) for size in looked.sum(1).tolist()], within.tolist(), len(scores))
    return highest(scores[None], tuple(sizes))[0]


def _both(gaps: BlendedGaps, numbers: Tensor, sets: Bool[Tensor, "b m d"]) -> Float64[np.ndarray, "b m two"]:
    masks = sets.to(gaps.full)
    return np.stack([doubled(gap) for gap in gaps.both(numbers, masks)], 2)
