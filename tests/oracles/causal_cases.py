"""Random small dual-stage tests, each with the same question as plain lists for the oracle."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch

from onlyif.causation.abduction import PlainConditional, Unweighted, WeightedMean
from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.dissimilarity import GowerDifference, MeanSquare, ScaledDifference, SumOfSquares
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import HardEvents, Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.core.players import Players
from onlyif.core.subsets import keep_of_codes, members
from onlyif.models.function import FunctionPredictor
from onlyif.references.closeness import fit_closeness
from onlyif.samples.background import BackgroundSample, PopulationSample
from onlyif.samples.nearest import NearestSample
from onlyif.samples.noisy import NoisySample
from oracles import causation as oracle
from oracles.closeness import gap, spans_of

ABDUCTIONS = {"weighted": WeightedMean(), "unweighted": Unweighted(), "plain": PlainConditional()}
ORDERED = torch.tensor([True, False, True, True, False, True])


@dataclass(frozen=True)
class Settings:
    """What may differ from case to case, by name."""

    seed: int = 0
    b: int = 2
    n: int = 4
    owner: tuple = (0, 1, 2)
    shape: tuple | None = None
    phi: float = 0.5
    boundary: float = 0.9
    threshold: float = 0.3
    soft: bool = True
    distance: str = "plain"
    mean: bool = False
    abduction: str = "weighted"
    sample: str = "background"
    change: str = "norm"
    own_baselines: bool = False
    most_masks: int = 128
    t: int = 5
    max_rows: int = 1000
    single: bool = False


def players_of(owner, shape=None):
    index = np.array(owner)
    return Players(index if shape is None else index.reshape(shape), tuple(map(str, range(max(owner) + 1))))


def model_of(seed, entries):
    """Two outputs: one smooth, one with jumps; each ignores nothing."""
    made = torch.Generator().manual_seed(seed)
    a, c = torch.randn(2, entries, generator=made, dtype=torch.float64)

    def function(batch):
        flat = batch.flatten(1).nan_to_num(nan=-1.0)
        smooth = torch.tanh(flat @ a.to(flat)) + 0.3 * flat.prod(1)
        return torch.stack([smooth, (flat @ c.to(flat) > 0).to(flat)], dim=1)

    return FunctionPredictor(function)


def _values(count, settings, made):
    values = torch.randint(-2, 4, (count, len(settings.owner)), generator=made).double() / 2
    values = values.float() if settings.single else values
    return values if settings.shape is None else values.reshape(count, *settings.shape)


def _sample_of(settings, background, x):
    return {
        "background": lambda: BackgroundSample(background),
        "population": lambda: PopulationSample(torch.cat([background, x])),
        "nearest": lambda: NearestSample(background, min(settings.n, 3)),
        "noisy": lambda: NoisySample(settings.n, 0.4),
    }[settings.sample]()


def _distance_of(settings, background):
    """The library's distance, and the oracle's on one entry."""
    entries = len(settings.owner)
    if settings.distance == "scaled":
        scale = torch.arange(1, entries + 1).double() / 2
        flat = scale.tolist()
        shaped = scale if settings.shape is None else scale.reshape(settings.shape)
        return ScaledDifference(shaped), lambda a, b, j: oracle.plain_square(a / flat[j], b / flat[j], j)
    if settings.distance == "gower":
        ordered, spans = ORDERED[:entries], spans_of(background.tolist())
        closeness = fit_closeness(background.double().numpy(), np.asarray(ordered), None)
        return GowerDifference(closeness), lambda a, b, j: gap(a, b, bool(ordered[j]), spans[j]) ** 2
    return ScaledDifference(), oracle.plain_square


def _change_of(settings, b):
    """The library's reading, and the oracle's of each instance."""
    if settings.change == "norm":
        norm = lambda one, other: sum((p - q) ** 2 for p, q in zip(one, other, strict=True)) ** 0.5  # noqa: E731
        return NormChange(), [norm] * b
    target = np.arange(b) % 2
    return TargetChange(target), [lambda p, q, k=k: abs(p[k] - q[k]) for k in target.tolist()]


def case_of(settings, background=None, x=None):
    """The test, the instances, the reading, and the oracle's question for each instance."""
    made = torch.Generator().manual_seed(settings.seed)
    predictor = model_of(settings.seed, len(settings.owner))
    background = _values(settings.n, settings, made) if background is None else background
    x = _values(settings.b, settings, made) if x is None else x
    # Off the grid, so that no instance is equal to its baseline.
    baseline = _values(settings.b if settings.own_baselines else 1, settings, made) + 0.25
    dissimilarity, square = _distance_of(settings, background)
    events = SoftEvents if settings.soft else HardEvents
    total = MeanSquare() if settings.mean else SumOfSquares()
    change, plain_changes = _change_of(settings, len(x))
    perturbations = Perturbations(settings.phi, settings.t, settings.most_masks)
    players = players_of(settings.owner, settings.shape)
    test = DualStageTest(
        predictor,
        players,
        _sample_of(settings, background, x),
        baseline,
        Neighbourhood(events(settings.boundary, settings.threshold), dissimilarity, total),
        perturbations,
        ABDUCTIONS[settings.abduction],
        settings.max_rows,
        settings.seed,
    )
    rows = test.sample.rows(x, settings.seed)
    choices = oracle.all_choices(settings.phi)
    if settings.most_masks == 0:
        drawn = perturbations.drawn(0, rows.count, players.count, settings.seed)
        choices = oracle.given_choices(drawn.tolist())

    @cache
    def answer(row):
        return predictor.predict(torch.tensor([row], dtype=x.dtype).reshape(1, *x.shape[1:]))[0].tolist()

    asked = [
        oracle.Asked(
            lambda row: answer(tuple(row)),
            plain_changes[i],
            torch.cat([rows.own[i], rows.shared]).flatten(1).tolist(),
            x[i].flatten().tolist(),
            baseline[i % len(baseline)].flatten().tolist(),
            list(settings.owner),
            players.count,
            settings.boundary,
            settings.threshold,
            settings.soft,
            settings.mean,
            square,
            choices,
            settings.abduction,
            20 if settings.single else 30,
        )
        for i in range(len(x))
    ]
    return test, x, change, asked


def every_subset(d):
    return keep_of_codes(np.arange(2**d), d)[None]


def expected(asked, d, of=oracle.probabilities):
    """What the oracle says of all subsets by code, for each instance."""
    return np.array([[of(one, set(members(code))) for code in range(2**d)] for one in asked])


def stacked(quantities):
    """The seven numbers of each instance and subset, beside each other."""
    return np.stack(list(quantities.named.values()), axis=-1)


def effective(found):
    """The effective sample sizes of PN and of PS."""
    return np.stack([found.effective_pn, found.effective_ps], axis=-1)


def with_(test, **changed):
    return replace(test, **changed)
