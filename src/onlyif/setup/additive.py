"""Whether f_S(x) has a closed form because the model's margin is a sum over columns."""

from collections.abc import Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

import numpy as np
from jaxtyping import Float64

from onlyif.core.errors import ModelError
from onlyif.core.progress import TimeUpError
from onlyif.core.shapes import Batch
from onlyif.engine.engine import Engine, outputs_of
from onlyif.modalities.table_forms import BatchForm
from onlyif.models.additive import additive_model
from onlyif.models.base import Meaning, Predictor
from onlyif.models.function import FunctionPredictor
from onlyif.models.links import Link
from onlyif.models.metered import MeteredPredictor, tallied
from onlyif.models.output_links import LogOddsLink
from onlyif.models.outputs import Heads, LogitOutput
from onlyif.references.base import Reference
from onlyif.restrictions.additive import AdditiveRestriction, compile_additive, measured_parts
from onlyif.setup.foundation import Foundation
from onlyif.setup.once import N_MIXED, Once, tolerance
from onlyif.setup.options import Options, given_search, output_of
from onlyif.setup.ready import Ready

# Rows of which mixtures are made, to compare both ways on.
N_ROWS = 32


def additive_links(base: Foundation) -> tuple[Link, ...]:
    """The links from sums to outputs that a model may have by its class; none where it is no known sum.

    Args:
        base: The model and the background.
    """
    model, options = base.source.model, base.source.options
    if not type(model).__module__.startswith("sklearn.") or base.of_decisions:
        return ()
    if options.restriction is not None or _is_bounded(options):
        return ()
    steps = import_module("onlyif.models.sklearn_steps").steps_of(model, base.tables.values.shape[1])
    if steps is None:
        return ()
    heads: Heads = import_module("onlyif.models.sklearn_estimator").estimator_heads(steps.last)
    known = additive_model(steps.last, output_of(options.output).choose(heads).kind)
    return () if known is None else tuple(known.links)


def additive_restriction(
    ready: Ready, once: Once, reference: Reference, atoms: Float64[np.ndarray, "n c"]
) -> AdditiveRestriction | None:
    """f_S(x) in closed form, where the model is known to add up and does so on mixtures of rows.

    Args:
        ready: The rows to explain and the model.
        once: How the model is asked.
        reference: What a hidden player is replaced by; finite.
        atoms: Its rows.
    """
    options = ready.options
    if once.behind is None or ready.of_decisions or options.restriction is not None or _is_bounded(options):
        return None
    behind, output = once.behind, output_of(options.output)
    heads: Heads = import_module("onlyif.models.sklearn_estimator").estimator_heads(behind.last)
    known = additive_model(behind.last, output.choose(heads).kind)
    if known is None:
        return None

    def ask(batch: Batch) -> Any:
        return known.margins(behind.rows(batch))

    described = Meaning(ready.asked.meaning.model, "margin")
    asked = tallied(FunctionPredictor(ask, BatchForm(), described), ready.meter)
    margins = MeteredPredictor(asked, ready.meter)
    links = [
        LogOddsLink(link, output.clip) if isinstance(output, LogitOutput) else link for link in known.links
    ]
    try:
        rows = np.concatenate([ready.tables.x[:N_ROWS], atoms[:N_ROWS]])
        link = _agreeing(ready, once.predictor, margins, links, rows)
        if link is None:
            return None
        return compile_additive(
            margins,
            link,
            reference,
            ready.tables.players,
            ready.tables.x,
            ready.options.max_rows,
            ready.meter,
        )
    except (ModelError, TimeUpError):
        # The model refuses some mixture, or time is up: it is asked for what is needed, and says so.
        return None


def _is_bounded(options: Options) -> bool:
    """Whether the user chose a search whose answer depends on how many model rows a subset costs."""
    search = given_search(options)
    return search is not None and not search.plan.complete


def _agreeing(
    ready: Ready,
    predictor: Predictor,
    margins: Predictor,
    links: Sequence[Link],
    rows: Float64[np.ndarray, "r c"],
) -> Link | None:
    """The link with which sums of parts answer as the model does, on mixtures of rows; None if none does."""
    players, rng = ready.tables.players, np.random.default_rng(0)
    engine = Engine(margins, players, ready.options.max_rows)
    first, second = rng.integers(0, len(rows), (2, N_MIXED))
    keep = rng.random((N_MIXED, players.count)) < rng.random((N_MIXED, 1))
    parts, base = measured_parts(engine, rows, rows[:1]), outputs_of(margins, rows[:1], 1)
    sums = base + np.where(keep[..., None], parts[first] - base, parts[second] - base).sum(1)
    wanted = replace(engine, predictor=predictor).blends(rows, rows, (first, second), keep)
    most = tolerance(wanted, predictor.meaning.digits)
    for link in links:
        outputs = link.outputs(sums)
        if outputs.shape == wanted.shape and float(np.abs(outputs - wanted).max()) <= most:
            return link
    return None
