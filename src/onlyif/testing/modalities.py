"""The contract of every modality, as checks that anyone can run on their own."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool

from onlyif.core.arrays import doubled
from onlyif.modalities.base import InstancePlayers, Modality, Queries
from onlyif.models.outputs import as_outputs

N_ROWS = 8


def check_modality(modality: Modality, instances: Sequence[Any], model: Callable[[Any], Any]) -> None:
    """Raise AssertionError, saying what is wrong, unless a modality keeps its contract.

    Players repeat; every row of a call is answered, as it is answered alone and in any other order; with
    every player shown the draw is no matter; a model sees no difference between two equal queries.

    Args:
        modality: The modality.
        instances: Some instances; those whose players have the same names are asked about together.
        model: A model of what it renders, whose answer to a row does not depend on the other rows.

    Example:
        >>> from onlyif.modalities.images import Images
        >>> images = Images(2).of(np.ones((2, 1, 4, 4)), np.zeros((1, 1, 1, 4, 4)), "Pixels are black.")
        >>> check_modality(images, range(2), lambda batch: batch.mean((1, 2, 3)))
    """
    _need(modality.hides.strip() == modality.hides != "", "it needs a sentence that says what hides")
    _need(modality.hides.endswith("."), f"the sentence must end with a full stop: {modality.hides!r}")
    _need(modality.n_draws >= 1, f"there is at least one way to hide a player, got {modality.n_draws}")
    groups: dict[tuple[str, ...], list[Any]] = {}
    for instance in instances:
        players = modality.players(instance)
        _need(isinstance(players, InstancePlayers), "players must be InstancePlayers")
        _need(players == modality.players(instance), "players must be the same whenever they are asked for")
        groups.setdefault(players.names, []).append(instance)
    for names, alike in groups.items():
        _check_rows(modality, alike, len(names), model)


def _check_rows(modality: Modality, instances: list[Any], count: int, model: Callable[[Any], Any]) -> None:
    random = np.random.default_rng(0)
    which = np.arange(N_ROWS * len(instances)) % len(instances)
    shown = random.random((len(which), count)) < 0.5
    shown[: len(instances)], shown[len(instances) : 2 * len(instances)] = True, False
    draw = random.integers(0, modality.n_draws, (len(which), 1)).repeat(count, axis=1)

    def answers(rows: np.ndarray, keep: Bool[np.ndarray, "r d"] = shown) -> np.ndarray:
        queries = Queries(instances, which[rows], keep[rows], np.where(keep, 0, draw)[rows])
        return doubled(as_outputs(model(modality.render(queries)), len(rows)))

    rows = np.arange(len(which))
    together = answers(rows)
    _need(
        len(together) == len(rows),
        f"{len(rows)} queries were answered by {len(together)} rows",
    )
    _need(np.allclose(answers(rows[::-1])[::-1], together), "the order of queries changes what is rendered")
    alone = np.concatenate([answers(rows[i : i + 1]) for i in rows.tolist()])
    _need(np.allclose(alone, together), "a query alone is rendered otherwise than beside others")
    _need(np.allclose(answers(rows), together), "the same queries must be rendered alike")


def _need(holds: bool, message: str) -> None:
    assert holds, message
