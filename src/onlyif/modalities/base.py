"""Kinds of data that are no tables: who plays in an instance, and what the model is given of it."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
from array_api_compat import is_array_api_obj
from jaxtyping import Bool, Int64

from onlyif.core.arrays import Array, beside
from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.core.labels import Row
from onlyif.core.nouns import FEATURE
from onlyif.core.players import duplicates


@final
@dataclass(frozen=True)
class InstancePlayers:
    """The players of one instance.

    Args:
        names: One name a player, distinct.
        values: What each player is in this instance, as text for a reader; "" where a name says it all.
        note: What the reader should know of who plays, a sentence; "" for nothing.

    Raises:
        InputError: if there is no player, names repeat, or there is not one value a player.

    Example:
        >>> InstancePlayers(("word 1", "word 2"), ("good", "film")).count
        2
    """

    names: tuple[str, ...]
    values: tuple[str, ...]
    note: str = ""

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("an instance has no players, so that there is nothing to explain it by")
        if len(set(self.names)) != len(self.names):
            raise InputError(f"player names must be distinct, got {duplicates(self.names)} more than once")
        if len(self.values) != len(self.names):
            raise InputError(f"need one value a player: {len(self.names)} players, {len(self.values)} values")

    @property
    def count(self) -> int:
        """The number d of players."""
        return len(self.names)


@final
@dataclass(frozen=True, eq=False)
class Query:
    """What the model is to be given in one row: an instance of which some players are hidden.

    Args:
        instance: The instance.
        shown: Which players are as they are in the instance.
        draw: For each hidden player the number of the draw that replaces it; 0 where there is one way to
            hide.
    """

    instance: Any
    shown: Bool[np.ndarray, "d"]
    draw: Int64[np.ndarray, "d"]


@final
@dataclass(frozen=True, eq=False)
class Queries:
    """The rows of one call of the model: a sequence of `Query`, and the same as whole arrays.

    Args:
        instances: All instances that are explained together.
        which: The number of the instance of each row.
        shown: Which players each row shows.
        draw: The number of the draw for each hidden player of each row.
    """

    instances: Sequence[Any]
    which: Int64[np.ndarray, "r"]
    shown: Bool[np.ndarray, "r d"]
    draw: Int64[np.ndarray, "r d"]

    def __len__(self) -> int:
        return len(self.which)

    def __iter__(self) -> Iterator[Query]:
        rows = zip(self.which.tolist(), self.shown, self.draw, strict=True)
        return (Query(self.instances[number], shown, draw) for number, shown, draw in rows)


@contextmanager
def _nothing(model: Any) -> Iterator[None]:
    yield


@final
@dataclass(frozen=True, eq=False)
class Call:
    """A call of a model that takes several arguments, or returns more rows than there are queries.

    `Modality.render` returns it if a batch has several parts, such as features and edges.

    Args:
        arguments: The model's arguments, in order.
        named: More of them, by their names.
        rows: The row of the model's answer for each query.
        n_answers: The rows that the model has to answer with.
        inside: What is around the call of a model, as what masks messages in its layers; by default nothing.

    Example:
        >>> Call((np.ones((3, 2)), 2.0), {}, np.array([1]), 3).answered_by(lambda x, y: x * y)
        array([[2., 2.]])
    """

    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    rows: Int64[np.ndarray, "r"]
    n_answers: int
    inside: Callable[[Any], AbstractContextManager[None]] = _nothing

    def __len__(self) -> int:
        return len(self.rows)

    def answered_by(self, model: Callable[..., Any]) -> Array:
        """The model's answers for the queries, in order.

        Args:
            model: What is called.

        Raises:
            ModelError: unless it answers with one array or tensor of so many rows.
        """
        with self.inside(model):
            answer = model(*self.arguments, **self.named)
        if not is_array_api_obj(answer):
            raise ModelError(f"the model answered with a {type(answer).__name__}; need one array or tensor")
        if answer.ndim == 0 or len(answer) != self.n_answers:
            raise ModelError(
                f"the model answered with shape {tuple(answer.shape)}; need {self.n_answers} rows, one for "
                "each row of what it was given"
            )
        return answer[beside(self.rows, answer)]


class Modality(ABC):
    """A kind of data: the players of an instance, and what the model receives when some are hidden.

    Pass it as `onlyif.explain(model, instances, modality=...)`. Instances can have different players.
    """

    @abstractmethod
    def players(self, instance: Any) -> InstancePlayers:
        """Who plays in an instance.

        Args:
            instance: One of the user's instances.

        Raises:
            InputError: if it is none of this kind.
        """

    @abstractmethod
    def render(self, queries: Queries) -> Any:
        """What the model is given: its own kind of batch, in new memory, one row a query; or a `Call`.

        Args:
            queries: The rows of one call.
        """

    @property
    @abstractmethod
    def hides(self) -> str:
        """One sentence: what becomes of a hidden player."""

    def label(self, instance: Any, place: int) -> Row:
        """What an instance is called in results; by default its place among those explained together.

        Args:
            instance: One of the user's instances.
            place: Its place.
        """
        return place

    @property
    def classes(self) -> tuple[str, ...]:
        """What the model's outputs are called, in order; () leaves that to the model."""
        return ()

    @property
    def noun(self) -> str:
        """What a player is, in one word for the reader; its plural is made from it."""
        return FEATURE

    @property
    def n_draws(self) -> int:
        """In how many equally likely ways a player is hidden; players of one draw are hidden together."""
        return 1


# What `RenderedForm` reads as x': every player hidden by the first draw.
ALL_HIDDEN = "every player hidden"


def instances_of(data: Any) -> Sequence[Any]:
    """The user's instances, as a sequence.

    Args:
        data: A list, an array, a tensor: whatever has a length and can be numbered.

    Raises:
        InputError: if it is no sequence, is text, or is empty.
    """
    if isinstance(data, str | bytes | dict) or not isinstance(data, Sized) or not _is_numbered(data):
        raise InputError(
            f"need a sequence of instances, as a list or a tensor of them, got a {type(data).__name__}; "
            "a single instance goes into a list"
        )
    if len(data) == 0:
        raise InputError("got 0 instances; need at least one")
    sequence: Any = data
    return cast("Sequence[Any]", sequence)


def _is_numbered(data: object) -> bool:
    return callable(getattr(type(data), "__getitem__", None))


def check_modality_fits(players: object, n_draws: object) -> None:
    """Refuse what a modality of the user's cannot mean.

    Args:
        players: Who plays in an instance.
        n_draws: In how many ways a player is hidden.

    Raises:
        SettingError: unless these are `InstancePlayers` and a whole number of at least 1.
    """
    if not isinstance(players, InstancePlayers):
        raise SettingError(f"Modality.players must return InstancePlayers, got {type(players).__name__}")
    if not isinstance(n_draws, int) or n_draws < 1:
        raise SettingError(f"Modality.n_draws must be a whole number of at least 1, got {n_draws!r}")
