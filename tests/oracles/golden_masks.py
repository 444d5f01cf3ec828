"""What the gradient searches say of small networks with fixed weights, for `test_golden_masks.py`.

`python -m oracles.golden_masks` in `tests` writes the answers anew.
"""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from onlyif.amortised.selector import SelectorSettings
from onlyif.amortised.training import fit, fresh
from onlyif.amortised.training_state import TrainingSettings
from onlyif.causation.change import NormChange, TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.players import Players
from onlyif.criteria.soft import SoftObjective
from onlyif.modalities.grids import CoarseGrid, SuperpixelGrid
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.references.marginal import MarginalReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.samples.background import BackgroundSample
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import paper_settings as paper_ascent
from onlyif.searches.ascent_settings import recommended_settings as recommended_ascent
from onlyif.searches.gradient import Schedule
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_settings import paper_settings, recommended_settings
from oracles.lessons import patch_lessons

ANSWERS = Path(__file__).parents[1] / "golden" / "masks.json"
SIDE = 6
DIGITS = 12


def waves(*shape, pace=1.0):
    """Numbers in (0, 1) that are the same everywhere."""
    count = int(np.prod(shape))
    return torch.from_numpy(0.5 + 0.45 * np.sin(pace * np.arange(1, count + 1) ** 1.5)).reshape(shape)


def network(channels=2):
    """Two layers with fixed weights, three classes."""
    net = nn.Sequential(nn.Conv2d(channels, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(48, 3)).double()
    with torch.no_grad():
        for number, weight in enumerate(net.parameters()):
            weight.copy_((waves(*weight.shape, pace=0.7 + 0.1 * number) - 0.5) * 1.6)
    return differentiable_module(net, nn.Softmax(1), "probability")


IMAGES = waves(2, 2, SIDE, SIDE, pace=0.3)
REGIONS = (torch.arange(SIDE) // 2).view(-1, 1) * 3 + torch.arange(SIDE) // 2
GAPS = ("soft_sufficiency", "soft_necessity", "objective")
ASKED = MaskQuestion((0.0, 0.5, 1.0), 0.05, 0.05, n_fresh=20)


def _masks(settings, reference=None, grid=None):
    shown = BaselineReference(waves(2, SIDE, SIDE, pace=2.1)) if reference is None else reference
    search = RelaxedSearch(SoftObjective(SoftRestriction(network(), shown, seed=4)), settings, grid, 2)
    return [
        {
            "mask": item.soft.ravel().tolist(),
            "gaps": [item.measures[name].value for name in GAPS],
            "size": item.unified.size,
            "rows": item.model_rows,
        }
        for item in find_masks(search, IMAGES, torch.tensor([0, 2]), ASKED)
    ]


def _scores(settings, change=None, background=False, c=0.1):
    owner = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)
    players = Players(np.stack([owner, owner]), tuple(map(str, range(SIDE * SIDE))))
    sample = BackgroundSample(waves(5, 2, SIDE, SIDE, pace=1.3)) if background else NoisySample(4, 0.02)
    model, ends = network(), waves(1, 2, SIDE, SIDE, pace=2.1)
    test = DualStageTest(model, players, sample, ends, Neighbourhood(SoftEvents(1.5, c)), seed=7)
    read = TargetChange(np.array([0, 2])) if change is None else change
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        risen = ascend(model, test, IMAGES, read, settings=settings)
    return {"scores": risen.scores.tolist(), "trace": risen.trace.tolist(), "rows": float(risen.model_rows)}


def _lessons():
    lessons = patch_lessons()
    training = TrainingSettings(learning_rate=3e-3, batch=5, n_steps=8, round_steps=4, patience=9)
    *_, last = fit(fresh(SelectorSettings(1, 4, 2, None), training, lessons), lessons)
    return [[done.training, done.objective, done.sufficiency, done.necessity] for done in last.rounds]


ROWS = MarginalReference(waves(4, 2, SIDE, SIDE, pace=0.9))
CASES = {
    "masks, recommended": lambda: _masks(recommended_settings()),
    # Of the paper's 1,000 steps of a constant rate the first: later ones make much of the last digits.
    "masks, paper": lambda: _masks(replace(paper_settings(), schedule=Schedule(100))),
    "masks, rows of a background": lambda: _masks(recommended_settings(), ROWS),
    "masks, superpixels": lambda: _masks(recommended_settings(), grid=SuperpixelGrid(REGIONS)),
    "masks, coarse": lambda: _masks(recommended_settings(), grid=CoarseGrid(3, 2, SIDE, SIDE)),
    "ascent, recommended": lambda: _scores(recommended_ascent(n_inputs=1)),
    "ascent, few players": lambda: _scores(recommended_ascent(36, steps=40), NormChange()),
    "ascent, background": lambda: _scores(recommended_ascent(), background=True),
    "ascent, eased": lambda: _scores(recommended_ascent(steps=30, easing=0.5), c=1e-4),
    "ascent, paper": lambda: _scores(paper_ascent()),
    "training": _lessons,
}


def kept():
    """What is kept, by name."""
    return json.loads(ANSWERS.read_text("utf-8"))


def rounded(value):
    """Numbers with as many digits as are kept."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    if isinstance(value, list):
        return [rounded(one) for one in value]
    return float(f"{value:.{DIGITS}g}")


if __name__ == "__main__":
    answers = {name: rounded(ask()) for name, ask in CASES.items()}
    lines = (f"{json.dumps(name)}: {json.dumps(value)}" for name, value in answers.items())
    ANSWERS.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")
