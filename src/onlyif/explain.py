"""`onlyif.explain`: the function to begin with."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from onlyif.answers.own import OwnCriterion
from onlyif.causation.settings import PNS
from onlyif.criteria.distances import Distance
from onlyif.explainer import Explainer, explained
from onlyif.explanation.explanations import Explanations
from onlyif.modalities.base import Modality
from onlyif.modalities.graphs import Graphs
from onlyif.modalities.images import Images
from onlyif.models.checked import Fault
from onlyif.models.outputs import Output
from onlyif.references.base import Reference, ReferenceRecipe
from onlyif.restrictions.base import Restriction
from onlyif.setup.choose import Parts
from onlyif.setup.options import Target


def explain(
    model: Any,
    X: Any,
    *,
    background: Any = None,
    target: Target = None,
    alpha: float = 0.5,
    size: int | float | Sequence[int | float] | None = None,
    exact_size: bool = False,
    epsilon: float | None = None,
    groups: Mapping[str, Sequence[str]] | str | Path | Any | None = None,
    seed: int = 0,
    max_rows: int = 16_384,
    budget: int = 2_000_000,
    progress: bool | None = None,
    time_limit: float | None = None,
    output: Output | str | None = None,
    reference: Reference | ReferenceRecipe | str | None = None,
    restriction: Restriction | Callable[[Parts, Reference], Restriction] | None = None,
    search: Any = None,
    distance: Distance | str | None = None,
    keep_table: bool = False,
    tolerate: tuple[Fault, ...] = (),
    criterion: PNS | OwnCriterion | str = "sne",
    modality: Modality | Images | Graphs | None = None,
    index: Any = None,
    n_jobs: int | None = None,
    against: Any = None,
    stability: int | None = None,
    confidence: float | None = None,
    keep: Any = None,
    never: Any = None,
    costs: Any = None,
    order: Any = None,
) -> Explanations:
    """What is sufficient for each prediction, what is necessary, and all that lies between; or its cause.

    You need to give the model and the rows only. Every other choice has a default that depends on the kind of
    model and on the size of the table: exact methods are used where they are fast enough. The result names
    each choice. For many calls with one model make an `Explainer`, which prepares it once.

    Args:
        model: A trained model: a scikit-learn estimator or pipeline, an XGBoost or LightGBM model, a
            `torch.nn.Module`, an ONNX session, any object with `predict_proba` or `predict`, any callable
            from a table to outputs, or a `Predictor`.
        X: The rows to explain: a pandas or polars frame, a numpy array, a scipy sparse matrix or a torch
            tensor; instances of a `modality`; or a graph, with `index`.
        background: Rows like those the model was trained on, of the same kind and columns as `X`; what
            is hidden takes its values from them. Needed unless `reference` is a finished object.
        target: Which output is explained: its number, its class label, or one of these a row. By default the
            largest output of each row, which for a classifier is the predicted class.
        alpha: α in [0, 1] of the unified set; 1 asks for sufficiency alone, 0 for necessity alone.
        size: τ, the most players in the continuum and the unified set. By default the size of the
            larger of the smallest ε-sufficient and the smallest ε-necessary set. Of images one or several
            sizes, as shares of the pixels (.05) or as numbers of them: nested sets are looked for, and the
            unified set is of the largest.
        exact_size: Ask for exactly `size` players instead of at most.
        epsilon: ε in the units of the distance; by default a tenth of ρ(f(x), f_0).
        groups: Columns that are one player: a mapping from names to columns, the path of a TOML file with a
            table `[groups]`, or a fitted scikit-learn transformer, whose one-hot blocks are kept whole.
        seed: The one seed; equal seeds give equal results.
        max_rows: Most rows of one model call: the one knob for memory.
        budget: Most model rows an instance. If all 2^d subsets fit it, they are all compared.
        progress: Whether a progress bar is shown, which moves inside a row too and says about how long a row
            takes; by default for long work on a terminal.
        time_limit: Most seconds of this call, all rows together. The row under way then ends with the subsets
            that were compared so far and says so in its notes; rows after it are left out, with a warning
            and in the attribute `left_out`. A call of the model under way is finished.
        output: What is explained: "probability", "margin", "logit", "value", or an object. By default the
            probability where the model has one, else its value.
        reference: What a hidden player is replaced by: "marginal" (the default, over as many rows as
            are affordable), "baseline", "gaussian", "empirical", a recipe such as
            `Marginal(n_rows=None)`, or an object.
        restriction: How f_S(x) is computed; by default in closed form, enumerated or sampled,
            whichever fits first.
        search: "exhaustive", "beam", "greedy" or a `Search`; by default exhaustive where the budget allows.
            Sets of pixels start from the scores of a `LearnedExplainer`, where it is one.
        distance: ρ: "absolute" (the default), "discrete", "logit", or an object.
        keep_table: Keep f_S(x) for all 2^d subsets in each explanation: 8 · 2^d bytes a row.
        tolerate: Faults of the model that are noted instead of refused.
        criterion: "sne" (the default) for the sets; "pns" or `onlyif.PNS(...)` for the sets of each size that
            are most probably the necessary and sufficient cause. `size` is then that of the cause, 3 by
            default; alpha, epsilon, reference, restriction, distance and keep_table have no use. Or an
            `OwnCriterion` of yours, with its answer; then alpha, size, exact_size, epsilon, distance and
            keep_table have no use.
        modality: What kind of data X is, where its instances are no rows of a table: `Images()` for images of
            which sets of a few regions are looked for (taken where X has four axes or more),
            `Images("pixels")` for sets of single pixels, `Images(8)` and the like for images whose patches or
            superpixels are the players, `Graphs(...)` for nodes of a graph, or a `Modality` of your own. `X`
            is then a sequence of instances, or a graph. Groups have no use then; images take a background and
            a reference.
        index: The nodes to explain where X is a graph, a torch_geometric `Data` or an `onlyif.Graph`: a
            number, several, or a boolean a node. Their edges are the players.
        n_jobs: How many blocks of rows are explained at once, as joblib has it: None for 1, -1 for all cores.
            Processes do it, or threads with `joblib.parallel_config(backend="threading")`. The explanations
            are the same, whatever the number.
        against: Asks for the reasons of the model's decision: "other decisions" takes for the background of a
            row the background rows that the model decides otherwise; a class takes those that it decides for
            this class; a mask of booleans over the background, or a table, takes these rows. The distance is
            then whether the decision stays, and only then how far the probability moves, and `epsilon` is by
            default such that a set is sufficient exactly if the decision stays, necessary exactly if it is
            gone. `target`, `distance`, causes and finished references have no use then. Of a model without
            classes only the background is another one.
        stability: How many resamples of the background say how sure the sets are (at least 2, 50 serves
            well): the share of resamples that give each set, and in whose sets each player is. Resamples
            differ from the background as much as independent backgrounds of as many rows do. They need a
            marginal reference and a search through all subsets, and ask the model for nothing.
        confidence: How sure it is to be that the smallest sets are within ε for other rows than those of the
            background, such as .95: sets are then chosen by an upper confidence bound of their gap, and are a
            little larger. By default they are within ε for the background. It needs a search through all
            subsets under background rows that weigh the same, or draws.
        keep: Players that every reported set must hold: names of columns or groups, or their numbers.
        never: Players that no reported set may hold, such as an age that may not be given as a reason.
        costs: What each player costs: a mapping from players to costs, those that it lacks cost 1, or one
            cost a player in order. The cheapest sets are then sought instead of the smallest.
        order: What a player needs: a mapping from players to one or more others; it is then in a set only
            together with these.

    Returns:
        One explanation a row, in order: `Explanations`, whatever the criterion.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an argument is out of range or does not fit another one.
        ModelError: if the model raises, or answers something that is no prediction.
        ExtraError: if `n_jobs` needs joblib, and it is not installed.
        LimitError: if a table over all subsets would not fit the memory.
        Interrupted: on Ctrl-C; its `finished` holds the explanations that were whole.

    Example:
        >>> import numpy as np
        >>> rows = np.random.default_rng(0).normal(size=(50, 3))
        >>> found = explain(lambda table: table @ [2.0, 1.0, 0.0], rows[:1], background=rows)
        >>> found[0].sufficient.names
        ('x0', 'x1')

    References:
        [bharti2024] the definitions; the guide states the corrections.
    """
    explainer = Explainer(
        model, background, target=target, alpha=alpha, size=size, exact_size=exact_size, epsilon=epsilon,
        groups=groups, seed=seed, max_rows=max_rows, budget=budget, progress=progress, time_limit=time_limit,
        output=output, reference=reference, restriction=restriction, search=search, distance=distance,
        keep_table=keep_table, tolerate=tolerate, criterion=criterion, modality=modality, n_jobs=n_jobs,
        against=against, stability=stability, confidence=confidence, keep=keep, never=never, costs=costs,
        order=order,
    )  # fmt: skip
    return explained(explainer, X, index)
