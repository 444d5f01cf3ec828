"""The methods of Table 1, and the settings among which each may be tuned.

The first setting of a method is the published or usual one; `table1_tuning.py` chooses among all of them on
training images, each method by the same budget of model rows. Left out: nothing of the paper's images but
CIMI, see `docs/contest.md`.
"""

import hashlib
from collections.abc import Callable
from importlib import import_module
from inspect import getsourcefile
from pathlib import Path
from typing import Any

import torch
from experiments.baselines.idgi import IDGI
from experiments.baselines.image_causes import FANSMap, MeanFANSMap, RelaxedMask, SizedMap, SizedSquares
from experiments.baselines.image_gradients import FromBaseline, GuidedBackprop, GuidedGradCam, Saliency
from experiments.baselines.image_perturbations import HShapMap, Occlusion, OnPatches
from experiments.baselines.image_trivial import (
    BlurredEdges,
    InputTimesMask,
    Ones,
    RandomMap,
    ShuffledWeights,
    SoftThreshold,
)
from experiments.baselines.meaningful_perturbation import MeaningfulPerturbation
from experiments.table1_blocks import Explainer, Method
from torch import Tensor

from onlyif.core.errors import SettingError

Settings = dict[str, Explainer]


def candidates(mean_image: Tensor) -> dict[str, Settings]:
    """The settings of every published method and of ours, by name; the first is the default.

    Args:
        mean_image: Mean of the training images.
    """
    return published_candidates(mean_image) | own_candidates(mean_image)


def published_candidates(mean_image: Tensor) -> dict[str, Settings]:
    """The settings of the published methods.

    Args:
        mean_image: Mean of the training images.
    """
    black = torch.zeros_like(mean_image)
    ends = {"black": black, "mean image": mean_image}

    def paths(make: Callable[[Tensor, str, bool], Explainer]) -> Settings:
        return {
            f"from the {name}, {'absolute' if absolute else 'signed'}": make(end, name, absolute)
            for name, end in ends.items()
            for absolute in (False, True)
        }

    def baselines(method: str) -> Settings:
        both = FromBaseline(method, mean_image, "mean image and own mean", own=True)
        plain = paths(lambda end, name, absolute: FromBaseline(method, end, name, absolute))
        return plain | {"from the mean image and own mean, signed": both}

    def hidden(make: Callable[..., Explainer], **sizes: list[dict[str, Any]]) -> Settings:
        return {
            f"{name}, {', '.join(f'{key} {value}' for key, value in size.items())}": make(end, name, **size)
            for size in sizes["sizes"]
            for name, end in ends.items()
        }

    patches = [{"side": 4}, {"side": 2}]
    return {
        "Saliency": {"logit": Saliency(), "probability": Saliency(probability=True)},
        "GuidedBP": {"signed": GuidedBackprop(), "absolute": GuidedBackprop(absolute=True)},
        "Guided Grad-CAM": {"signed": GuidedGradCam(), "absolute": GuidedGradCam(absolute=True)},
        "IG": baselines("IntegratedGradients"),
        "GradSHAP": baselines("GradientShap"),
        "DeepLift": baselines("DeepLift"),
        "IDGI": paths(IDGI),
        "LIME": hidden(lambda end, name, side: OnPatches("Lime", end, name, side), sizes=patches),
        "KernelSHAP": hidden(lambda end, name, side: OnPatches("KernelShap", end, name, side), sizes=patches),
        "Occlusion": hidden(Occlusion, sizes=[{"side": 5, "stride": 2}, {"side": 3, "stride": 1}]),
        "FeatAblation": hidden(
            lambda end, name, side: OnPatches("FeatureAblation", end, name, side),
            sizes=[*patches, {"side": 1}],
        ),
        "MP": {
            f"cells of {cell}, size {size}, blur x {strength}": MeaningfulPerturbation(
                cell, size, strength=strength
            )
            for cell, size, strength in ((2, 0.08, 1), (2, 0.08, 4), (2, 0.01, 4), (4, 0.01, 4), (2, 0.5, 4))
        },
        "h-Shap": hidden(HShapMap, sizes=[{"min_size": 2}, {"min_size": 4}]),
    }


def own_candidates(mean_image: Tensor) -> dict[str, Settings]:
    """The settings of our own methods.

    Args:
        mean_image: Mean of the training images.
    """
    return {
        "FANS, paper": {"c = 0.1": FANSMap(paper=True)},
        "FANS, recommended": {
            **{f"c = {c}": FANSMap(c=c) for c in (0.1, 0.05, 0.3)},
            "c = 0.1, mean of 4": MeanFANSMap(FANSMap()),
        },
        "sized masks, pixels": {"mean image": SizedMap(mean_image)},
        "sized masks, two references": {"mean image and own mean": SizedMap(mean_image, own=True)},
        "sized masks, regions": {
            name: SizedMap(mean_image, own, regions=True)
            for name, own in (("mean image", False), ("mean image and own mean", True))
        },
        "necessary squares": {"side 4": SizedSquares(mean_image)},
        "relaxed masks": {
            f"α = 0.5, weight of size {size}": RelaxedMask(mean_image, 0.5, size) for size in (2.0, 0.5)
        },
    }


OURS = (
    "FANS, paper",
    "FANS, recommended",
    "sized masks, pixels",
    "sized masks, two references",
    "sized masks, regions",
    "necessary squares",
    "relaxed masks",
)
SLOW = (*OURS, "FANS, shuffled weights")


def trivial(mean_image: Tensor) -> Settings:
    """Rows that explain nothing, in every table."""
    gradients = FromBaseline("IntegratedGradients", torch.zeros_like(mean_image), "black", absolute=True)
    return {
        "ones": Ones(),
        "random": RandomMap(),
        "input × mask": InputTimesMask(),
        "blurred edges": BlurredEdges(),
        "IG, shuffled weights": ShuffledWeights(gradients),
        "FANS, shuffled weights": ShuffledWeights(FANSMap()),
        "|IG|, soft threshold": SoftThreshold(gradients),
    }


def all_methods(mean_image: Tensor, chosen: dict[str, str]) -> list[Method]:
    """Every row of the table that is ours to make.

    Args:
        mean_image: Mean of the training images.
        chosen: The tuned setting of some methods; the others have their first.

    Raises:
        SettingError: if a chosen setting is none of the method's.
    """
    rows = [
        Method(name, explain, repr(explain), "trivial", name in SLOW)
        for name, explain in trivial(mean_image).items()
    ]
    for name, settings in candidates(mean_image).items():
        label = chosen.get(name, next(iter(settings)))
        if label not in settings:
            raise SettingError(f"got the setting {label!r} for {name}; need one of {', '.join(settings)}")
        state = f"{label}{' (tuned)' if name in chosen else ''}"
        explain = settings[label]
        rows.append(
            Method(
                name, explain, f"{state}: {explain!r}", "ours" if name in OURS else "published", name in SLOW
            )
        )
    return rows


def own_method(place: str) -> Method:
    """A user's own method.

    Args:
        place: `module:function`; the function takes (network, images, targets, seed) and answers with maps of
            the images' height and width.

    Raises:
        SettingError: if there is no such module or function.
    """
    module, _, name = place.partition(":")
    try:
        explain = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise SettingError(f"need a method as module:function, got {place!r} ({error})") from error
    if not callable(explain):
        raise SettingError(f"{place} is no function")
    source = Path(getsourcefile(import_module(module)) or "").read_bytes()
    return Method(place, explain, f"as {place} ({hashlib.sha256(source).hexdigest()[:8]})", "yours")


def chosen_methods(rows: list[Method], names: list[str]) -> list[Method]:
    """The rows of these names, "all" for all; trivial ones always.

    Raises:
        SettingError: if a name is unknown.
    """
    unknown = [name for name in names if name not in {"all", *(row.name for row in rows)}]
    if unknown:
        raise SettingError(
            f"got {'; '.join(unknown)}; need some of: all; {'; '.join(row.name for row in rows)}"
        )
    return [row for row in rows if row.group == "trivial" or row.name in names or "all" in names]
