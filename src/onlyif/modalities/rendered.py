"""Instances of any modality as rows of codes, so that all that is known of tables is known of them.

The code of player p of instance i is i (n + 1) where it is shown and i (n + 1) + 1 + j where draw j of n
replaces it. Blending two such rows is hiding; the form in front of the model renders what they say.
"""

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from jaxtyping import Float64
from typing_extensions import override

from onlyif.core.errors import InputError, ModelError, SettingError
from onlyif.core.labels import Row
from onlyif.core.shapes import Batch
from onlyif.modalities.base import ALL_HIDDEN, InstancePlayers, Modality, Queries, check_modality_fits
from onlyif.modalities.table import Schema
from onlyif.modalities.table_columns import Column, ColumnKind, Levels
from onlyif.modalities.table_forms import Form

# Codes are float64, which holds whole numbers up to here.
MOST_CODES = 2**53


@final
@dataclass(frozen=True, eq=False)
class RenderedForm(Form):
    """Rows of codes in front of a model that takes another kind of data.

    Args:
        modality: What the model is given of an instance.
        instances: The instances.
    """

    modality: Modality
    instances: Sequence[Any]

    @property
    @override
    def of_tables(self) -> bool:
        return False

    @property
    @override
    def classes(self) -> tuple[str, ...]:
        return self.modality.classes

    @property
    @override
    def noun(self) -> str:
        return self.modality.noun

    @property
    @override
    def of_batches(self) -> Form:
        return self

    @override
    def encode(self, data: Any, *, exact: bool = False) -> Float64[np.ndarray, "r *x"]:
        if data is ALL_HIDDEN and len(self.instances) == 1:
            return np.ones((1, self.modality.players(self.instances[0]).count))
        raise InputError(
            f"a modality has no tables to read, got a {type(data).__name__}; what hidden players become is "
            "said by the modality itself"
        )

    @override
    def decode(self, batch: Batch) -> Any:
        number, code = np.divmod(batch.astype(np.int64), self.modality.n_draws + 1)
        queries = Queries(self.instances, number[:, 0], code == 0, np.maximum(code - 1, 0))
        rendered = self.modality.render(queries)
        # A batch that is a tuple or a mapping of arrays has its rows inside.
        plain = isinstance(rendered, Sized) and not isinstance(rendered, tuple | Mapping)
        if plain and len(rendered) != len(queries):
            raise ModelError(
                f"{type(self.modality).__name__}.render gave {len(rendered)} rows to {len(queries)} queries; "
                "need one each"
            )
        return rendered


@final
@dataclass(frozen=True, eq=False)
class RenderedRows:
    """Some of the user's instances, whose players have the same names.

    Args:
        modality: Their kind.
        instances: The instances.
        players: Who plays in each.
        first: The number of the first of them among all that are explained.
    """

    modality: Modality
    instances: tuple[Any, ...]
    players: tuple[InstancePlayers, ...]
    first: int

    def __len__(self) -> int:
        return len(self.instances)

    @property
    def names(self) -> tuple[str, ...]:
        """The players' names."""
        return self.players[0].names

    @property
    def labels(self) -> tuple[Row, ...]:
        """What the instances are called in results."""
        each = enumerate(self.instances, self.first)
        return tuple(self.modality.label(instance, place) for place, instance in each)

    @property
    def notes(self) -> tuple[str, ...]:
        """What the reader should know of who plays, each a sentence."""
        return tuple(dict.fromkeys(each.note for each in self.players if each.note))

    @property
    def codes(self) -> Float64[np.ndarray, "b d"]:
        """The instances as they are."""
        numbers = np.arange(len(self), dtype=np.float64) * (self.modality.n_draws + 1)
        return np.repeat(numbers[:, None], len(self.names), axis=1)

    def schema(self) -> Schema:
        """The instances as a kind of table, whose columns are the players."""
        form = RenderedForm(self.modality, self.instances)
        return Schema(tuple(self._column(p) for p in range(len(self.names))), form)

    def _column(self, player: int) -> Column:
        draws = range(self.modality.n_draws)
        hidden = ["hidden"] if len(draws) == 1 else [f"hidden by draw {draw}" for draw in draws]
        labels = tuple(label for each in self.players for label in (each.values[player] or "shown", *hidden))
        places = np.arange(len(labels), dtype=np.float64)
        levels = Levels({}, places, labels, tuple(range(len(labels))), typed=False)
        return Column(self.names[player], ColumnKind.UNORDERED, levels=levels)


def in_groups(modality: Modality, instances: Sequence[Any], *, alone: bool) -> list[RenderedRows]:
    """Instances that follow each other and whose players have the same names, together.

    Args:
        modality: Their kind.
        instances: All instances, in order.
        alone: Whether each is to be on its own nevertheless.

    Raises:
        InputError: if an instance is none of this kind, has no players, or there are too many to number.
        SettingError: if the modality gives no players or no number of draws.
    """
    groups: list[RenderedRows] = []
    for number in range(len(instances)):
        instance = instances[number]
        players = modality.players(instance)
        check_modality_fits(players, modality.n_draws)
        alike = bool(groups) and (groups[-1].names, groups[-1].players[-1].note) == (
            players.names,
            players.note,
        )
        if alike and not alone:
            last = groups[-1]
            joined = (*last.instances, instance), (*last.players, players)
            groups[-1] = RenderedRows(modality, *joined, last.first)
        else:
            groups.append(RenderedRows(modality, (instance,), (players,), number))
    if max(len(group) for group in groups) * (modality.n_draws + 1) > MOST_CODES:
        raise SettingError("too many instances and draws to number; explain fewer instances in a call")
    return groups
