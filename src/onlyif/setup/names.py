"""The one table of names: what a string stands for in Python and on the command line."""

from collections.abc import Callable, Mapping
from typing import TypeVar

from onlyif.causation.settings import PNS
from onlyif.core.errors import SettingError
from onlyif.criteria.distances import AbsoluteDistance, DiscreteDistance, Distance, LogitDistance
from onlyif.models.checked import Fault
from onlyif.models.outputs import (
    AutoOutput,
    LogitOutput,
    MarginOutput,
    Output,
    ProbabilityOutput,
    ValueOutput,
)
from onlyif.references.base import ReferenceRecipe
from onlyif.references.baseline import Baseline
from onlyif.references.empirical import Empirical
from onlyif.references.gaussian import Gaussian
from onlyif.references.marginal import Marginal
from onlyif.searches.base import Search
from onlyif.searches.beam import BeamSearch
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.greedy import ForwardGreedySearch
from onlyif.trees.path_reference import TreePath

T = TypeVar("T")

REFERENCES: Mapping[str, Callable[[], ReferenceRecipe]] = {
    "marginal": Marginal,
    "baseline": Baseline,
    "gaussian": Gaussian,
    "empirical": Empirical,
    "tree-path": TreePath,
}
# Of images there are these, and the marginal one and the baseline.
IMAGE_REFERENCES = ("blur", "noise")
DISTANCES: Mapping[str, Callable[[], Distance]] = {
    "absolute": AbsoluteDistance,
    "discrete": DiscreteDistance,
    "logit": LogitDistance,
}
OUTPUTS: Mapping[str, Callable[[], Output]] = {
    "auto": AutoOutput,
    "probability": ProbabilityOutput,
    "margin": MarginOutput,
    "logit": LogitOutput,
    "value": ValueOutput,
}
SEARCHES: Mapping[str, Callable[[int], Search]] = {
    "exhaustive": lambda budget: ExhaustiveSearch(),
    "beam": lambda budget: BeamSearch(budget=budget),
    "greedy": lambda budget: ForwardGreedySearch(budget=budget),
}
# None stands for explanations by sets: sufficient, necessary and what lies between.
CRITERIA: Mapping[str, Callable[[], PNS | None]] = {"sne": lambda: None, "pns": PNS}
FAULTS: Mapping[str, Fault] = {"random": Fault.RANDOM, "changes-input": Fault.CHANGES_INPUT}


def named(table: Mapping[str, T], name: str, what: str) -> T:
    """What a name stands for.

    Raises:
        SettingError: if there is no such name.

    Example:
        >>> named(DISTANCES, "absolute", "distance")()
        AbsoluteDistance()
    """
    if name not in table:
        raise SettingError(f"unknown {what} {name!r}; need one of {', '.join(sorted(table))}")
    return table[name]
