"""One explanation in a few plain sentences, without a symbol: for the person concerned, or for an analyst."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from string import Formatter
from typing import Any, final

from typing_extensions import override

from onlyif.core.arguments import Made, Name
from onlyif.core.errors import AbsentError, SettingError
from onlyif.core.plain_values import shown
from onlyif.core.visible import on_one_line
from onlyif.explanation.layout import number
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import NORMAL_95, Direction, Selection
from onlyif.explanation.status import LOW_SAMPLE_SIZE, Status, StatusKind, Told
from onlyif.explanation.verdicts import GAPS, SAME_DECISION, Finding, Verdict

# What every template may name.
_SHARED = ("row", "label", "output", "prediction", "base", "noun", "nouns")
_NUMBERS = frozenset({"prediction", "base", "gap", "epsilon", "count", "size", "pn", "ps", "pns"})


@final
@dataclass(frozen=True)
class _Figure:
    """A number that is written with four digits, unless a template says how, as "{pn:.0%}"."""

    value: int | float

    @override
    def __format__(self, spec: str) -> str:
        return format(self.value, spec) if spec else number(float(self.value))


def _says(default: str, *names: str) -> Any:
    """A template and the fields that it may name, beside those of all."""
    return field(default=default, metadata={"names": names})


@final
@dataclass(frozen=True)
class Templates:
    """The sentences that explanations are told in, each a template of `str.format`; the defaults are English.

    Every template may name {row}, {label}, {output}, {prediction}, {base}, and what players are, {noun} and
    {nouns}, as "feature" and "features"; what else one may name is in its default, or told when it names
    something unknown. Numbers take a format, as "{prediction:.1%}". An empty template leaves its sentence
    out.

    Those of `status_...` are told instead of reasons where an explanation is of that status. The last ones
    are parts of the others: what a prediction is compared with, members, verdicts, and how lists are joined.

    Raises:
        SettingError: if a template is no text, names an unknown field, or formats one in a way that it does
            not take.

    Example:
        >>> from onlyif.testing.explanations import example_explanations
        >>> german = Templates(prediction_of="Vorhersage für '{label}': {prediction:.0%}.")
        >>> example_explanations()[0].sentences(templates=german)[0]
        "Vorhersage für 'yes': 93%."
        >>> Templates(prediction="It is {f_S}.")
        Traceback (most recent call last):
            ...
        onlyif.core.errors.SettingError: the template 'prediction' names {f_S}; it may name {row}, ...
    """

    decision: str = _says("The decision is '{label}'.")
    no_decision: str = _says("The decision is not '{label}'.")
    prediction: str = _says("The predicted {output} is {prediction}.")
    prediction_of: str = _says("The predicted {output} of '{label}' is {prediction}.")
    # For the person concerned.
    reasons: str = _says("What speaks for it: {members}.", "members")
    unchanged_decision: str = _says(
        "With {names} as given, the decision stays on average when all else is as in the cases "
        "that it is compared with.",
        "names",
    )
    unchanged: str = _says(
        "With {names} as given, the prediction stays on average within the tolerance that was set when all "
        "else is as in the cases that it is compared with.",
        "names",
    )
    cause_reasons: str = _says(
        "Of the groups of {size} that were compared, none is more probably its cause than {members}.",
        "size",
        "members",
    )
    cause_reasons_permitted: str = _says(
        "Of the groups of {size} that may be named, none that was compared is more probably its cause than "
        "{members}.",
        "size",
        "members",
    )
    unchanged_cause: str = _says(
        "Where changing these changed the result, changing all else instead left it as it was in {pn:.0%} of "
        "cases.",
        "pn",
    )
    no_reasons: str = _says("So no reasons are named here.")
    unsure: str = _says("What was found could not be confirmed.")
    undirected: str = _says("No {noun} can be said to speak for it by itself.")
    # For an analyst.
    compared: str = _says(
        "The {output} of '{label}', {prediction}, is compared with {comparison}.", "comparison"
    )
    compared_prediction: str = _says("It is compared with {comparison}.", "comparison")
    sufficient: str = _says(
        "With only {members} kept, the prediction moves by {gap}, where {epsilon} is allowed: {verdict}.",
        *("members", "gap", "epsilon", "verdict"),
    )
    necessary: str = _says(
        "With only {members} hidden, it is {gap} away from what it is compared with, where {epsilon} is "
        "allowed: {verdict}.",
        *("members", "gap", "epsilon", "verdict"),
    )
    none_sufficient: str = _says("Kept alone, no group of the {nouns} that may be named is enough.")
    none_necessary: str = _says("Hidden alone, no group of the {nouns} that may be named is enough.")
    sufficient_decision: str = _says(
        "With only {members} kept, the decision {outcome}: {verdict}.", "members", "outcome", "verdict"
    )
    necessary_decision: str = _says(
        "With only {members} hidden, the decision {outcome}: {verdict}.", "members", "outcome", "verdict"
    )
    core_sufficient: str = _says(
        "All {count} groups that were found to be enough hold {core}.", "count", "core"
    )
    core_necessary: str = _says(
        "All {count} groups that were found to be needed hold {core}.", "count", "core"
    )
    cause: str = _says(
        "Of the groups of {size} that were compared, none is more probably the cause than {members}.",
        "size",
        "members",
    )
    cause_permitted: str = _says(
        "Of the groups of {size} that may be named, none that was compared is more probably the cause than "
        "{members}.",
        "size",
        "members",
    )
    cause_numbers: str = _says(
        "Where changing these changed the prediction, changing all else instead left it as it was with a "
        "probability of {pn}; where changing all else left it, changing these changed it with one of {ps}.",
        *("pn", "ps", "pns"),
    )
    named: str = _says("By the criterion '{criterion}': {sets}.", "criterion", "sets")
    advice: str = _says("{advice}", "advice")
    # Instead of reasons.
    status_nothing: str = _says("The result cannot be told apart from what it is compared with.")
    status_no_feature: str = _says("The result is already nearly the same with every {noun} hidden.")
    status_not_permitted: str = _says("No group of the {nouns} that may be named accounts for it.")
    status_other_side: str = _says("Less speaks for this decision here than on average.")
    status_same_decision: str = _says("What it is compared with is on average decided in the same way.")
    status_everything: str = _says("No group smaller than all {nouns} together accounts for it in full.")
    everything_permitted: str = _says(
        "No group of {nouns} that may be named is smaller than all together and accounts for it in full."
    )
    status_flat: str = _says("The best group is all {nouns} or none, however the question is weighed.")
    status_no_cause: str = _says("No cause of the result was found.")
    status_at_baseline: str = _says(
        "Some {nouns} of the most probable cause already have the values they are compared with."
    )
    status_few_rows: str = _says("Too few comparable cases stand behind the numbers.")
    status_no_slope: str = _says("The model did not lead the search, so that its sets say little.")
    status_time: str = _says("The search was ended before it was complete.")
    # Parts of sentences.
    average: str = _says("{base}, the average with every {noun} hidden")
    average_against: str = _says("{base}, the average with every {noun} as in {against}", "against")
    baseline: str = _says("{base}, the prediction at the baseline")
    usual_decision: str = _says("what is decided most often with every {noun} hidden")
    usual_decision_against: str = _says(
        "what is decided most often with every {noun} as in {against}", "against"
    )
    member: str = _says("{player} = {value}", "player", "value")
    member_changed: str = _says("{player} = {value} (instead of {baseline})", "player", "value", "baseline")
    member_bare: str = _says("{player}", "player")
    directed: str = _says("{member} ({way})", "member", "way")
    opposed: str = _says("{member} ({way}, against the result)", "member", "way")
    raises: str = _says("raises it")
    lowers: str = _says("lowers it")
    depends: str = _says("raises or lowers it, depending on the others")
    none: str = _says("changes nothing by itself")
    unclear: str = _says("direction unclear")
    holds_fresh: str = _says("this holds on fresh rows")
    holds: str = _says("this holds for the background")
    fails: str = _says("this does not hold on fresh rows")
    unknown: str = _says("whether this holds cannot be told")
    stays: str = _says("stays")
    gone: str = _says("is gone")
    named_set: str = _says("{name} holds {members}", "name", "members")
    empty: str = _says("no {noun}")
    comma: str = _says(", ")
    conjunction: str = _says(" and ")
    semicolon: str = _says("; ")

    def __post_init__(self) -> None:
        for each in fields(self):
            _check(each.name, getattr(self, each.name), (*_SHARED, *each.metadata["names"]))

    @override
    def __repr__(self) -> str:
        others = [each for each in fields(self) if getattr(self, each.name) != each.default]
        return f"Templates({', '.join(f'{one.name}={getattr(self, one.name)!r}' for one in others)})"


def _check(name: str, template: object, known: Sequence[str]) -> None:
    """Refuse a template that could not be filled.

    Raises:
        SettingError: saying why, and what may be named.
    """
    if not isinstance(template, str):
        raise SettingError(f"the template {name!r} must be a text, got {shown(template)}")
    may = f"it may name {', '.join(f'{{{one}}}' for one in known)}; a brace itself is written twice"
    sample = {
        one: _Figure(2 if one in {"count", "size"} else 0.5) if one in _NUMBERS else one for one in known
    }
    try:
        parts = [part[1:] for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise SettingError(f"the template {name!r} is none: {error}, got {template!r}; {may}") from error
    for named, spec, conversion in parts:
        if named not in known:
            raise SettingError(f"the template {name!r} names {{{named}}}; {may}")
        if conversion or "{" in (spec or ""):
            raise SettingError(f"the template {name!r} converts {{{named}}}, got {template!r}; {may}")
    try:
        template.format_map(sample)
    except ValueError as error:
        raise SettingError(f"the template {name!r} cannot be filled: {error}, got {template!r}") from error


ENGLISH = Templates()


def sentences_of(
    item: Told, audience: str, templates: Templates, units: Mapping[str, str] | None
) -> tuple[str, ...]:
    """A few plain sentences about one prediction, as `Explanation.sentences` documents.

    Args:
        item: The explanation.
        audience: "applicant" or "analyst".
        templates: The sentences.
        units: The unit of some players' numbers, by name.

    Raises:
        SettingError: if an argument is of another kind, or a unit is of no player.
        AbsentError: if players are pixels.
    """
    if isinstance(item.names, PixelNames):
        raise AbsentError("sentences need features with names, got pixels; explanation_text tells of masks")
    chosen = Name(tuple(_AUDIENCES), "audience").take("audience", audience)
    words = Made((Templates,)).take("templates", templates)
    telling = _Telling(item, words, _units(item, {} if units is None else units))
    return tuple(filter(None, (telling.first, *_AUDIENCES[chosen](telling))))


def decision_of(item: Told) -> str:
    """The label that is decided for, "not" before one that is decided against; "" where nothing decides.

    Args:
        item: The explanation.
    """
    label = item.target_label or str(item.target)
    decided = _Telling(item, ENGLISH, {}).decided
    if decided is None:
        return ""
    return label if decided > 0 else f"not {label}"


def reasons_of(item: Told) -> tuple[str, ...]:
    """What an applicant may be told as reasons, each a member with its value; empty where there are none.

    Args:
        item: The explanation.
    """
    telling = _Telling(item, ENGLISH, {})
    if _doubt(telling):
        return ()
    return tuple(
        map(telling.member, item.cause.players) if telling.has_cause else telling.in_favour(item.sufficient)
    )


def _units(item: Told, units: object) -> Mapping[str, str]:
    if not isinstance(units, Mapping) or not all(isinstance(unit, str) for unit in units.values()):
        raise SettingError(f"units must be a text for each of some features, by name, got {shown(units)}")
    unknown = [name for name in units if name not in item.names]
    if unknown:
        raise SettingError(f"units has {shown(unknown[0])}, which is none of {shown(list(item.names))}")
    return units


@final
@dataclass(frozen=True)
class _Telling:
    """One explanation with the words that it is told in."""

    item: Told
    templates: Templates
    units: Mapping[str, str]

    def say(self, name: str, given: Mapping[str, object] | None = None) -> str:
        """A template, filled; what comes from data is put on one line and never read as a template."""
        text: str = getattr(self.templates, name).format_map(self._facts | _filled(given or {}))
        return text

    @cached_property
    def _facts(self) -> dict[str, object]:
        """What every template may name."""
        item = self.item
        return _filled(
            {
                "row": item.row,
                "label": item.target_label or item.target,
                "output": item.provenance.output,
                "prediction": item.prediction,
                "base": item.base,
                "noun": item.noun,
                "nouns": item.nouns,
            }
        )

    @property
    def has_cause(self) -> bool:
        """Whether there is a cause with its probabilities."""
        return "cause" in self.item.sets and "pns" in self.item.cause.measures

    @property
    def decided(self) -> int | float | None:
        """1 where the label is decided for, -1 where it is decided against, None where nothing decides."""
        return 1 if self.item.of_decisions else self.item.settings.get("decided")

    @property
    def first(self) -> str:
        """What is decided, or predicted where nothing decides."""
        if self.decided is None:
            return self.say("prediction_of" if self.item.target_label else "prediction")
        return self.say("decision" if self.decided > 0 else "no_decision")

    @property
    def comparison(self) -> str:
        """What the prediction is compared with."""
        against = self.item.provenance.sentences.get("against")
        if self.item.details.baseline:
            return self.say("baseline")
        kind = "usual_decision" if self.item.of_decisions else "average"
        return self.say(kind) if against is None else self.say(f"{kind}_against", {"against": against})

    def joined(self, parts: Sequence[str]) -> str:
        """A list in words."""
        if not parts:
            return self.say("empty")
        head, last = self.say("comma").join(parts[:-1]), parts[-1]
        return f"{head}{self.say('conjunction')}{last}" if head else last

    def value(self, player: int, values: Sequence[str]) -> str:
        """A player's value, with its unit where it is a number."""
        value, unit = values[player] if values else "", self.units.get(self.item.names[player], "")
        return f"{value} {unit}" if unit and _is_number(value) else value

    def member(self, player: int) -> str:
        """One player with its value."""
        item = self.item
        given = {"player": item.names[player], "value": self.value(player, item.values)}
        if not given["value"]:
            return self.say("member_bare", given)
        at = item.details.baseline
        if not at or at[player] == item.values[player]:
            return self.say("member", given)
        return self.say("member_changed", {**given, "baseline": self.value(player, at)})

    def members(self, chosen: Selection) -> str:
        """The members of a set, each with its value, and its direction where that is known."""
        ways: Sequence[Direction | None] = chosen.directions or (None,) * chosen.size
        return self.joined([self._directed(*pair) for pair in zip(chosen.players, ways, strict=True)])

    def _directed(self, player: int, way: Direction | None) -> str:
        member = self.member(player)
        if way is None:
            return member
        name = "opposed" if self.item.speaks_against(way) else "directed"
        return self.say(name, {"member": member, "way": self.say(way.value)})

    def in_favour(self, chosen: Selection) -> list[str]:
        """The members that speak for what is explained, each with its value."""
        return [
            self.member(player)
            for player, way in zip(chosen.players, chosen.directions, strict=False)
            if way in _SIGNED and not self.item.speaks_against(way)
        ]


def _filled(facts: Mapping[str, object]) -> dict[str, object]:
    return {
        key: _Figure(fact) if key in _NUMBERS and isinstance(fact, int | float) else on_one_line(str(fact))
        for key, fact in facts.items()
    }


_SIGNED = frozenset({Direction.RAISES, Direction.LOWERS})


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _for_applicant(telling: _Telling) -> Iterator[str]:
    """What a person may be told: reasons only where the numbers bear them."""
    item = telling.item
    doubt = _doubt(telling)
    if doubt:
        yield telling.say(doubt)
        yield telling.say("no_reasons")
    elif telling.has_cause:
        yield from _cause(telling, "cause_reasons", "unchanged_cause")
    else:
        chosen = item.sufficient
        yield telling.say("reasons", {"members": telling.joined(telling.in_favour(chosen))})
        stays = _kept_decision(telling) is Finding.HOLDS
        names = {"names": telling.joined(chosen.names)}
        yield telling.say("unchanged_decision" if stays else "unchanged", names)


def _doubt(telling: _Telling) -> str:
    """The template that says why no reasons are named; "" where the numbers bear them."""
    item = telling.item
    others = _in_the_way(item)
    if others or "sufficient" in item.missing:
        return _template(item, others[0]) if others else "status_not_permitted"
    if telling.has_cause:
        if item.cause.size == len(item.names):
            return "everything_permitted" if item.constrained else "status_everything"
        return "" if _is_sure(item.cause) else "unsure"
    if "sufficient" not in item.sets or "epsilon" not in item.settings:
        return "undirected"
    stays = _kept_decision(telling)
    sure = item.verdicts["sufficient"].finding is Finding.HOLDS and stays is not Finding.FAILS
    if not sure or (telling.item.compares_decisions and stays is not Finding.HOLDS):
        return "unsure"
    return "" if telling.in_favour(item.sufficient) else "undirected"


def _in_the_way(item: Told) -> Sequence[Status]:
    """What keeps the sets from being an answer; that one of them is missing does not keep the other one."""
    return [status for status in item.statuses if status.kind is not StatusKind.NOT_PERMITTED]


def _template(item: Told, status: Status) -> str:
    """The template that tells of a status."""
    if status.kind is StatusKind.EVERYTHING and item.constrained:
        return "everything_permitted"
    return f"status_{status.kind.name.lower()}"


def _permitted(item: Told) -> str:
    """The end of the names of templates for explanations of which only some sets may be reported."""
    return "_permitted" if item.constrained else ""


def _is_sure(cause: Selection) -> bool:
    """Whether the PNS of a cause is above 0 by more than its errors, and enough inputs stand behind it."""
    pns = cause.pns
    enough = min(cause.effective_pn, cause.effective_ps) >= LOW_SAMPLE_SIZE
    return enough and pns.value > NORMAL_95 * math.hypot(pns.stderr, pns.sample_stderr)


def _kept_decision(telling: _Telling) -> Finding:
    """Whether the decision stays with the sufficient set alone, as far as the numbers tell."""
    item, way = telling.item, telling.item.settings.get("decided")
    if telling.item.compares_decisions:
        gap = item.verdicts["sufficient"].gap
        if gap.interval()[1] > SAME_DECISION:
            return Finding.FAILS if gap.value > SAME_DECISION else Finding.UNKNOWN
    threshold, kept = item.settings.get("threshold"), item.sufficient.measures.get("kept")
    if way is None or threshold is None or kept is None:
        return Finding.HOLDS if telling.item.compares_decisions else Finding.UNKNOWN
    # A prediction within its error of the threshold may decide otherwise, however small its gap is.
    beyond, error = (kept.value - threshold) * way, NORMAL_95 * kept.stderr
    if beyond > error:
        return Finding.HOLDS
    return Finding.FAILS if beyond < -error else Finding.UNKNOWN


def _for_analyst(telling: _Telling) -> Iterator[str]:
    """What was compared, and what holds."""
    item = telling.item
    tells_output = "decided" in item.settings and not telling.item.of_decisions
    yield telling.say(
        "compared" if tells_output else "compared_prediction", {"comparison": telling.comparison}
    )
    others = _in_the_way(item)
    if others:
        yield telling.say(_template(item, others[0]))
        yield telling.say("advice", {"advice": others[0].advice})
    elif telling.has_cause:
        yield from _cause(telling, "cause", "cause_numbers")
    elif "epsilon" in item.settings and any(kind in item.sets or kind in item.missing for kind in GAPS):
        yield from (telling.say(f"none_{kind}") for kind in item.missing)
        yield from (_smallest(telling, kind, verdict) for kind, verdict in item.verdicts.items())
        yield from _cores(telling)
        if item.missing:
            yield telling.say("advice", {"advice": item.status.advice})
    elif item.sets:
        sets = [
            telling.say("named_set", {"name": name, "members": telling.members(chosen)})
            for name, chosen in item.sets.items()
        ]
        yield telling.say("named", {"criterion": item.criterion, "sets": telling.say("semicolon").join(sets)})
    else:
        yield telling.say("undirected")


def _smallest(telling: _Telling, kind: str, verdict: Verdict) -> str:
    """One of the smallest sets within ε, with what was measured of it; true whatever the verdict."""
    chosen = telling.item.sets[kind]
    given: dict[str, object] = {
        "members": telling.members(chosen),
        "verdict": telling.say(_VERDICTS[verdict.finding, verdict.fresh]),
    }
    if not telling.item.compares_decisions:
        return telling.say(kind, {**given, "gap": verdict.gap.value, "epsilon": verdict.epsilon})
    within, beyond = _OUTCOMES[kind]
    outcome = within if verdict.gap.value <= SAME_DECISION else beyond
    return telling.say(f"{kind}_decision", {**given, "outcome": telling.say(outcome)})


_OUTCOMES = {"sufficient": ("stays", "gone"), "necessary": ("gone", "stays")}
_VERDICTS = {
    (Finding.HOLDS, True): "holds_fresh",
    (Finding.HOLDS, False): "holds",
    (Finding.FAILS, True): "fails",
    (Finding.FAILS, False): "fails",
    (Finding.UNKNOWN, True): "unknown",
    (Finding.UNKNOWN, False): "unknown",
}


def _cores(telling: _Telling) -> Iterator[str]:
    """Which features are in every set that would do, where there are several such sets."""
    for kind, held in telling.item.details.alternatives.items():
        if held.count > 1 and held.core:
            core = telling.joined(held.core_names)
            yield telling.say(f"core_{kind}", {"count": held.count, "core": core})


def _cause(telling: _Telling, which: str, numbers: str) -> Iterator[str]:
    """The most probable cause, and its probabilities where they are known."""
    cause = telling.item.cause
    which += _permitted(telling.item)
    yield telling.say(which, {"size": cause.size, "members": telling.members(cause)})
    known = {"pn": cause.pn.value, "ps": cause.ps.value, "pns": cause.pns.value}
    if all(map(math.isfinite, known.values())):
        yield telling.say(numbers, known)


_AUDIENCES: Mapping[str, Callable[[_Telling], Iterator[str]]] = {
    "applicant": _for_applicant,
    "analyst": _for_analyst,
}
