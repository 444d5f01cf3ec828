"""What the small families promise (distances, readouts, outputs, links, forms, recipes), as checks."""

from typing import Any

import numpy as np
from jaxtyping import Float64

from onlyif.criteria.distances import Distance
from onlyif.modalities.background import Background
from onlyif.modalities.table_forms import Form
from onlyif.models.links import Link
from onlyif.models.outputs import Heads, Output
from onlyif.models.readouts import Readout
from onlyif.references.base import Plan, ReferenceRecipe


def check_distance(distance: Distance, values: Float64[np.ndarray, "v"]) -> None:
    """The contract of `Distance`: elementwise, 0 on equals, at least 0, and a metric where it says so.

    Args:
        distance: The member.
        values: Some values that it can compare.

    Raises:
        AssertionError: if the member breaks its contract.

    Example:
        >>> from onlyif.criteria.distances import AbsoluteDistance
        >>> check_distance(AbsoluteDistance(), np.array([0.0, 0.5, 2.0]))
    """
    gaps = distance.between(values[:, None], values)
    assert gaps.shape == (len(values), len(values)), "the distance does not broadcast"
    assert bool((gaps >= 0).all()), "a distance is negative or NaN"
    assert bool((gaps.diagonal() == 0).all()), "equal values are apart"
    assert distance.kind.name, "the distance has no name for results"
    if distance.kind.is_metric:
        assert np.allclose(gaps, gaps.T), "a metric is symmetric"
        detour = gaps[..., None] + gaps
        assert bool((gaps[:, None] <= detour + 1e-9).all()), "the triangle inequality fails"


def check_readout(readout: Readout, outputs: Float64[np.ndarray, "b m k"]) -> None:
    """The contract of `Readout`: a part reads as the whole does, and exact outputs give an exact number.

    Args:
        readout: The member, for as many instances as the outputs have.
        outputs: Some averaged outputs.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    numbers = readout.read(outputs)
    assert numbers.shape == outputs.shape[:2], "need one number an instance and subset"
    for i in range(len(outputs)):
        alone = readout.part(slice(i, i + 1)).read(outputs[i : i + 1])
        assert np.array_equal(alone, numbers[i : i + 1]), "an instance alone reads differently"
    assert bool((readout.error(np.zeros_like(outputs)) == 0).all()), "exact outputs have an error"
    noisy = readout.error(np.ones_like(outputs))
    assert bool(((noisy > 0) | np.isnan(noisy)).all()), "noisy outputs are read without an error"


def check_output(output: Output, heads: Heads, native: Any) -> None:
    """The contract of `Output`: it chooses a head that can be asked and is named.

    Args:
        output: The member.
        heads: What a model offers, the member's own kind among it.
        native: Rows of the model's own kind.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    head = output.choose(heads)
    assert len(head.ask(native)) == len(native), "the chosen head does not answer row by row"
    assert heads.meaning(head).output, "the output has no name for results"


def check_link(link: Link, margins: Float64[np.ndarray, "n m k"]) -> None:
    """The contract of `Link`: the mean is that of the outputs, and additive links pass means through.

    Args:
        link: The member.
        margins: Some margins of draws and subsets.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    weights = np.arange(1.0, len(margins) + 1)
    weights /= weights.sum()
    slow = sum(weight * link.outputs(draw) for weight, draw in zip(weights, margins, strict=True))
    mean = link.completed(np.tensordot(weights, link.averaged(margins), 1))
    assert np.allclose(mean, slow), "the mean is not that of outputs"
    if link.additive:
        passed = link.outputs(np.tensordot(weights, margins, 1))
        assert np.allclose(passed, slow), "an additive link must pass means through"


def check_form(form: Form, table: Any) -> None:
    """The contract of `Form`: decoding undoes encoding, in memory of its own.

    Args:
        form: The member.
        table: A table of its kind.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    codes = form.encode(table)
    decoded = form.decode(codes)
    assert type(decoded) is type(table), "another kind of table comes back"
    np.testing.assert_array_equal(form.encode(decoded), codes, "the table is not the same")
    codes.fill(0.0)
    assert not np.array_equal(form.encode(table), codes), "codes share memory with the table"
    assert form.batch_dtype.kind == "f", "batches must be floating point"


def check_recipe(recipe: ReferenceRecipe, background: Background) -> None:
    """The contract of `ReferenceRecipe`: equal backgrounds give equal references, fresh ones others.

    Args:
        recipe: The member.
        background: Rows of a table.

    Raises:
        AssertionError: if the member breaks its contract.
    """
    x, keep = background.values[:1], np.zeros((1, 1, len(background.columns)), dtype=bool)
    first, second = recipe.build(background), recipe.build(background)
    assert first.law == second.law, "the same background gives another law"
    assert first.law.sentence, "the reference has no sentence"
    n = first.law.n_atoms
    plan = Plan(n or 8, 0, n or 8, None if n else background.seed)
    drawn = [reference.draw(x, keep, plan).values for reference in (first, second)]
    assert np.array_equal(drawn[0], drawn[1], equal_nan=True), "the same background gives other draws"
    fresh = recipe.fresh(background)
    if fresh is not None and fresh.law.n_atoms is not None:
        rows = {tuple(row) for row in drawn[0].reshape(-1, x.shape[1]).tolist()}
        m = fresh.law.n_atoms
        others = fresh.draw(x, keep, Plan(m, 0, m, None)).values.reshape(-1, x.shape[1]).tolist()
        assert rows.isdisjoint(tuple(row) for row in others), "fresh rows are not fresh"
