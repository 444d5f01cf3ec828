"""The work of Table 1 in blocks: a file for each method and block of images, there whole or not at all.

A run that was killed finds the files that it finished, and makes the others: the table is that of a run
that was not killed. What a method does wrong is written down in its block, and no other block is touched.
"""

import copy
import hashlib
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from experiments.table1_measures import Scene, measured, moved, timed
from torch import Tensor, nn

from onlyif.core.seeds import child_seed
from onlyif.core.whole_files import write_whole

Explainer = Callable[[nn.Module, Tensor, Tensor, int], Tensor]
# What can be wrong with a map, in the words of the table.
RAISED, SHAPE, NOT_FINITE, CONSTANT, GOOD = "raised", "wrong shape", "not finite", "constant", ""
USELESS = (RAISED, SHAPE, NOT_FINITE)


class NoMapError(Exception):
    """An explainer did not answer with one finite number a pixel."""


@dataclass(frozen=True, eq=False)
class Method:
    """One row of the table.

    Args:
        name: Its name.
        explain: From the network, images, their targets and a seed to one number a pixel.
        settings: Its settings, in words; with the name they say what its files hold.
        group: "trivial", "published" or "ours", or "yours".
        slow: Whether fewer images are explained.
    """

    name: str
    explain: Explainer
    settings: str
    group: str
    slow: bool = False

    @property
    def slug(self) -> str:
        """The name of its folder."""
        plain = "".join(letter if letter.isalnum() else "-" for letter in self.name.lower())
        return f"{plain}-{hashlib.sha256(self.settings.encode()).hexdigest()[:8]}"


def maps_of(method: Method, scene: Scene, images: Tensor, seed: int) -> tuple[Tensor, list[str], str, int]:
    """The maps of a method, what is wrong with each, the first message, and rows that the network was asked.

    Images that a method cannot take together are tried one by one.
    """
    height, width = images.shape[-2:]
    network, rows = _counted(scene.network)
    found = torch.full((len(images), height, width), torch.nan)
    try:
        maps = _asked(method, network, images, scene.targets, seed)
        wrong, message = [GOOD] * len(images), ""
        found.copy_(maps)
    except Exception as error:  # a user's code: whatever it raises is written down
        wrong, message = [], ""
        for i in range(len(images)):
            try:
                one = slice(i, i + 1)
                found[one] = _asked(method, network, images[one], scene.targets[one], seed)
                wrong.append(GOOD)
            except Exception as alone:  # the same
                wrong.append(SHAPE if isinstance(alone, NoMapError) else RAISED)
                message = message or _said(alone)
        message = message or f"only one by one: {_said(error)}"
    return found, [_state(one, state) for one, state in zip(found, wrong, strict=True)], message, rows()


def _state(one: Tensor, state: str) -> str:
    if state:
        return state
    if not bool(one.isfinite().all()):
        return NOT_FINITE
    return CONSTANT if float(one.min()) == float(one.max()) else GOOD


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200].replace("\n", " ")


def _asked(method: Method, network: nn.Module, images: Tensor, targets: Tensor, seed: int) -> Tensor:
    """The maps, from equal random states, with the images and the network safe from what a method does."""
    with seeded(seed), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = method.explain(copy.deepcopy(network), images.clone(), targets.clone(), seed)
    maps = torch.as_tensor(np.asarray(answer)) if not isinstance(answer, Tensor) else answer
    wanted = (len(images), *images.shape[-2:])
    if tuple(maps.shape) != wanted:
        raise NoMapError(f"the maps have shape {tuple(maps.shape)}; need {wanted}, one number a pixel")
    return maps.detach().cpu().float()


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Equal global random states of torch and numpy; those of before are put back."""
    before = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(child_seed(seed, "an explainer"))
        np.random.seed(seed % 2**32)
        try:
            yield
        finally:
            np.random.set_state(before)


def _counted(network: nn.Module) -> tuple[nn.Module, Callable[[], int]]:
    """A copy that counts its rows, as its own copies do."""
    made, count = copy.deepcopy(network).eval(), [0]

    def seen(_: nn.Module, given: tuple[Any, ...]) -> None:
        count[0] += len(given[0])

    made.register_forward_pre_hook(seen)
    return made, lambda: count[0]


def block(method: Method, scene: Scene, folder: Path, number: int, moving: bool) -> dict[str, np.ndarray]:
    """All that is measured of one method on one block; what is on disk is read.

    Args:
        method: The method.
        scene: The images of the block.
        folder: Of this run's files.
        number: Of the block.
        moving: Whether the explainer is run again for Max-Sensitivity.
    """
    place = folder / method.slug
    maps = kept(place / f"maps_{number:03d}.npz", lambda: _maps(method, scene))
    found = kept(place / f"values_{number:03d}.npz", lambda: _values(maps, scene))
    if moving:
        found = found | kept(place / f"moved_{number:03d}.npz", lambda: _moved(method, scene, maps))
    return {name: maps[name] for name in ("maps", "state", "seconds", "rows", "message")} | found


def _maps(method: Method, scene: Scene) -> dict[str, np.ndarray]:
    (maps, states, message, rows), seconds = timed(lambda: maps_of(method, scene, scene.x, 0))
    each = np.full(len(states), 1.0 / len(states))
    return {
        "maps": maps.numpy(),
        "state": np.array(states),
        "seconds": seconds * each,
        "rows": rows * each,
        "message": np.array([message] * len(states)),
    }


def _values(maps: dict[str, np.ndarray], scene: Scene) -> dict[str, np.ndarray]:
    """The measures of the maps that are maps, NaN for the others."""
    good = torch.from_numpy(~np.isin(maps["state"], USELESS))
    if not bool(good.any()):
        return {"PNS": np.full(len(good), np.nan)}
    some = Scene(
        scene.network, scene.x[good], scene.labels[good], scene.targets[good], scene.mean_image, scene.sizes
    )
    found = measured(torch.from_numpy(maps["maps"])[good], some)
    return {name: _spread(values, good.numpy()) for name, values in found.items()}


def _moved(method: Method, scene: Scene, maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """How far the maps move, NaN for all where the explainer fails on a neighbour."""
    if np.isin(maps["state"], USELESS).any():
        return {"fault": np.array(["no neighbours where a map is missing"])}

    def explain(rows: Tensor, seed: int) -> Tensor:
        found, states, message, _ = maps_of(method, scene, rows, seed)
        if any(state in USELESS for state in states):
            raise NoMapError(message or NOT_FINITE)
        return found

    try:
        return moved(explain, scene)
    except NoMapError as error:
        return {"fault": np.array([f"on a neighbour: {error}"])}


def _spread(values: np.ndarray, good: np.ndarray) -> np.ndarray:
    found = np.full(len(good), np.nan)
    found[good] = values
    return found


def kept(path: Path, make: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """The arrays of a file, which is made if it is not there."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        held = io.BytesIO()
        np.savez_compressed(held, **make())
        write_whole(path, held.getvalue())
    with np.load(path, allow_pickle=False) as found:
        return {name: found[name] for name in found.files}
