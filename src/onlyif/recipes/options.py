"""All that can be chosen, and the objects that choices stand for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any, TypeAlias, final

from onlyif.case import Question
from onlyif.core.errors import SettingError
from onlyif.core.seeds import child_seed
from onlyif.criteria.distances import Distance
from onlyif.predictors.checked import Fault
from onlyif.predictors.outputs import Output
from onlyif.recipes.causation import PNS
from onlyif.recipes.choose import Parts, choose_restriction, choose_search
from onlyif.recipes.names import CRITERIA, DISTANCES, OUTPUTS, REFERENCES, SEARCHES, named
from onlyif.recipes.references import Given, Marginal, ReferenceRecipe
from onlyif.references.base import Reference
from onlyif.restrictions.base import Restriction
from onlyif.searches.base import Search

# A label of any type, the number of an output, one of these a row, or None.
Target: TypeAlias = Any


@final
@dataclass(frozen=True, eq=False)
class Options:
    """All that can be chosen when a table is explained; `onlyif.explain` says what each means."""

    target: Target = None
    question: Question = field(default_factory=Question)
    groups: Mapping[str, Sequence[str]] | str | Path | Any | None = None
    seed: int = 0
    max_rows: int = 16_384
    budget: int = 2_000_000
    output: Output | str | None = None
    reference: Reference | ReferenceRecipe | str | None = None
    restriction: Restriction | Callable[[Parts, Reference], Restriction] | None = None
    search: Search | str | None = None
    distance: Distance | str | None = None
    keep_table: bool = False
    tolerate: tuple[Fault, ...] = ()
    criterion: PNS | str = "sne"

    def __post_init__(self) -> None:
        child_seed(self.seed, "check")
        if not -(2**63) <= self.seed < 2**63:
            raise SettingError(f"seed must be a whole number of 64 bits, got {str(self.seed)[:60]}")
        _check_whole("max_rows", self.max_rows)
        _check_whole("budget", self.budget)
        _check_kind("reference", self.reference, (str, Reference, ReferenceRecipe))
        _check_kind("search", self.search, (str, Search))
        _check_kind("distance", self.distance, (str, Distance))
        _check_kind("output", self.output, (str, Output))
        _check_kind("criterion", self.criterion, (str, PNS))
        for fault in self.tolerate:
            _check_kind("each of tolerate", fault, (Fault,))
        if self.max_rows < 1:
            raise SettingError(f"max_rows must be at least 1, got {self.max_rows}")
        if self.budget < 1:
            raise SettingError(f"budget must be at least 1 model row, got {self.budget}")


def _check_whole(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise SettingError(f"{name} must be a whole number, got {value!r}")


def _check_kind(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if value is not None and not isinstance(value, kinds):
        listed = " or ".join("a name" if kind is str else f"a {kind.__name__}" for kind in kinds)
        raise SettingError(f"{name} must be {listed}, got {value!r}")


def criterion_of(criterion: PNS | str) -> PNS | None:
    """How causes are looked for; None for explanations by sets."""
    return named(CRITERIA, criterion, "criterion")() if isinstance(criterion, str) else criterion


def recipe_of(reference: Reference | ReferenceRecipe | str | None) -> ReferenceRecipe:
    """The reference's recipe; the marginal one by default."""
    if reference is None:
        return Marginal()
    if isinstance(reference, str):
        return named(REFERENCES, reference, "reference")()
    return Given(reference) if isinstance(reference, Reference) else reference


def distance_of(distance: Distance | str | None) -> Distance:
    """The distance ρ; |a - b| by default."""
    if distance is None or isinstance(distance, str):
        return named(DISTANCES, distance or "absolute", "distance")()
    return distance


def output_of(output: Output | str | None) -> Output:
    """Which of the model's outputs is explained; the usual one by default."""
    return named(OUTPUTS, output or "auto", "output")() if isinstance(output, str | None) else output


def restriction_of(
    given: Restriction | Callable[[Parts, Reference], Restriction] | None, parts: Parts, reference: Reference
) -> Restriction:
    """How f_S(x) is computed; what fits first by default."""
    if given is None:
        return choose_restriction(parts, reference)
    return given if isinstance(given, Restriction) else given(parts, reference)


def search_of(options: Options, n_players: int, restriction: Restriction) -> Search:
    """Which subsets are compared; all of them where the budget allows by default."""
    if isinstance(options.search, str):
        return named(SEARCHES, options.search, "search")(options.budget)
    return options.search or choose_search(n_players, restriction, options.budget)
