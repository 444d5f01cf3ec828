"""A model and a background, read, checked and asked once: what explanations of any rows rest on."""

from contextlib import suppress
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, version
from platform import python_version
from typing import Any, final

import numpy as np
from jaxtyping import Float64

from onlyif.core.progress import Meter
from onlyif.modalities.background import Background
from onlyif.setup.checked_model import CheckedModel, checked_model
from onlyif.setup.decisions import deciding_model
from onlyif.setup.options import Options
from onlyif.setup.tables import Tables, background_of
from onlyif.version import __version__


@final
@dataclass(frozen=True, eq=False)
class Source:
    """What the user gave, beside the rows to explain.

    Args:
        model: The model.
        background: The background, or None.
        options: All that can be chosen.
    """

    model: Any
    background: Any
    options: Options


@final
@dataclass(frozen=True, eq=False)
class Foundation:
    """A model and a background, read, checked and asked: what explanations of any rows rest on.

    Args:
        source: What the user gave.
        tables: The kind of table, and the background, coded.
        model: The model behind its checks.
        explained: The same with what is explained of it: itself, or its decisions.
        background: The background as settings see it.
        of_decisions: Whether what is compared are decisions.
        versions: Names and versions of the packages that matter.
        call_notes: What the reader should know of how large its calls are, each a sentence.
    """

    source: Source
    tables: Tables
    model: CheckedModel
    explained: CheckedModel
    background: Background
    of_decisions: bool
    versions: tuple[tuple[str, str], ...]
    call_notes: tuple[str, ...]

    def metered(self, meter: Meter) -> "Foundation":
        """The same, with the rows that the model is given counted.

        Args:
            meter: What counts.
        """
        return replace(self, model=self.model.metered(meter), explained=self.explained.metered(meter))

    def values(self, row: Float64[np.ndarray, "c"]) -> tuple[str, ...]:
        """The value of each player as text; those of a group with their columns' names.

        Args:
            row: A row, coded.
        """
        schema, players = self.tables.schema, self.tables.players
        texts, names = schema.text(row), schema.columns
        columns_of_players = [players.columns(player) for player in range(players.count)]
        return tuple(
            texts[columns[0]] if len(columns) == 1 else ", ".join(f"{names[c]}={texts[c]}" for c in columns)
            for columns in columns_of_players
        )


def foundation_of(
    source: Source,
    tables: Tables,
    meter: Meter,
    call_notes: tuple[str, ...],
    *,
    of_decisions: bool = False,
) -> Foundation:
    """The user's model and background, with every input checked.

    Args:
        source: What the user gave.
        tables: The kind of table, and the background, coded.
        meter: What counts the rows that the model is given.
        call_notes: What the reader should know of how large its calls are.
        of_decisions: Whether what is compared are decisions.

    Raises:
        SettingError: if the model is none, or makes no decisions that are compared.
        ModelError: if the model fails on a small sample of the background.
    """
    options = source.options
    model = checked_model(source.model, tables, options, meter)
    explained = deciding_model(model, options) if of_decisions else model
    background, versions = background_of(tables, options), _versions_of(source.model)
    return Foundation(source, tables, model, explained, background, of_decisions, versions, call_notes)


def _versions_of(model: Any) -> tuple[tuple[str, str], ...]:
    """The versions of the packages that matter."""
    package = type(model).__module__.partition(".")[0]
    found = [("onlyif", __version__), ("python", python_version()), ("numpy", np.__version__)]
    ours = "torch" if any(kind.__module__.startswith("torch.") for kind in type(model).__mro__) else package
    if ours not in {"builtins", "onlyif"}:
        dist = {"sklearn": "scikit-learn"}.get(ours, ours)
        with suppress(PackageNotFoundError):
            found.append((dist, version(dist)))
    return tuple(found)
