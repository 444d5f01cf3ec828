"""From a network and images to nested sets that are most probably the cause of its answers."""

import math
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from jaxtyping import Int64
from torch import Tensor
from typing_extensions import override

from onlyif.answers.sized_causes import SizedCausesTask
from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.causation.perturbation import Perturbations
from onlyif.causation.settings import PNS, SAID_ABDUCTIONS, SAID_EVENTS
from onlyif.causation.surrogate import KernelSurrogate
from onlyif.core.errors import InputError, SettingError
from onlyif.core.labels import Row
from onlyif.core.players import Players
from onlyif.core.progress import Meter
from onlyif.core.seeds import child_seed
from onlyif.criteria.blended import BlendedGaps
from onlyif.criteria.sized_causes import SizedCauses
from onlyif.criteria.soft_causation import SoftPNS
from onlyif.criteria.soft_causation_draws import StepDraws
from onlyif.explanation.explanation import Explanation, Provenance
from onlyif.samples.base import Sample
from onlyif.samples.noisy import NoisySample
from onlyif.searches.sized import SizedSearch, SizedSettings
from onlyif.searches.starts import SearchStart
from onlyif.setup.image_gaps import taken
from onlyif.setup.sized import Sought
from onlyif.setup.sized_run import SizedWork

# c of a probability; E is the image and three copies with little noise.
THRESHOLD, COPIES, NOISE = 0.1, 4, 0.01
# A look is at inputs of E that are perturbed at random and in the opposite way: four such pairs, towards one
# x' or as many as there are, four at most; the next look is at others.
PAIRS, MOST_AT_ONCE = 4, 4
# Of a set and of its complement.
ROWS_A_LOOK = 2 * 2 * PAIRS
# Of each of several x', when sets are measured: two tell an error.
LEAST_PERTURBATIONS = 2
# Sets of single pixels that are found under fewer x' than these are hardly causes under others.
ENOUGH_BASELINES = 64


@final
@dataclass(frozen=True, eq=False)
class SizedCausesWork(SizedWork):
    """Images of which causes are looked for.

    Args:
        gaps: The model, the images, and their targets; f_0 is f(x').
        test: The dual-stage test of them, with the first x'.
        sizes: The sizes in pixels, the smallest first.
        settings: How they are looked for.
        weights: Weight of the necessity part and of the sufficiency part.
        size: The size of the cause.
        provenance: What was chosen.
        target_labels: The name of each image's explained output.
        titles: What each image is called.
        begins: What the search begins with; None is all pixels alike.
    """

    gaps: BlendedGaps
    test: DualStageTest
    sizes: tuple[int, ...]
    settings: SizedSettings
    weights: tuple[float, float]
    size: int
    provenance: Provenance
    target_labels: tuple[str, ...]
    titles: tuple[Row, ...]
    begins: SearchStart | None = None

    @override
    def explained(self, numbers: Int64[Tensor, "p"], meter: Meter) -> tuple[Explanation, ...]:
        gaps, test, places = taken(self.gaps, numbers), self.test, numbers.tolist()
        baselines, targets = gaps.fillings.unbind(1), gaps.target.tolist()
        at_once, draws = _look(len(baselines))
        objective = SoftPNS(
            gaps.predictor, test.players, test.sample, baselines[0], test.neighbourhood, KernelSurrogate(),
            test.abduction, draws, gaps.max_rows, test.seed,
        )  # fmt: skip
        with gaps.predictor.opened():
            posed = objective.pose(gaps.x, TargetChange(np.array(targets)))
        towards = tuple(posed.towards(one) for one in baselines)
        costs = SizedCauses(gaps.x, objective, towards, at_once, self.weights)
        fresh = [
            replace(test, baseline=one, seed=child_seed(test.seed, _fresh_seed_name(number)))
            for number, one in enumerate(baselines)
        ]
        search = SizedSearch(
            costs, self.sizes, self.settings, test.seed, lambda: meter.left_s > 0, self.begins
        )
        told = _measured_rows(test, int(posed.rows.shape[1]), self.sizes, len(baselines))
        meter.begin(len(places), (search.rows(0.5) + told) * len(places))
        return SizedCausesTask(
            search, fresh, targets,
            [*zip(gaps.full.tolist(), gaps.base.tolist(), strict=True)], self.size,
            [self.titles[i] for i in places], [self.target_labels[i] for i in places], self.provenance,
            lambda: meter.left_s <= 0, _notes(len(baselines), self.settings),
        ).explanations()  # fmt: skip


def sized_causes(asked: Sought, chosen: PNS) -> SizedCausesWork:
    """The images with the test of their causes, with every input checked.

    Args:
        asked: The images, and which sets are looked for.
        chosen: How causes are told.

    Raises:
        SettingError: if an option has no use with causes of images.
        InputError: if an image is equal to its baseline.
    """
    _check(asked, chosen)
    test = _test(asked, chosen)
    n = test.sample.rows(asked.gaps.x[:1], test.seed).count
    n_baselines = int(asked.gaps.fillings.shape[1])
    at_once, draws = _look(n_baselines)
    a_mask = at_once * draws.rows_a_mask(n, None)
    told = _measured_rows(test, n, asked.sizes, n_baselines)
    most = max(0, asked.options.budget - told) // a_mask
    settings = asked.usual_settings.within(most, len(asked.sizes), 1)
    necessity, sufficiency = map(float, chosen.weights)
    return SizedCausesWork(
        asked.gaps, test, asked.sizes, settings, (necessity, sufficiency), asked.chosen[-1],
        _provenance(asked, chosen, test, settings), asked.target_labels, asked.titles, asked.begins,
    )  # fmt: skip


def _look(n_baselines: int) -> tuple[int, StepDraws]:
    """How many x' a look is at, and the draws under each."""
    at_once = min(n_baselines, MOST_AT_ONCE)
    return at_once, StepDraws(2 * math.ceil(PAIRS / at_once), n_inputs=1)


def _measured_rows(test: DualStageTest, n_inputs: int, sizes: tuple[int, ...], n_baselines: int) -> int:
    """Model rows of one image in the end: f(x), f(x'), E, and E perturbed on each set and its complement."""
    choices, d = test.perturbations, test.players.count
    perturbed = sum(choices.count(size) + choices.count(d - size) for size in sizes)
    return 1 + n_baselines * (1 + n_inputs * (1 + perturbed))


def _notes(n_baselines: int, settings: SizedSettings) -> tuple[str, ...]:
    """What a reader must know of sets that may hold under these x' alone."""
    if settings.swaps.most_regions is not None or not 1 < n_baselines < ENOUGH_BASELINES:
        return ()
    return (
        f"these sets of single pixels were looked for under {n_baselines} images x', and hold for these; "
        f"under others their PNS can be far lower. Give {ENOUGH_BASELINES} or more, or ask for regions",
    )


def _fresh_seed_name(number: int) -> str:
    return "fresh perturbations" if number == 0 else f"fresh perturbations, baseline {number}"


def _test(asked: Sought, chosen: PNS) -> DualStageTest:
    """The dual-stage test of the images."""
    gaps, options = asked.gaps, asked.options
    baseline = gaps.fillings[:, 0]
    for number in range(int(gaps.fillings.shape[1])):
        _check_differs(gaps, gaps.fillings[:, number])
    sample = chosen.sample if isinstance(chosen.sample, Sample) else NoisySample(COPIES, NOISE)
    n, entries = sample.rows(gaps.x[:1], options.seed).count, math.prod(gaps.x.shape[1:])
    b = scott_boundary(n, entries) if chosen.b is None else float(_number("b", chosen.b))
    c = THRESHOLD if chosen.c is None else float(_number("c", chosen.c))
    # Several x' share the perturbations.
    n_baselines, n_chosen = int(gaps.fillings.shape[1]), chosen.n_perturbations
    each = min(max(math.ceil(n_chosen / n_baselines), LEAST_PERTURBATIONS), n_chosen)
    choices = Perturbations(chosen.p_replace, each)
    if n_baselines > 1:
        # All choices among few pixels are then made only if they are no more than these.
        choices = replace(choices, most_masks=each)
    return DualStageTest(
        predictor=gaps.predictor,
        players=_pixels(gaps),
        sample=sample,
        baseline=baseline,
        neighbourhood=Neighbourhood(SoftEvents(b, c)),
        perturbations=choices,
        abduction=chosen.how_abducted,
        max_rows=gaps.max_rows,
        seed=options.seed,
    )


def _provenance(asked: Sought, chosen: PNS, test: DualStageTest, settings: SizedSettings) -> Provenance:
    """Where the explanations come from."""
    hides, events = asked.filled.sentence.removeprefix("Hidden pixels are "), test.neighbourhood.events
    assert isinstance(events, SoftEvents)
    to = hides.removeprefix("replaced by ").removesuffix(", whatever is kept.").removesuffix(".")
    necessity, sufficiency = map(float, chosen.weights)
    return asked.provenance(
        "pns",
        settings,
        {
            "baseline": f"Perturbed pixels go to {to}.{_said_mean(int(asked.gaps.fillings.shape[1]))}",
            "sample": test.sample.sentence,
            "boundary": "Scott's rule" if chosen.b is None else "as given",
            "threshold": "a tenth of the range of probabilities" if chosen.c is None else "as given",
            "events": SAID_EVENTS[chosen.events],
            "distance": test.neighbourhood.sentence,
            "abduction": SAID_ABDUCTIONS[type(test.abduction)],
        },
        {
            "n_sample": test.sample.rows(asked.gaps.x[:1], test.seed).count, "b": events.b, "c": events.c,
            "n_baselines": int(asked.gaps.fillings.shape[1]), "p_replace": chosen.p_replace,
            "weight_necessity": necessity, "weight_sufficiency": sufficiency,
        },
    )  # fmt: skip


def _check(asked: Sought, chosen: PNS) -> None:
    """Refuse what has no use with causes of images."""
    plain, question = PNS(), asked.options.question
    unused = ("baseline", "distance", "events", "p_replace")
    given = [f"PNS({name}=...)" for name in unused if getattr(chosen, name) != getattr(plain, name)]
    if chosen.how_abducted.n_resampled is not None:
        given.append("PNS(abduction=...) that draws again")
    given += ["alpha"] * (question.alpha != 0.5) + ["epsilon"] * (question.epsilon is not None)
    if given:
        raise SettingError(f"{given[0]} has no use with causes of images by size; leave it out")
    if not isinstance(chosen.sample, Sample) and chosen.sample != plain.sample:
        raise SettingError(
            f"E of an image are copies of it: PNS(sample=NoisySample(...)) or the default; got "
            f"{chosen.sample!r}"
        )


def _check_differs(gaps: BlendedGaps, baseline: Tensor) -> None:
    alike = (gaps.x == baseline).flatten(1).all(1).nonzero().flatten().tolist()
    if alike:
        raise InputError(
            f"image {alike[0]} is equal to the baseline, so that perturbing it changes nothing; leave it out "
            f"or give another reference ({len(alike)} such images)"
        )


def _said_mean(n_baselines: int) -> str:
    return "" if n_baselines == 1 else f" PNS is its mean over these {n_baselines} images x'."


def _number(name: str, value: Any) -> float:
    if isinstance(value, str) or not isinstance(value, int | float):
        raise SettingError(f"{name} of images is a number or None, got {value!r}")
    return value


def _pixels(gaps: BlendedGaps) -> Players:
    height, width = gaps.plane
    index = np.arange(height * width).reshape(height, width)
    names = tuple(f"pixel {number}" for number in range(height * width))
    return Players(np.broadcast_to(index, gaps.x.shape[1:]).copy(), names)
