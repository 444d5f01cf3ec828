"""Explanations of games, made by the library itself: what the tests compare with the oracles."""

from dataclasses import dataclass, field, replace

import torch
from hypothesis import strategies as st

from onlyif.answers.case import Case, SetQuestion, Subject
from onlyif.answers.explained import explain_case
from onlyif.answers.sets import SetsCriterion
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.models.base import Meaning, Predictor
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.testing.explanations import PROVENANCE
from onlyif.testing.restrictions import game_of_tables


def case_of(function, question=None, search=None, distance=None, fresh=None):
    d, b = function.n_players, len(function.x)
    distance = distance or AbsoluteDistance()
    subjects = tuple(Subject(str(i), ("1",) * d, 0, "yes") for i in range(b))
    return Case(
        criterion=SetsCriterion(function, fresh, distance, question or SetQuestion()),
        search=search or ExhaustiveSearch(),
        names=tuple(f"p{i}" for i in range(d)),
        subjects=subjects,
        digits=30,
        provenance=replace(PROVENANCE, sentences={**PROVENANCE.sentences, "distance": distance.kind.name}),
    )


def explained(tables, question=None, **other):
    """One explanation a table."""
    return explain_case(
        case_of(game_of_tables([[float(value) for value in table] for table in tables]), question, **other)
    )


def tables(values, least=1, most=5):
    """Tables of 2^d values for d from `least` to `most`."""
    return st.integers(least, most).flatmap(lambda d: st.lists(values, min_size=2**d, max_size=2**d))


def players_of(table):
    return len(table).bit_length() - 1


@dataclass(frozen=True, eq=False)
class Watched(Predictor):
    """A model of two outputs that remembers how many rows each of its calls had."""

    calls: list[int] = field(default_factory=list)

    def predict(self, batch):
        self.calls.append(len(batch))
        a, b, c, d = (batch[:, i] for i in range(4))
        return torch.stack([a * b - c + d * d / 2, a + 3 * b * c * d], dim=1)

    @property
    def meaning(self):
        return Meaning("watched", "value", ("first", "second"))


def watched_row(row, target):
    """The same model, one row and one output at a time."""
    a, b, c, d = row[:4]
    return (a * b - c + d * d / 2, a + 3 * b * c * d)[target]
