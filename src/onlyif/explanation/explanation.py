"""Explanation: all that is said about one prediction, whatever the criterion and the kind of data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, TypeAlias, final

import numpy as np
from jaxtyping import Bool, Float, Float64
from typing_extensions import override

from onlyif.core.equality import same
from onlyif.core.errors import AbsentError, SettingError
from onlyif.core.labels import Row
from onlyif.core.nouns import FEATURE, NOUN, PIXEL, counted, plural
from onlyif.explanation.alternatives import Alternatives
from onlyif.explanation.certificate import Certificate
from onlyif.explanation.continuum import Continua, Continuum
from onlyif.explanation.layout import number
from onlyif.explanation.notebook import explanation_html
from onlyif.explanation.pixels import Picture, PixelNames
from onlyif.explanation.selection import Direction, Measure, Selection
from onlyif.explanation.sentences import ENGLISH, Templates, sentences_of
from onlyif.explanation.stability import Stability
from onlyif.explanation.status import EXPLAINED, Status, statuses_of
from onlyif.explanation.verdicts import GAPS, Verdict, verdict_of

# What was asked: a number, or of players their names, their costs, or those that they need beside them.
Setting: TypeAlias = bool | int | float | tuple[str, ...] | dict[str, float | tuple[str, ...]]
CONSTRAINTS = ("keep", "never", "order")


def noun_of(noun: str) -> Mapping[str, str]:
    """What players are, as a provenance has it among its sentences: nothing where they are features.

    Args:
        noun: One of them.
    """
    return {} if noun == FEATURE else {NOUN: noun}


@final
@dataclass(frozen=True)
class Provenance:
    """Where an explanation comes from: what was chosen, and by which versions.

    What the criterion chose is an attribute too, by its name: `provenance.reference`, `provenance.b`.

    Args:
        criterion: What the subsets were compared by: "sne", "pns", or the name of another criterion.
        predictor: The kind of model, as "sklearn RandomForestClassifier".
        output: What the model's output is, as "probability".
        search: How the subsets were found, in one sentence.
        seed: The one seed.
        versions: Names and versions of the packages that matter.
        sentences: What the criterion chose, each a sentence by its name: `reference`, `restriction` and
            `distance` for sets, and `class 0` and so on, the names of classes, where f is the number of one;
            `baseline`, `sample`, `boundary`, `threshold`, `events`, `distance` and `abduction` for causes;
            `noun`, what a player is, where it is no feature.
        values: The same as numbers: `max_rows`, `budget`; `is_metric` and `of_decisions` of a distance; `b`,
            `c`, `n_sample`, `p_replace`, `weight_necessity` and `weight_sufficiency` for causes.
    """

    criterion: str
    predictor: str
    output: str
    search: str
    seed: int
    versions: tuple[tuple[str, str], ...]
    sentences: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, bool | int | float] = field(default_factory=dict)

    @property
    def noun(self) -> str:
        """What a player with a name is, in one word."""
        return self.sentences.get(NOUN, FEATURE)

    def __getattr__(self, name: str) -> Any:
        # Python asks for what is no field; nothing is held yet while a copy is being made.
        for chosen in (self.__dict__.get("sentences", {}), self.__dict__.get("values", {})):
            if name in chosen:
                return chosen[name]
        raise AbsentError(f"the criterion {self.__dict__.get('criterion')!r} chose no {name!r}")

    @override
    def __repr__(self) -> str:
        return (
            f"Provenance(criterion={self.criterion!r}, predictor={self.predictor!r}, output={self.output!r}, "
            f"seed={self.seed})"
        )


@final
@dataclass(frozen=True, eq=False)
class Details:
    """What only some criteria say of a prediction.

    Args:
        continua: The solutions over α for all size rules, or None.
        certificate: What is certain about the sets, or None.
        path: The best subset of each size that was compared, in order of size.
        singles: Each player alone, in the order of the names.
        baseline: The players' values at the baseline x', as text.
        table: f_S(x) for all 2^d subsets by bit code, or None where it was not kept.
        alternatives: The minimal ε-sufficient and ε-necessary sets, by kind; empty where not looked for.
        picture: The image that is explained, or None where there is none, or it was not kept.
    """

    continua: Continua | None = None
    certificate: Certificate | None = None
    path: tuple[Selection, ...] = ()
    singles: tuple[Selection, ...] = ()
    baseline: tuple[str, ...] = ()
    table: Float64[np.ndarray, "two_to_d"] | None = None
    alternatives: Mapping[str, Alternatives] = field(default_factory=dict)
    picture: Picture | None = None

    @override
    def __eq__(self, other: object) -> bool:
        return same(self, other)

    @override
    def __repr__(self) -> str:
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return (
            f"Details({', '.join(name for name, value in values.items() if not same(value, _EMPTY[name]))})"
        )


_EMPTY = {each.name: each.default for each in fields(Details)}


@final
@dataclass(frozen=True, eq=False)
class Explanation:
    """The sets of players that explain one prediction, with all their numbers.

    Its sets are in `sets`, by name; the common ones are attributes too: `sufficient`, the smallest
    ε-sufficient set, `necessary`, the smallest ε-necessary one, `unified`, the solution of (P_uni) at
    `alpha`, and `cause`, the set of `size` players with the highest PNS. What another criterion does not
    say raises an `AbsentError`, never gives None. Two explanations are equal if they say the same, however
    long it took.

    Args:
        row: The row's label in the user's table, of its own type (its position where it has none).
        names: The players' names, d of them.
        values: The players' values at x, as text for a reader; empty for pixels.
        target: Number of the explained output.
        target_label: Its name, as the class label.
        prediction: f(x).
        base: What f(x) is compared with: f_0, the average prediction under the reference, or f(x') at the
            baseline.
        base_stderr: Standard error of `base`; 0 when exact.
        sets: The named sets.
        provenance: What was chosen, and by which versions.
        scores: Numbers a player by name, with the shape of the image where players are pixels: `shapley`,
            `pns` of each player alone, `soft` masks, ascended scores; `stability_sufficient` and the like,
            the share of resampled backgrounds in whose set the player is.
        measures: Numbers about the whole prediction, by name: `total_gap`, ρ(f(x), f_0).
        settings: What was asked, by name: `alpha`, `epsilon`, `size`, `exact_size`, `confidence`; of the
            members of sets `keep`, `never`, `order` and `costs`, by the players' names. Where the model
            decides: `decided`, 1 where a large output is what it decided for in this row and -1 where a
            small one is, and `threshold`, above which the output decides, where that is known. `stopped`
            where time was up, `effective_rows` where few rows decide, `resamples` where stability was asked
            for. Where the smallest sets were chosen on more background rows than those on which all subsets
            were compared: `smaller_rows` and `larger_rows`, how many; `compared_sufficient`, sets that were
            looked at on the larger; `undecided_sufficient`, smaller ones that could neither be ruled out nor
            be seen to hold; and so on.
        details: What only some criteria say.
        model_rows: Model rows that this explanation needs: every subset with every draw, on fresh draws too,
            equal rows counted each time.
        asked_rows: Rows that the model really received for it; rows that are shared by instances explained
            together are shared out, so that those of all explanations are all there were. None where it was
            not recorded: in files of before, and with a restriction that has a predictor of its own.
        check_rows: Rows that the model received before, for all instances of the call together: to check it,
            for its own answers, to compare its trees, to choose a threshold.
        seconds: Wall time spent on this instance.
        notes: What the reader should know, each a sentence.
        reason: Why a set is empty, or missing since no permitted one is within ε, or nothing is a cause; ""
            where that is not so.
    """

    row: Row
    names: Sequence[str]
    values: tuple[str, ...]
    target: int
    target_label: str
    prediction: float
    base: float
    base_stderr: float
    sets: Mapping[str, Selection]
    provenance: Provenance
    scores: Mapping[str, Float[np.ndarray, "..."]] = field(default_factory=dict)
    measures: Mapping[str, Measure] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    details: Details = field(default_factory=Details)
    model_rows: int = 0
    asked_rows: int | None = field(default=None, compare=False)
    check_rows: int = field(default=0, compare=False)
    seconds: float = field(default=0.0, compare=False)
    notes: tuple[str, ...] = ()
    reason: str = ""

    @property
    def noun(self) -> str:
        """What a player is, in one word: "feature", "pixel", "patch", "edge" and the like."""
        return PIXEL if isinstance(self.names, PixelNames) else self.provenance.noun

    @property
    def nouns(self) -> str:
        """Several of them."""
        return plural(self.noun)

    @property
    def saved_rows(self) -> int | None:
        """Model rows that were needed and not asked for, since equal ones were; None where not recorded.

        Below 0 where time ended a call, or work was begun again, so that some rows were asked for in vain.
        """
        return None if self.asked_rows is None else self.model_rows - self.asked_rows

    @property
    def constrained(self) -> bool:
        """Whether only some sets may be reported."""
        return any(name in self.settings for name in CONSTRAINTS)

    @property
    def missing(self) -> tuple[str, ...]:
        """Which of the smallest sets within ε are not there, since no permitted set is within ε."""
        return tuple(kind for kind in GAPS if kind not in self.sets) if self.details.certificate else ()

    @property
    def criterion(self) -> str:
        """The name of the criterion."""
        return self.provenance.criterion

    @property
    def sufficient(self) -> Selection:
        """The smallest ε-sufficient set; among those of that size the one with the smallest gap.

        With costs it is the cheapest. It is absent where no permitted set is within ε.
        """
        return self.selection("sufficient")

    @property
    def necessary(self) -> Selection:
        """The smallest ε-necessary set, likewise."""
        return self.selection("necessary")

    @property
    def unified(self) -> Selection:
        """The solution of (P_uni) at `alpha` under the size rule."""
        return self.selection("unified")

    @property
    def cause(self) -> Selection:
        """The subset of the chosen size with the highest PNS."""
        return self.selection("cause")

    @property
    def alpha(self) -> float:
        """α of the unified set or of the mask."""
        return float(self._setting("alpha"))

    @property
    def epsilon(self) -> float:
        """ε, in the units of the distance."""
        return float(self._setting("epsilon"))

    @property
    def size(self) -> int:
        """τ of the continuum and the unified set; of a cause its size."""
        return int(self._setting("size"))

    @property
    def exact_size(self) -> bool:
        """True where the rule is |S| = τ."""
        return bool(self._setting("exact_size"))

    @property
    def total_gap(self) -> Measure:
        """ρ(f(x), f_0): how far the prediction is from the average one."""
        if "total_gap" not in self.measures:
            raise self._absent("total_gap")
        return self.measures["total_gap"]

    @property
    def continua(self) -> Continua:
        """The solutions over α for all size rules."""
        if self.details.continua is None:
            raise self._absent("continua")
        return self.details.continua

    @property
    def continuum(self) -> Continuum:
        """The continuum of the explanation's own size rule."""
        if self.details.continua is None:
            raise self._absent("continuum")
        return self.continua.of(self.size, exact_size=self.exact_size)

    @property
    def certificate(self) -> Certificate:
        """What is certain about the sets."""
        if self.details.certificate is None:
            raise self._absent("certificate")
        return self.details.certificate

    @property
    def shapley(self) -> Float64[np.ndarray, "d"] | None:
        """Shapley values of the game f_S(x), one a player; None where f_S(x) is not known for all subsets."""
        if "shapley" not in self.scores and self.details.continua is None:
            raise self._absent("shapley")
        return self.scores.get("shapley")

    @property
    def table(self) -> Float64[np.ndarray, "two_to_d"] | None:
        """f_S(x) for all 2^d subsets by bit code; None where it was not kept."""
        if self.details.table is None and self.details.continua is None:
            raise self._absent("table")
        return self.details.table

    @property
    def alternatives(self) -> Mapping[str, Alternatives]:
        """What else would do: all minimal "sufficient" and "necessary" sets within ε, up to a limit."""
        if not self.details.alternatives:
            raise self._absent("alternatives")
        return self.details.alternatives

    @property
    def path(self) -> tuple[Selection, ...]:
        """For each size that was compared the subset with the highest PNS, in order of size."""
        if not self.details.path:
            raise self._absent("path")
        return self.details.path

    @property
    def singles(self) -> tuple[Selection, ...]:
        """Each player alone, in the order of `names`."""
        if not self.details.singles:
            raise self._absent("singles")
        return self.details.singles

    @property
    def baseline(self) -> tuple[str, ...]:
        """The players' values at the baseline x', as text."""
        if not self.details.baseline:
            raise self._absent("baseline")
        return self.details.baseline

    @property
    def against_baseline(self) -> bool:
        """Whether the prediction is compared with that of a baseline x', and not with an average."""
        return bool(self.details.baseline) or "cause" in self.sets

    @property
    def baseline_prediction(self) -> float:
        """f(x'), which is `base` where players are compared with a baseline."""
        if not self.against_baseline:
            raise self._absent("baseline_prediction")
        return self.base

    @property
    def soft(self) -> Float[np.ndarray, "h w"]:
        """The soft mask S in [0, 1], of the shape of the image."""
        if "soft" not in self.scores:
            raise self._absent("soft")
        return self.scores["soft"]

    @property
    def hard(self) -> Bool[np.ndarray, "h w"]:
        """The set of pixels cut from the soft mask, of the shape of the image."""
        if not isinstance(self.names, PixelNames) or "unified" not in self.sets:
            raise self._absent("hard")
        return self.unified.keep.reshape(self.names.shape)

    def at_size(self, size: int | float, alpha: float | None = None) -> Selection:
        """The best compared set of exactly one size; of causes the one with the highest PNS.

        Args:
            size: A number of players, or a share of them where it is below 1.
            alpha: α; None takes that of the unified set. Causes have none.

        Raises:
            AbsentError: if the explanation has no continua.
            SettingError: if no set of this size was compared.

        Example:
            >>> from onlyif.testing.explanations import example_explanations
            >>> example_explanations()[0].at_size(1, alpha=1.0).size
            1
        """
        count = round(size * len(self.names)) if size < 1 else int(size)
        if self.details.path:
            found = [one for one in self.path if one.size == count]
            if not found:
                sizes = ", ".join(str(one.size) for one in self.path)
                raise SettingError(f"no set of {counted(count, self.noun)} was looked for, only of {sizes}")
            return found[0]
        return self.continua.of(count, exact_size=True).at(self.alpha if alpha is None else alpha)

    def selection(self, name: str) -> Selection:
        """One of the named sets.

        Args:
            name: Its name.

        Raises:
            AbsentError: if the explanation's criterion has no set of this name.
        """
        if name not in self.sets:
            raise self._absent(name)
        return self.sets[name]

    def sentences(
        self,
        audience: str = "analyst",
        templates: Templates = ENGLISH,
        units: Mapping[str, str] | None = None,
    ) -> tuple[str, ...]:
        """A few plain sentences, without a symbol; `explanation_text` has all the numbers.

        An analyst is told what is decided or predicted, what that is compared with, the smallest sets with
        directions and verdicts, and what is in all that would do; the person concerned is told the decision,
        what speaks for it and what would not have changed it. Where the status is another than "explained",
        or a set does not hold on fresh rows, the applicant is told so instead of reasons.

        Args:
            audience: "applicant" or "analyst".
            templates: The sentences, for another language or other words.
            units: The units of features whose values are numbers, by name.

        Raises:
            SettingError: if an argument is of another kind, or a unit is of no feature.
            AbsentError: if players are pixels.

        Example:
            >>> from onlyif.testing.explanations import example_explanations
            >>> for said in example_explanations()[0].sentences(units={"age": "years"}):
            ...     print(said)
            The predicted probability of 'yes' is 0.93.
            It is compared with 0.2, the average with every feature hidden.
            With only age = 39 years (raises it) and income = 51000 (raises it) kept, the ...
        """
        return sentences_of(self, audience, templates, units)

    def speaks_against(self, direction: Direction) -> bool:
        """Whether a member of this direction moves f from f(x) towards `base`, against what is explained.

        A member that raises the prediction speaks against it where f(x) is below what it is compared with.

        Args:
            direction: Its direction.
        """
        against = Direction.LOWERS if self._is_above else Direction.RAISES
        return direction is against

    @property
    def of_decisions(self) -> bool:
        """Whether f is the number of the class that is decided for, which is no amount."""
        return bool(self.provenance.values.get("of_decisions"))

    @property
    def compares_decisions(self) -> bool:
        """Whether a gap says first of all if the decision is the same."""
        return self.of_decisions or ("against" in self.provenance.sentences and "decided" in self.settings)

    def value_text(self, value: float) -> str:
        """A value of f for a reader: a number, or the class where f is the number of one.

        Args:
            value: The value, as `prediction` or `base`.
        """
        name = f"class {int(value)}" if self.of_decisions else ""
        return self.provenance.sentences.get(name, number(value))

    @property
    def _is_above(self) -> bool:
        # Decisions are compared as 1 for that of f(x), whatever the number of its class.
        return self.of_decisions or self.prediction >= self.base

    def of(self, size: int) -> Selection:
        """The subset of one size with the highest PNS.

        Args:
            size: |s|.

        Raises:
            SettingError: if no subset of this size was compared.
        """
        for chosen in self.path:
            if chosen.size == size:
                return chosen
        raise SettingError(
            f"no subset of size {size} was compared; sizes at hand: {[c.size for c in self.path]}"
        )

    def _setting(self, name: str) -> Any:
        if name not in self.settings:
            raise self._absent(name)
        return self.settings[name]

    def _absent(self, name: str) -> AbsentError:
        sets = ", ".join(self.sets) or "none"
        if name in self.missing:
            return AbsentError(f"there is no {name!r} set: {self.reason}")
        return AbsentError(
            f"an explanation by the criterion {self.criterion!r} has no {name!r}; it has the sets: {sets}"
        )

    @override
    def __eq__(self, other: object) -> bool:
        return same(self, other)

    @override
    def __repr__(self) -> str:
        sets = ", ".join(f"{name}={chosen}" for name, chosen in self.sets.items())
        pns = f", PNS={self.cause.pns.value:.4g}" if "cause" in self.sets else ""
        values = self.value_text(self.prediction), self.value_text(self.base)
        numbers = f"f(x)={values[0]}, {self.base_word}={values[1]}"
        return f"Explanation(row={self.row!r}, target={self.target_label!r}, {numbers}, {sets}{pns})"

    def _repr_html_(self) -> str:
        return explanation_html(self)

    @cached_property
    def statuses(self) -> tuple[Status, ...]:
        """What a reader should know before the sets, the most important first; often nothing."""
        return statuses_of(self)

    @property
    def status(self) -> Status:
        """The most important of them; of kind `EXPLAINED` where there is none."""
        return next(iter(self.statuses), EXPLAINED)

    @property
    def verdicts(self) -> Mapping[str, Verdict]:
        """Of the smallest ε-sufficient and ε-necessary sets, whether they hold on rows never seen."""
        return {
            kind: verdict_of(self.sets[kind], kind, self.epsilon)
            for kind in GAPS
            if kind in self.sets and "epsilon" in self.settings
        }

    @property
    def stability(self) -> Mapping[str, Stability]:
        """How sure each set is, by its kind: the share of resampled backgrounds that give the same.

        Raises:
            AbsentError: if that was not asked for, with `stability=`.
        """
        if "resamples" not in self.settings:
            raise AbsentError("stability was not asked for: explain with stability=50 resamples, say")
        return {
            kind: self._stability(kind, one) for kind, one in self.sets.items() if "stability" in one.measures
        }

    def _stability(self, kind: str, chosen: Selection) -> Stability:
        pairs = zip(self.names, self.scores[f"stability_{kind}"].tolist(), strict=True)
        shares = {name: share for name, share in pairs if share > 0 or name in chosen}
        inside = {name: share for name, share in shares.items() if name in chosen}
        outside = {name: share for name, share in shares.items() if name not in chosen}
        return Stability(chosen.measure("stability"), inside, outside, int(self._setting("resamples")))

    @property
    def base_word(self) -> str:
        """What `base` is, as a symbol."""
        return "f(x')" if self.against_baseline else "f_0"
