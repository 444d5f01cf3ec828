"""All that can be chosen, and the objects that choices stand for."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias, final

from onlyif.answers.case import SetQuestion
from onlyif.answers.own import OwnCriterion
from onlyif.causation.settings import PNS
from onlyif.core.arguments import (
    Either,
    Flag,
    Function,
    Kind,
    Made,
    Name,
    Several,
    Whole,
    named_or,
    settle,
    settled,
)
from onlyif.core.errors import OnlyIfError, SettingError
from onlyif.core.permitted import Permitted
from onlyif.core.plain_values import shown
from onlyif.criteria.distances import Distance
from onlyif.modalities.base import Modality
from onlyif.modalities.graphs import Graphs
from onlyif.modalities.groups import Groups
from onlyif.modalities.images import Images
from onlyif.models.checked import Fault
from onlyif.models.outputs import Output
from onlyif.references.base import Finished, Reference, ReferenceRecipe
from onlyif.references.marginal import Marginal
from onlyif.restrictions.base import Restriction
from onlyif.searches.base import Search
from onlyif.searches.starts import SearchStart
from onlyif.setup.choose import Parts, choose_restriction, choose_search
from onlyif.setup.constraints import Constraints
from onlyif.setup.names import CRITERIA, DISTANCES, IMAGE_REFERENCES, OUTPUTS, REFERENCES, SEARCHES, named

# Their answers are held, a number each for each of a row's sets.
MOST_RESAMPLES = 100_000
# A label of any type, the number of an output, one of these a row, or None.
Target: TypeAlias = Any


@final
@dataclass(frozen=True, eq=False)
class Options:
    """All that can be chosen when a table is explained; `onlyif.explain` says what each means."""

    target: Target = None
    question: SetQuestion = field(default_factory=SetQuestion)
    groups: Mapping[str, Sequence[str]] | str | Path | Any | None = None
    seed: int = 0
    max_rows: int = 16_384
    budget: int = 2_000_000
    output: Output | str | None = None
    reference: Reference | ReferenceRecipe | str | None = None
    restriction: Restriction | Callable[[Parts, Reference], Restriction] | None = None
    search: Search | SearchStart | str | None = None
    distance: Distance | str | None = None
    keep_table: bool = False
    tolerate: tuple[Fault, ...] = ()
    criterion: PNS | OwnCriterion | str = "sne"
    modality: Modality | Images | Graphs | None = None
    stability: int | None = None
    constraints: Constraints = field(default_factory=Constraints)

    def __post_init__(self) -> None:
        settle(self, _KINDS)


_KINDS: Mapping[str, Kind] = {
    "groups": Groups(),
    "seed": Whole(),
    "max_rows": Whole(least=1),
    "budget": Whole(least=1),
    "output": Either((*named_or(OUTPUTS, "output", Output), None)),
    "reference": Either(
        (Name((*REFERENCES, *IMAGE_REFERENCES), "reference"), Made((Reference, ReferenceRecipe)), None)
    ),
    "restriction": Either((Made((Restriction,)), Function(), None)),
    "search": Either((*named_or(SEARCHES, "search", Search, SearchStart), None)),
    "distance": Either((*named_or(DISTANCES, "distance", Distance), None)),
    "keep_table": Flag(),
    "tolerate": Several(Made((Fault,))),
    "criterion": Either(named_or(CRITERIA, "criterion", PNS, OwnCriterion)),
    "modality": Either((Made((Modality, Images, Graphs)), None)),
    "stability": Either((Whole(least=2, most=MOST_RESAMPLES), None)),
}


def criterion_of(criterion: PNS | OwnCriterion | str) -> PNS | None:
    """How causes are looked for; None for explanations by sets."""
    if isinstance(criterion, str):
        return named(CRITERIA, criterion, "criterion")()
    return criterion if isinstance(criterion, PNS) else None


def own_criterion_of(options: "Options") -> OwnCriterion | None:
    """The user's own criterion, or None.

    Raises:
        SettingError: if an option is given that has no use with it.
    """
    own, plain = options.criterion, SetQuestion()
    if not isinstance(own, OwnCriterion):
        return None
    given = {f.name: getattr(options.question, f.name) != getattr(plain, f.name) for f in fields(plain)}
    given |= {"distance": options.distance is not None, "keep_table": options.keep_table}
    given |= {"stability": options.stability is not None}
    for name, there in given.items():
        if there:
            raise SettingError(
                f"{name} has no use with the criterion {own.name!r}, which says itself what is asked; "
                f"leave it out, or make it a field of {type(own).__name__}"
            )
    return own


def recipe_of(reference: Reference | ReferenceRecipe | str | None) -> ReferenceRecipe:
    """The reference's recipe; the marginal one by default.

    Raises:
        SettingError: for a name of what hides pixels of images.
    """
    if reference is None:
        return Marginal()
    if isinstance(reference, str):
        if reference in IMAGE_REFERENCES:
            need = ", ".join(sorted(REFERENCES))
            raise SettingError(f"the reference {reference!r} is of images; of a table need one of {need}")
        return named(REFERENCES, reference, "reference")()
    return Finished(reference) if isinstance(reference, Reference) else settled(reference, reference.kinds)


def distance_of(distance: Distance | str | None) -> Distance:
    """The distance ρ; |a - b| by default."""
    if distance is None or isinstance(distance, str):
        return named(DISTANCES, "absolute" if distance is None else distance, "distance")()
    return distance


def output_of(output: Output | str | None) -> Output:
    """Which of the model's outputs is explained; the usual one by default."""
    if output is None or isinstance(output, str):
        return named(OUTPUTS, "auto" if output is None else output, "output")()
    return output


def restriction_of(
    given: Restriction | Callable[[Parts, Reference], Restriction] | None, parts: Parts, reference: Reference
) -> Restriction:
    """How f_S(x) is computed; what fits first by default.

    Raises:
        SettingError: if a function of the user raises, or gives no restriction.
    """
    if given is None:
        return choose_restriction(parts, reference)
    if isinstance(given, Restriction):
        return given
    try:
        made: Any = given(parts, reference)
    except OnlyIfError:
        raise
    except Exception as error:  # a function of the user may raise anything
        raise SettingError(
            f"the function given as restriction raised {type(error).__name__}: {error}"
        ) from error
    if not isinstance(made, Restriction):
        raise SettingError(f"the function given as restriction must return a Restriction, got {shown(made)}")
    return made


def given_search(options: Options) -> Search | None:
    """The search of the user's choice, or None.

    Raises:
        SettingError: for what a search along a gradient begins with.
    """
    if isinstance(options.search, str):
        return named(SEARCHES, options.search, "search")(options.budget)
    if isinstance(options.search, SearchStart):
        raise SettingError(
            f"a {type(options.search).__name__} ranks the pixels of images, as a start for sets of pixels; "
            "it has no use with other players"
        )
    return options.search


def search_of(options: Options, n_players: int, restriction: Restriction, permitted: Permitted) -> Search:
    """Which subsets are compared; all of them where the budget allows by default."""
    return given_search(options) or choose_search(n_players, restriction, options.budget, permitted)
