"""Training a learned explainer on a network's images: checks, an estimate, rounds that are saved."""

import math
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Int64
from torch import Tensor
from tqdm import tqdm
from typing_extensions import override

from onlyif.amortised.learned import LearnedExplainer
from onlyif.amortised.selector import SelectorSettings
from onlyif.amortised.sized_lessons import SizedLessons
from onlyif.amortised.training import fit, fresh
from onlyif.amortised.training_state import Checkpoint, TrainingSettings
from onlyif.amortised.training_storage import SUFFIX, load_checkpoint, save_checkpoint
from onlyif.core.errors import InputError, OnlyIfWarning, SettingError
from onlyif.core.progress import Meter
from onlyif.core.torch_seeds import torch_generator
from onlyif.core.whole_files import suffixed
from onlyif.criteria.blended import BlendedGaps
from onlyif.models.outputs import Output
from onlyif.progress_bar import seconds_text
from onlyif.references.base import Reference
from onlyif.setup.image_gaps import image_gaps, searched_gaps, taken
from onlyif.setup.instances import filled_images
from onlyif.setup.options import Options, Target
from onlyif.setup.sized import USUAL_SHARES, sizes_of

if sys.platform != "win32":
    import resource

# Of the images those kept apart to see how good the network is, at most so many.
HELD_SHARE, MOST_HELD = 0.1, 64
# Levels of the network; images may be too small for so many.
MOST_LEVELS = 4
TRIAL_STEPS = 2


@final
@dataclass(frozen=True)
class TrainingForecast:
    """What a training will take.

    Args:
        steps: Steps that are left.
        model_rows: Model rows that these ask for, each forward and backward.
        seconds: About how long they take, measured on the first two.
        memory_bytes: By how much those two made the process larger; 0 where the system does not tell.
    """

    steps: int
    model_rows: int
    seconds: float
    memory_bytes: int

    @override
    def __str__(self) -> str:
        return (
            f"{self.steps:,} steps, {self.model_rows:,} model rows, about {seconds_text(self.seconds)}, "
            f"{self.memory_bytes / 2**20:,.0f} MiB beside what is held already"
        )


def train_explainer(
    model: Any,
    images: Any,
    *,
    background: Any = None,
    target: Target = None,
    alpha: float | None = None,
    size: int | float | Sequence[int | float] | None = None,
    steps: int = 3000,
    batch: int = 24,
    learning_rate: float = 3e-3,
    path: str | os.PathLike[str] | None = None,
    seed: int = 0,
    max_rows: int = 1024,
    output: Output | str | None = None,
    reference: Reference | str | None = None,
    progress: bool | None = None,
    time_limit: float | None = None,
) -> LearnedExplainer:
    """A network that is trained to say which pixels belong in the sets of an image, in one forward pass.

    It makes the mean over the images of α Δsuf + (1 - α) Δnec small, of masks whose size is asked for. What
    comes of it is only a start: `onlyif.explain(model, others, size=..., search=learned)` repairs it on each
    image and measures the sets. It may pay for hundreds of images; for a few leave it out.

    Args:
        model: A `torch.nn.Module`, a function of torch tensors, or a `DifferentiablePredictor`.
        images: Images like those to be explained, but others: what was trained on is known again, and said.
        background: As of `onlyif.explain`; the same as there.
        target: Which output is explained: its number, or one an image; by default the largest one of each.
        alpha: The one α that it is for, or None for one network that is told α.
        size: Sizes as shares of the pixels or numbers of them: any between the smallest and the largest are
            trained on. By default 1 to 20 % of the pixels.
        steps: Most steps; it ends sooner where ten rounds brought nothing.
        batch: Images a step.
        learning_rate: Adam's.
        path: Where the state is saved after each round; training goes on from there if the file is there.
        seed: Of the first weights and of whatever is drawn.
        max_rows: Most rows of one model call.
        output: What is explained: "probability" (the default) or "value".
        reference: As of `onlyif.explain`; the same as there.
        progress: Whether a bar is shown, which begins with an estimate; by default on a terminal.
        time_limit: Most seconds; the round under way is finished, and what was learned so far is returned,
            with a warning.

    Raises:
        InputError: if images or background cannot be used as they are, or there are too few.
        SettingError: if an argument is out of range, or the file at `path` is of another training.
        ModelError: if the model has no gradient, or fails.
        StorageError: if the state cannot be read or written.

    Example:
        >>> images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(0))
        >>> def bright(batch):
        ...     return batch[:, 0, :4].mean((1, 2))
        >>> learned = train_explainer(bright, images, background=images, steps=2, batch=4, output="value")
        >>> learned.checkpoints[0].step
        2

    References:
        [bharti2024] equation 14, with the size asked for instead of paid for.
    """
    options = Options(
        target=target, seed=seed, max_rows=max_rows, output=output, reference=reference
    )  # fmt: skip
    lessons = _lessons(model, images, background, options, size)
    start = _start(lessons, _training(steps, batch, learning_rate, seed), alpha, path)
    hidden = not sys.stderr.isatty() if progress is None else not progress
    if start.finished:
        return LearnedExplainer((start,))
    told = "" if hidden else str(_forecast(start, lessons))
    return LearnedExplainer((_trained(start, lessons, path, _Shown(hidden, told), time_limit),))


def estimate_training(
    model: Any,
    images: Any,
    *,
    background: Any = None,
    target: Target = None,
    alpha: float | None = None,
    size: int | float | Sequence[int | float] | None = None,
    steps: int = 3000,
    batch: int = 24,
    path: str | os.PathLike[str] | None = None,
    max_rows: int = 1024,
    output: Output | str | None = None,
    reference: Reference | str | None = None,
) -> TrainingForecast:
    """What `train_explainer` will take, measured on two steps of which nothing is kept.

    Args:
        model: As there, like all others.
        images: The images to train on.
        background: What hides.
        target: Which output is explained.
        alpha: The one α, or None.
        size: The sizes.
        steps: Most steps.
        batch: Images a step.
        path: Where a training stands that is to go on.
        max_rows: Most rows of one model call.
        output: What is explained.
        reference: What hides.

    Raises:
        InputError: if images or background cannot be used as they are.
        SettingError: if an argument is out of range.
        ModelError: if the model has no gradient, or fails.
    """
    options = Options(target=target, max_rows=max_rows, output=output, reference=reference)
    lessons = _lessons(model, images, background, options, size)
    return _forecast(_start(lessons, _training(steps, batch, 1e-3, 0), alpha, path), lessons)


@final
@dataclass(frozen=True)
class _Shown:
    """What is shown of a training.

    Args:
        hidden: Whether nothing is.
        told: What it begins with.
    """

    hidden: bool
    told: str


def _training(steps: int, batch: int, learning_rate: float, seed: int) -> TrainingSettings:
    return TrainingSettings(
        learning_rate=learning_rate, batch=batch, n_steps=steps, round_steps=min(50, max(1, steps)), seed=seed
    )


def _lessons(model: Any, images: Any, background: Any, options: Options, size: Any) -> SizedLessons:
    gaps = searched_gaps(image_gaps(model, filled_images(images, background, options), options, Meter()))
    if gaps.x.dim() != 4:
        raise InputError(
            f"a learned explainer needs images of shape (images, channels, height, width), got "
            f"{tuple(gaps.x.shape)}"
        )
    if len(gaps) < 4:
        raise InputError(f"a learned explainer needs at least 4 images to learn from, got {len(gaps)}")
    n_pixels = math.prod(gaps.plane)
    usual = [share for share in USUAL_SHARES if share * n_pixels >= 1] or None
    shares = tuple(pixels / n_pixels for pixels in sizes_of(usual if size is None else size, n_pixels))
    order = torch.randperm(len(gaps), generator=torch_generator(options.seed, "images kept apart"))
    n_held = max(1, min(MOST_HELD, int(HELD_SHARE * len(gaps))))
    return SizedLessons(_some(gaps, order[n_held:]), _some(gaps, order[:n_held]), shares)


def _some(gaps: BlendedGaps, numbers: Int64[Tensor, "p"]) -> BlendedGaps:
    return taken(gaps, numbers.sort().values)


def _start(
    lessons: SizedLessons,
    training: TrainingSettings,
    alpha: float | None,
    path: str | os.PathLike[str] | None,
) -> Checkpoint:
    levels = min(MOST_LEVELS, int(math.log2(min(lessons.gaps.plane))))
    selector = SelectorSettings(lessons.images.shape[1], levels=max(1, levels), alpha=alpha, sized=True)
    if path is None or not suffixed(path, SUFFIX).is_file():
        return fresh(selector, training, lessons)
    begun = load_checkpoint(path, selector)
    if begun.data != lessons.digest:
        raise SettingError(
            f"{Path(path)} is the state of a training on other images, targets, sizes or fillings; give "
            "another path, or the same images"
        )
    return replace(begun, training=replace(training, seed=begun.training.seed))


def _forecast(start: Checkpoint, lessons: SizedLessons) -> TrainingForecast:
    trial = replace(
        start, rounds=(), training=replace(start.training, n_steps=TRIAL_STEPS, round_steps=TRIAL_STEPS)
    )
    few = replace(lessons, held=_some(lessons.held, torch.arange(1)))
    trial = replace(trial, data=few.digest)
    before = _resident()
    # The first steps load and compile; only later ones tell how long one takes.
    for _ in range(2):
        begun = time.perf_counter()
        deque(fit(trial, few), maxlen=0)
    a_step, left = (time.perf_counter() - begun) / TRIAL_STEPS, start.training.n_steps - start.step
    sides = 1 if start.selector.alpha in {0.0, 1.0} else 2
    rows = left * start.training.batch * sides * lessons.gaps.fillings.shape[1]
    return TrainingForecast(left, rows, a_step * left, max(0, _resident() - before))


def _resident() -> int:
    if sys.platform == "win32":
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _trained(
    start: Checkpoint,
    lessons: SizedLessons,
    path: str | os.PathLike[str] | None,
    shown: _Shown,
    time_limit: float | None,
) -> Checkpoint:
    until, state = time.monotonic() + (math.inf if time_limit is None else time_limit), start
    if not shown.hidden:
        tqdm.write(f"training a learned explainer: {shown.told}", file=sys.stderr)
    with tqdm(total=start.training.n_steps, initial=start.step, disable=shown.hidden) as bar:
        for state in fit(start, lessons):  # fit asks for its start once
            if path is not None:
                save_checkpoint(state, path)
            last = state.rounds[-1]
            bar.set_postfix_str(f"objective {last.objective:.3f} ± {last.stderr:.3f}", refresh=False)
            bar.update(state.step - bar.n)
            if time.monotonic() > until and not state.finished:
                warnings.warn(
                    f"the time limit of {time_limit:g} s was reached after {state.step:,} of "
                    f"{state.training.n_steps:,} steps; give path= to go on later",
                    OnlyIfWarning,
                    stacklevel=3,
                )
                break
    return state
