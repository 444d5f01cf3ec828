"""From arguments to the options of an explanation."""

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from onlyif.answers.case import SetQuestion
from onlyif.answers.sets import SetsCriterion
from onlyif.causation.samples import BackgroundRows, NearestRows
from onlyif.causation.settings import PNS
from onlyif.cli.inputs import Inputs
from onlyif.core.errors import SettingError
from onlyif.references.base import ReferenceRecipe
from onlyif.references.baseline import Baseline
from onlyif.references.empirical import Empirical
from onlyif.references.marginal import Marginal
from onlyif.setup.constraints import Constraints
from onlyif.setup.names import CRITERIA, FAULTS, REFERENCES, named
from onlyif.setup.options import Options, Target
from onlyif.setup.work import Work

_LABEL = "label:"


def options_of(arguments: Namespace, inputs: Inputs) -> Options:
    """The options that the arguments ask for.

    Raises:
        SettingError: if they do not fit each other.
    """
    causes = _causes(arguments, inputs)
    return Options(
        target=target_of(arguments.target),
        question=SetQuestion(
            arguments.alpha, arguments.size, arguments.exact_size, arguments.epsilon, arguments.confidence
        ),
        groups=inputs.groups,
        seed=arguments.seed,
        max_rows=arguments.max_rows,
        budget=_budget(arguments),
        output=arguments.output,
        reference=_reference(arguments, inputs) if causes is None else arguments.reference,
        search={"auto": None}.get(arguments.search, arguments.search),
        # The default of explanations by sets.
        distance={"absolute": None}.get(arguments.distance, arguments.distance),
        keep_table=arguments.keep_table,
        tolerate=tuple(FAULTS[name] for name in arguments.tolerate),
        criterion=causes or "sne",
        stability=arguments.stability,
        constraints=_constraints(arguments),
    )


def target_of(text: str | None) -> Target:
    """A number where the text is one, else a class label; a number that is a label is the label.

    Example:
        >>> target_of("1"), target_of("label:1"), target_of("yes")
        (1, '1', 'yes')
    """
    if text is None:
        return None
    if text.startswith(_LABEL):
        return text.removeprefix(_LABEL)
    return int(text) if text.isdecimal() else text


def _constraints(arguments: Namespace) -> Constraints:
    """Which sets may be reported, and what players cost.

    Raises:
        SettingError: if a cost is no number, or a column is named twice.
    """
    costs = dict[str | int, float]()
    for player, text in _pairs("costs", "COST", arguments.costs):
        if player in costs:
            raise SettingError(f"--costs names {player!r} twice")
        try:
            costs[player] = float(text)
        except ValueError as error:
            raise SettingError(f"--costs needs a number after the =, got {text!r}") from error
    order = dict[str | int, list[str | int]]()
    for player, text in _pairs("order", "NEEDED", arguments.order):
        order.setdefault(player, []).append(_player(text))
    keep, never = ([*map(_player, named)] for named in (arguments.keep, arguments.never))
    return Constraints(keep, never, costs or None, order or None)


def _pairs(option: str, what: str, texts: Sequence[str]) -> Iterator[tuple[str | int, str]]:
    """Each text split at its last =, so that names may hold one."""
    for text in texts:
        player, mark, value = text.rpartition("=")
        if not (mark and player and value):
            raise SettingError(f"--{option} needs COLUMN={what}, got {text!r}")
        yield _player(player), value


def _player(text: str) -> str | int:
    """A player's name, or its number where the text is one; a name that looks like a number comes first."""
    return int(text) if text.isdecimal() and str(int(text)) == text else text


def _reference(arguments: Namespace, inputs: Inputs) -> ReferenceRecipe | None:
    name = arguments.reference or ("marginal" if arguments.baseline is None else "baseline")
    recipe = _RECIPES.get(name, _plain)(name, arguments, inputs)
    used = _USES.get(name, frozenset())
    for option in ("background_rows", "baseline"):
        if getattr(arguments, option) is not None and option not in used:
            raise SettingError(f"--{option.replace('_', '-')} has no use with --reference {name}")
    if inputs.background is None and arguments.baseline is None and name not in _ALONE:
        raise SettingError(
            "need a background: name a table of rows like those the model was trained on with --background; "
            "hidden columns take their values from them"
        )
    return recipe


def _causes(arguments: Namespace, inputs: Inputs) -> PNS | None:
    """How causes are looked for, where the criterion is pns."""
    plain = named(CRITERIA, arguments.criterion, "criterion")()
    given = {name: getattr(arguments, name) for name in ("b", "c", "sample", "events")}
    given = {name: value for name, value in given.items() if value is not None}
    if plain is None:
        if given:
            raise SettingError(f"--{next(iter(given))} has no use without --criterion pns")
        return None
    if inputs.background is None:
        raise SettingError(
            "need a background: name a table of rows like those the model was trained on with --background; "
            "rows near the explained one are sought in it"
        )
    if arguments.background_rows is not None:
        n_all = len(inputs.background)
        rows = n_all if arguments.background_rows < 0 else arguments.background_rows
        given["sample"] = {"nearest": NearestRows}.get(given.get("sample", ""), BackgroundRows)(rows)
    return replace(plain, baseline=inputs.baseline, **given)


def _plain(name: str, arguments: Namespace, inputs: Inputs) -> ReferenceRecipe:
    return REFERENCES[name]()


def _marginal(name: str, arguments: Namespace, inputs: Inputs) -> ReferenceRecipe:
    if arguments.background_rows is None:
        return Marginal()
    return Marginal(None if arguments.background_rows < 0 else arguments.background_rows)


def _empirical(name: str, arguments: Namespace, inputs: Inputs) -> ReferenceRecipe:
    if arguments.background_rows is None:
        return Empirical()
    n_all = 0 if inputs.background is None else len(inputs.background)
    return Empirical(n_all if arguments.background_rows < 0 else arguments.background_rows)


def _baseline(name: str, arguments: Namespace, inputs: Inputs) -> ReferenceRecipe:
    return Baseline(inputs.baseline)


_RECIPES: Mapping[str, Callable[[str, Namespace, Inputs], ReferenceRecipe]] = {
    "marginal": _marginal,
    "empirical": _empirical,
    "baseline": _baseline,
}
_ALONE = frozenset({"tree-path"})
_USES: Mapping[str, frozenset[str]] = {
    "marginal": frozenset({"background_rows"}),
    "empirical": frozenset({"background_rows"}),
    "baseline": frozenset({"baseline"}),
}


def recorded(arguments: Namespace) -> dict[str, Any]:
    """The arguments that decide a result, for comparing two runs."""
    names = (
        "rows drop target output alpha size exact_size epsilon distance reference background_rows search seed"
        " max_rows budget tolerate keep_table stability confidence trust model_from criterion b c sample"
        " events text number against delimiter decimal keep never costs order"
    )
    return {name: getattr(arguments, name) for name in names.split()} | {"budget": _budget(arguments)}


def _budget(arguments: Namespace) -> int:
    return Options.budget if arguments.budget is None else int(arguments.budget)


def need_together(arguments: Namespace) -> None:
    """Arguments that need or exclude each other.

    Raises:
        SettingError: if they do not fit.
    """
    if (arguments.model is None) == (arguments.model_from is None):
        raise SettingError("need either the file of a MODEL or --model-from package.module:name")
    if arguments.resume and arguments.out is None:
        raise SettingError("--resume goes on with what a folder holds: name it with --out")
    if arguments.plots and arguments.out is None:
        raise SettingError("--plots saves pictures: name a folder with --out")
    if arguments.exact_size and arguments.size is None:
        raise SettingError("--exact-size needs --size")


def need_use(arguments: Namespace) -> None:
    """Refuse options that have no use beside others that were named.

    Raises:
        SettingError: naming both.
    """
    bounded = arguments.background_rows is None and (
        arguments.reference == "empirical" or arguments.criterion == "pns"
    )
    if arguments.budget is not None and arguments.search == "exhaustive" and not bounded:
        raise SettingError("--budget has no use with --search exhaustive, which compares all sets")
    if arguments.keep_table and arguments.search not in {"auto", "exhaustive"}:
        raise SettingError(f"--keep-table has no use with --search {arguments.search}, which has no table")
    if arguments.trust and arguments.model_from is not None:
        raise SettingError("--trust has no use with --model-from: it is for types in a .skops file")
    if arguments.estimate and arguments.out is not None:
        raise SettingError("--out has no use with --estimate, which explains nothing that could be saved")
    if arguments.details and arguments.json:
        raise SettingError("--details has no use with --json, which holds everything")


def unused(arguments: Namespace, work: Work) -> list[str]:
    """A sentence for each option that turned out to have no use with this model and these tables."""
    criterion = work.whole.criterion
    if not isinstance(criterion, SetsCriterion):
        return []
    told = []
    complete = work.whole.search.plan.complete
    if arguments.budget is not None and not criterion.set_function.restriction.method.rows:
        told.append("--budget has no use here: the model is not asked for the sets")
    if arguments.keep_table and not complete:
        told.append("--keep-table has no use here: not all sets are compared, so that there is no table")
    if arguments.target is not None and criterion.distance.kind.of_decisions:
        told.append(f"--target has no use with --distance {arguments.distance}: decisions are compared")
    return told
