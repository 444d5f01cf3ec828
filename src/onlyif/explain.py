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
    """Find sufficient sets, necessary sets, and what lies between, for each prediction; or its cause.

    Only the model, the rows and mostly a background are needed. All other arguments have defaults that depend
    on the kind of model and on the size of the table: exact methods are used if they are fast enough. The
    result states every choice. For many calls with one model use an `Explainer`, which prepares it once.

    Args:
        model: A trained model: a scikit-learn estimator or pipeline, an XGBoost or LightGBM model, a
            `torch.nn.Module`, an ONNX session, any object with `predict_proba` or `predict`, any callable
            from a table to outputs, or a `Predictor`.
        X: The rows to explain: a pandas or polars frame, a numpy array, a scipy sparse matrix or a torch
            tensor; instances of a `modality`; or a graph, with `index`.
        background: Rows like the training data, of the same kind and with the same columns as `X`. Hidden
            players take their values from them. Required unless `reference` is an object with its own rows.
        target: The output to explain: its number, its class label, or a list with one per row. By default the
            predicted class, or the largest output.
        alpha: α in [0, 1] of the unified set: 1 is sufficiency only, 0 necessity only.
        size: τ, the largest number of players in the continuum and the unified set. By default the size of
            the larger of the smallest ε-sufficient and the smallest ε-necessary set. For images one or more
            sizes, as shares of the pixels (.05) or as numbers of pixels; each set contains the smaller ones,
            and the unified set has the largest size.
        exact_size: Whether sets have exactly `size` players instead of at most.
        epsilon: ε in the units of the distance; by default a tenth of ρ(f(x), f_0).
        groups: Columns that form one player: a mapping from names to columns, the path of a TOML file with a
            table `[groups]`, or a fitted scikit-learn transformer, whose one-hot blocks become players.
        seed: The random seed; equal seeds give equal results.
        max_rows: The largest number of rows in one model call. It limits the memory.
        budget: The largest number of model rows per instance. If all 2^d subsets fit, all are compared.
        progress: Whether to show a progress bar; by default for long work on a terminal.
        time_limit: The largest number of seconds for this call. The current row then ends with the subsets
            compared so far, and says so in its notes. Later rows are left out, with a warning, and listed in
            the attribute `left_out`. A running call of the model is not interrupted.
        output: What to explain: "probability", "margin", "logit", "value", or an object. By default the
            probability if the model has one, otherwise its value.
        reference: What replaces a hidden player: "marginal" (the default), "baseline", "gaussian",
            "empirical", settings such as `Marginal(n_rows=None)`, or an object.
        restriction: How f_S(x) is computed; by default in closed form, enumerated or sampled,
            whichever is possible first.
        search: "exhaustive", "beam", "greedy" or a `Search`; by default exhaustive if the budget allows it.
            For sets of pixels also a `LearnedExplainer`, from whose scores the search starts.
        distance: ρ: "absolute" (the default), "discrete", "logit", or an object.
        keep_table: Whether each explanation keeps f_S(x) for all 2^d subsets, 8 · 2^d bytes per row.
        tolerate: Faults of the model that are noted instead of refused.
        criterion: "sne" (the default) for sufficient and necessary sets; "pns" or `onlyif.PNS(...)` for the
            sets of each size that are most probably the necessary and sufficient cause; or your own
            `OwnCriterion`. For causes, `size` is 3 by default, and alpha, epsilon, reference, restriction,
            distance and keep_table cannot be used. For your own, alpha, size, exact_size, epsilon, distance
            and keep_table cannot be used.
        modality: The kind of data, if it is not a table: `Images()` for sets of pixels in a few regions (the
            default if X has four or more axes), `Images("pixels")` for sets of single pixels, `Images(8)` or
            an array of regions for patches or superpixels, `Graphs(...)` for nodes of a graph, or your own
            `Modality`. `X` is then a sequence of instances, or a graph. `groups` cannot be used then.
        index: If X is a graph (a torch_geometric `Data` or an `onlyif.Graph`), the nodes to explain: a
            number, several, or one boolean per node. Their edges are the players.
        n_jobs: The number of processes, as in joblib: None for 1, -1 for all cores. Threads are used with
            `joblib.parallel_config(backend="threading")`. Results do not depend on it.
        against: Explains the model's decision in contrast to other rows: "other decisions" compares with the
            background rows that get another decision, a class with those that get this class, and a boolean
            mask over the background, or a table, with these rows. A set is then sufficient if the decision
            stays, and necessary if it changes; among sets of one size, the probability decides. `target`,
            `distance`, causes and references with their own rows cannot be used then. For models without
            classes, only the background changes.
        stability: The number of resamples of the background (at least 2; 50 is a good choice). Each set then
            states the share of resamples that give the same set, and each player the share of sets that
            contain it. Requires a marginal reference and a search through all subsets. No extra model calls.
        confidence: With which confidence, such as .95, the smallest sets are within ε for rows outside the
            background, too. Sets are then chosen by an upper confidence bound of their gap, and are a little
            larger. Requires a search through all subsets, with equally weighted background rows or draws.
        keep: Players that every reported set must contain: names of columns or groups, or their numbers.
        never: Players that no reported set may contain, such as an age that may not be given as a reason.
        costs: The cost of each player: a mapping (players that are not listed cost 1), or one number per
            player. The cheapest sets are then reported instead of the smallest.
        order: A mapping from a player to those without which it may not be in a set.

    Returns:
        One explanation per row, in order.

    Raises:
        InputError: if a table cannot be used as it is.
        SettingError: if an argument is out of range or contradicts another one.
        ModelError: if the model raises an error, or returns something that is not a prediction.
        ExtraError: if `n_jobs` needs joblib, and it is not installed.
        LimitError: if a table of all subsets would not fit into memory.
        Interrupted: on Ctrl-C; its `finished` holds the complete explanations.

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
