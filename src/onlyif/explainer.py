"""`onlyif.Explainer`: a model and a background, prepared once, that explain any rows."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any, final

from array_api_compat import is_array_api_obj
from typing_extensions import override

from onlyif.answers.case import SetQuestion
from onlyif.answers.own import OwnCriterion
from onlyif.causation.settings import PNS
from onlyif.core.arguments import Either, Flag
from onlyif.core.errors import SettingError
from onlyif.core.progress import Meter, meter_of
from onlyif.criteria.distances import Distance
from onlyif.explanation.explanations import Explanations
from onlyif.modalities.base import Modality
from onlyif.modalities.graphs import GraphNodes, Graphs
from onlyif.modalities.images import IMAGE_AXES, Images, refuse_single
from onlyif.models.checked import Fault
from onlyif.models.outputs import Output
from onlyif.progress_bar import progress_bar
from onlyif.references.base import Reference, ReferenceRecipe
from onlyif.restrictions.base import Restriction
from onlyif.runs.instances import run_over
from onlyif.runs.rows import run_against, run_of
from onlyif.runs.whole import explanations_of
from onlyif.setup.choose import Parts
from onlyif.setup.constraints import Constraints
from onlyif.setup.forecast import Forecast
from onlyif.setup.foundation import Source
from onlyif.setup.graphs import is_graph
from onlyif.setup.jobs import count_jobs
from onlyif.setup.options import Options, Target
from onlyif.setup.prepare import prepare, prepare_again
from onlyif.setup.run import Run
from onlyif.setup.work import Setup, Work

LONGEST_VALUE = 40


@final
@dataclass(frozen=True, eq=False, repr=False)
class Explainer:
    """A model and a background, prepared once: `explainer(X)` returns what `onlyif.explain` returns.

    Everything that depends only on the model and the background (how the model is called, its trees, the
    encoded background, the fitted reference) is prepared in the first call and stored. Each later call
    predicts some background rows again; if the model has changed, it is prepared anew. Nothing is stored
    without a background, with a `modality`, or if `tolerate` allows predictions that differ each time.

    It follows scikit-learn's conventions: arguments are stored as they are and checked in a call;
    `get_params`, `set_params` and `sklearn.base.clone` work. A clone shares the model and the background.

    Args:
        model: A trained model. All arguments have the same meaning as in `onlyif.explain`.
        background: Rows like the training data.
        target: The output to explain.
        alpha: α of the unified set.
        size: τ, the largest number of players; for images shares of the pixels.
        exact_size: Whether sets have exactly this size.
        epsilon: ε in the units of the distance.
        groups: Columns that form one player.
        seed: The random seed.
        max_rows: The largest number of rows in one model call.
        budget: The largest number of model rows per instance.
        progress: Whether to show a progress bar.
        time_limit: The largest number of seconds for a call.
        output: The kind of output to explain.
        reference: What replaces a hidden player.
        restriction: How f_S(x) is computed.
        search: Which subsets are compared.
        distance: ρ.
        keep_table: Whether f_S(x) is kept for all subsets.
        tolerate: Faults of the model that are noted instead of refused.
        criterion: Sets, causes, or your own criterion.
        modality: The kind of data.
        n_jobs: The number of processes.
        against: The rows to compare decisions with.
        stability: The number of resamples of the background.
        confidence: With which confidence the sets are within ε for other rows, too.
        keep: Players that every reported set must contain.
        never: Players that no reported set may contain.
        costs: The cost of each player.
        order: For a player, those without which it may not be in a set.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(50, 3))
        >>> explainer = Explainer(lambda table: table @ [2.0, 1.0, 0.0], rows)
        >>> explainer(rows[:1])[0].sufficient.names, explainer(rows[7:8])[0].sufficient.names
        (('x0', 'x1'), ('x0', 'x1'))
        >>> explainer
        Explainer(function, background=ndarray of 50 x 3)
    """

    model: Any
    background: Any = None
    _: KW_ONLY
    target: Target = None
    alpha: float = 0.5
    size: int | float | Sequence[int | float] | None = None
    exact_size: bool = False
    epsilon: float | None = None
    groups: Mapping[str, Sequence[str]] | str | Path | Any | None = None
    seed: int = 0
    max_rows: int = 16_384
    budget: int = 2_000_000
    progress: bool | None = None
    time_limit: float | None = None
    output: Output | str | None = None
    reference: Reference | ReferenceRecipe | str | None = None
    restriction: Restriction | Callable[[Parts, Reference], Restriction] | None = None
    search: Any = None
    distance: Distance | str | None = None
    keep_table: bool = False
    tolerate: tuple[Fault, ...] = ()
    criterion: PNS | OwnCriterion | str = "sne"
    modality: Modality | Images | Graphs | None = None
    n_jobs: int | None = None
    against: Any = None
    stability: int | None = None
    confidence: float | None = None
    keep: Any = None
    never: Any = None
    costs: Any = None
    order: Any = None
    # At most one: what was prepared in an earlier call.
    _setups: list[Setup] = field(default_factory=list, init=False)

    def __call__(self, X: Any, index: Any = None) -> Explanations:
        """One explanation a row, in order.

        Args:
            X: The rows to explain, of the kind of the background; or a graph.
            index: The nodes to explain, where X is a graph.

        Raises:
            InputError: if a table cannot be used as it is.
            SettingError: if an argument is out of range or does not fit another one.
            ModelError: if the model raises, or answers something that is no prediction.
            LimitError: if a table over all subsets would not fit the memory.
            Interrupted: on Ctrl-C; its `finished` holds the explanations that were whole.
        """
        return explained(self, X, index)

    def estimate(self, X: Any, index: Any = None) -> Forecast:
        """What explaining the rows will take, without explaining anything: model rows, seconds, memory.

        Inputs are checked as ever. The model is asked for three calls more, of 64, 64 and 1,024 rows at
        most, by which its time is told; where f_S(x) is read off trees or a closed form, one row is explained
        instead, if it has at most 16 players. Memory is counted from the arrays that are held at once.

        Args:
            X: The rows to explain, of the kind of the background; or a graph.
            index: The nodes to explain, where X is a graph.

        Raises:
            InputError: if a table cannot be used as it is.
            SettingError: if an argument is out of range or does not fit another one.
            ModelError: if the model raises, or answers something that is no prediction.
            LimitError: if the work would not fit the memory, saying what to do instead.

        Example:
            >>> import numpy as np
            >>> rows = np.random.default_rng(0).integers(0, 3, (50, 4)).astype(float)
            >>> explainer = Explainer(lambda table: table @ [2.0, 1.0, 0.0, 1.0], rows[10:])
            >>> print(explainer.estimate(rows[:3]))
            3 rows of 4 players
            Exact mean over all 40 rows of the reference.
            Exhaustive: all 2^d subsets were compared.
            model rows: about ... of at most 1,920 (the others are equal); ... were asked for to check ...
            time: about ... s
            memory: about ... MiB beside the model and the tables
        """
        return self.run(X, index, Meter()).forecast()

    def run(self, X: Any, index: Any, meter: Meter) -> Run:
        """The run that explains some data, whatever they are.

        Args:
            X: The rows, or a graph.
            index: The nodes to explain, where X is a graph.
            meter: What counts the work, shows it, and ends it when time is up.

        Raises:
            InputError: if the data cannot be used as they are.
            SettingError: if an argument is out of range or does not fit another one.
            ModelError: if the model fails on a small sample of rows.
        """
        explainer, data = self._of_kind(X, index), X if index is None else GraphNodes(X, index)
        modality = explainer.modality
        if isinstance(modality, Images) and modality.sought:
            return explainer._sought(X, meter)
        if self.against is not None:
            return run_against(explainer.source, X, self.against, meter)
        return run_of(self.work(X, meter)) if modality is None else run_over(data, explainer.source, meter)

    def _of_kind(self, X: Any, index: Any) -> "Explainer":
        """The explainer with the modality that the data call for, where none was chosen."""
        if index is not None and self.modality is None:
            return replace(self, modality=Graphs())
        if index is not None and not isinstance(self.modality, Graphs):
            raise SettingError(f"index names nodes of a graph, and has no use with {self.modality!r}")
        if index is None and is_graph(X):
            raise SettingError("X is a graph: name the nodes to explain with index=...")
        if not isinstance(self.modality, Graphs | Modality):
            refuse_single(X, self.background, self.modality)
        if self.modality is None and is_array_api_obj(X) and X.ndim >= IMAGE_AXES:
            return replace(self, modality=Images())
        return self

    def work(self, X: Any, meter: Meter) -> Work:
        """What is to be done to explain some rows of a table.

        Args:
            X: The rows.
            meter: What counts the work, shows it, and ends it when time is up.

        Raises:
            InputError: if a table cannot be used as it is.
            SettingError: if an argument is out of range or does not fit another one.
            ModelError: if the model fails on a small sample of rows.
        """
        options = self.options
        if self._setups:
            work = prepare_again(self._setups[0], X, meter)
        else:
            work = prepare(self.model, X, self.background, options, meter)
        # Of a model that answers otherwise each time nobody can tell whether it was changed.
        if work.setup.foundation.tables.alone and Fault.RANDOM not in options.tolerate:
            self._setups[:] = [work.setup]
        return work

    def _sought(self, X: Any, meter: Meter) -> Run:
        """The run that looks for sets of pixels along a gradient."""
        if self.against is not None:
            raise SettingError("against has no use with images; take other images for the background")
        # torch is imported for it alone.
        file, options = import_module("onlyif.setup.sized"), replace(self, size=None).options
        run: Run = file.sized_run(self.model, X, self.background, options, size=self.size, meter=meter)
        return run

    @property
    def source(self) -> Source:
        """What is explained and how, beside the rows."""
        return Source(self.model, self.background, self.options)

    @property
    def options(self) -> Options:
        """All that was chosen, checked."""
        size: Any = self.size  # which the question refuses unless it is a number of players
        return Options(
            target=self.target, groups=self.groups,
            question=SetQuestion(self.alpha, size, self.exact_size, self.epsilon, self.confidence),
            seed=self.seed, max_rows=self.max_rows, budget=self.budget,
            output=self.output, reference=self.reference, restriction=self.restriction, search=self.search,
            distance=self.distance, keep_table=self.keep_table, tolerate=self.tolerate,
            criterion=self.criterion, modality=self.modality, stability=self.stability,
            constraints=Constraints(self.keep, self.never, self.costs, self.order),
        )  # fmt: skip

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The arguments by name, as scikit-learn asks for them.

        Args:
            deep: Has no use: the model is a finished one, whose own parameters are none of the explainer's.
        """
        return {each.name: getattr(self, each.name) for each in fields(self) if each.init}

    def set_params(self, **params: Any) -> "Explainer":
        """Other values for some arguments, in place, as scikit-learn sets them; what was prepared is let go.

        Args:
            **params: Values by name.

        Raises:
            SettingError: for a name that is none of the arguments.
        """
        known = self.get_params()
        unknown = [name for name in params if name not in known]
        if unknown:
            raise SettingError(f"an Explainer has no {unknown[0]!r}; its arguments are {', '.join(known)}")
        for name, value in params.items():
            object.__setattr__(self, name, value)
        self._setups.clear()
        return self

    def __sklearn_clone__(self) -> "Explainer":
        # scikit-learn would clone the model too, and a clone of a model is not trained.
        return Explainer(**self.get_params())

    @override
    def __getstate__(self) -> dict[str, Any]:
        return {**self.get_params(), "_setups": []}

    @override
    def __repr__(self) -> str:
        others = [each for each in fields(self) if each.init and each.name != "model"]
        values = {each.name: getattr(self, each.name) for each in others}
        defaults = {each.name: _short(each.default) for each in others}
        named = {name: _short(value) for name, value in values.items()}
        told = [f", {name}={text}" for name, text in named.items() if text != defaults[name]]
        return f"Explainer({type(self.model).__name__}{''.join(told)})"


def _short(value: Any) -> str:
    """A value in a few letters: a table by its size, anything else by the beginning of its repr."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} of {' x '.join(map(str, shape))}"
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 1]}…"


def explained(explainer: Explainer, X: Any, index: Any, stacklevel: int = 3) -> Explanations:
    """What `explainer(X, index)` gives.

    Args:
        explainer: The explainer.
        X: The rows to explain, or a graph.
        index: The nodes to explain, where X is a graph.
        stacklevel: Whose line warnings name; by default the caller's caller.

    Raises:
        SettingError: if an argument is out of range.
    """
    bar = progress_bar(Either((Flag(), None)).take("progress", explainer.progress))
    jobs, meter = count_jobs(explainer.n_jobs), meter_of(explainer.time_limit, bar)
    return explanations_of(explainer.run(X, index, meter), bar, jobs, stacklevel + 1)
