"""The model asked with soft masks: rows between what is shown and what is hidden, with their gradient.

    outputs = f(hidden + share∘(shown - hidden)),    share in [0, 1] for each entry

Memory is bounded by the rows of a call: where there are more of them, each call's graph is let go of before
the next one, and made again for its gradient.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import product
from math import prod
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from onlyif.core.errors import LimitError, ModelError
from onlyif.core.shapes import Batch
from onlyif.engine.engine import answers, checked
from onlyif.models.differentiable import DifferentiablePredictor

Answer = TypeVar("Answer")


def soft_outputs(
    predictor: DifferentiablePredictor,
    ends: tuple[Float[Tensor, "..."], Float[Tensor, "..."]],
    share: Float[Tensor, "..."],
    *,
    axes: int,
    max_rows: int,
) -> Float[Tensor, "*r k"]:
    """What the model says of rows between two ends, with a graph to the share if that has one.

    Args:
        predictor: The model f. It is made ready for each call, which costs nothing if it is opened.
        ends: Rows where the share is 0, and where it is 1: (*r, *x), whose sizes of 1 stand for all.
        share: How near to the second end each entry is, (*r, *x) alike.
        axes: The number of axes in *r.
        max_rows: Most rows of one model call.

    Raises:
        ModelError: if outputs have no gradient although the share has one.
        LimitError: if memory runs out.
    """
    ends = ends[0].to(share.dtype), ends[1].to(share.dtype)
    every = torch.Size(map(max, zip(*(each.shape[:axes] for each in (*ends, share)), strict=True)))

    def part(block: tuple[slice, ...]) -> Tensor:
        rows = (_cut(each, block) for each in (*ends, share))
        return _asked(predictor, torch.lerp(*rows).flatten(0, axes - 1))

    blocks = list(_blocks(every, max_rows))
    outputs = part(blocks[0]) if len(blocks) == 1 else torch.cat([_made_twice(part, one) for one in blocks])
    if torch.is_grad_enabled() and share.requires_grad and not outputs.requires_grad:
        raise ModelError(
            "the model gives no gradient with respect to its input; search over superpixels with beam"
        )
    return outputs.to(share.device).view(*every, -1)


def plain_outputs(predictor: DifferentiablePredictor, rows: Batch, max_rows: int) -> Float[Tensor, "r k"]:
    """What the model says of rows as they are, without a graph.

    Args:
        predictor: The model f.
        rows: The rows; they stay as they are.
        max_rows: Most rows of one model call.

    Raises:
        LimitError: if memory runs out.
    """
    with predictor.opened() as opened, torch.no_grad(), memory_for(min(max_rows, len(rows))):
        outputs: Tensor = answers(opened, rows, max_rows)
    return outputs.to(rows.device)


def slopes(
    cost: Float[Tensor, "*b"], moved: tuple[Float[Tensor, "..."], ...]
) -> tuple[Float[Tensor, "..."], ...]:
    """The slope of each cost in what it is computed from; 0 where it does not depend on that.

    Args:
        cost: A number, or one an instance with a graph in which no instance meets another.
        moved: What it is computed from.

    Raises:
        ModelError: if a slope is NaN or infinite.
    """
    values: tuple[Tensor, ...] = torch.autograd.grad(
        cost.sum(), moved, allow_unused=True, materialize_grads=True
    )
    if not all(bool(value.isfinite().all()) for value in values):
        raise ModelError("the model gave NaN or infinite gradients; need finite ones")
    return values


def with_room(max_rows: int, ask: Callable[[int], Answer]) -> tuple[Answer, int]:
    """An answer, and the rows of a call that there was memory for: these are halved until they fit.

    Args:
        max_rows: Most rows of one model call.
        ask: What is asked with so many rows; asked again after a failure, so it must change nothing.

    Raises:
        LimitError: if memory runs out even for a single row a call.
    """
    while True:
        try:
            with memory_for(max_rows):
                return ask(max_rows), max_rows
        except LimitError as error:
            if max_rows == 1:
                raise LimitError(
                    "out of memory even with a single row a model call: need a smaller instance or model, "
                    "fewer instances at once, or a device with more memory"
                ) from error
        max_rows //= 2


@contextmanager
def memory_for(rows: int) -> Iterator[None]:
    """Every way to run out of memory in a model call becomes one error.

    Args:
        rows: Rows of the call, for the reader.

    Raises:
        LimitError: if memory runs out.
    """
    try:
        yield
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise LimitError(f"out of memory in a model call of {rows} rows") from error
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # the words of torch's CPU allocator
            raise
        raise LimitError(f"out of memory in a model call of {rows} rows") from error


def _asked(predictor: DifferentiablePredictor, batch: Float[Tensor, "r *x"]) -> Float[Tensor, "r k"]:
    # Without a graph the same function is asked as with one: some modules answer otherwise without.
    with predictor.opened() as opened, memory_for(len(batch)):
        outputs: Tensor = checked(
            predictor, opened.respond(batch) if torch.is_grad_enabled() else opened.predict(batch)
        )
    return outputs


def _made_twice(ask: Callable[[tuple[slice, ...]], Tensor], block: tuple[slice, ...]) -> Tensor:
    if not torch.is_grad_enabled():
        return ask(block)
    # Stopping early is an error that torch raises through the model, which is not the model's.
    with torch.utils.checkpoint.set_checkpoint_early_stop(False):
        answer: Tensor = torch.utils.checkpoint.checkpoint(
            ask, block, use_reentrant=False, preserve_rng_state=False
        )
    return answer


def _blocks(sizes: torch.Size, max_rows: int) -> Iterator[tuple[slice, ...]]:
    """Blocks of at most so many rows, in order: whole in the last axes, a slice of one, one by one before."""
    axis = next((i for i in range(len(sizes)) if prod(sizes[i + 1 :]) <= max_rows), len(sizes) - 1)
    step = max(1, max_rows // max(1, prod(sizes[axis + 1 :])))
    steps = [*[1] * axis, step, *sizes[axis + 1 :]]
    ranges = [
        [slice(first, min(first + by, size)) for first in range(0, size, max(1, by))]
        for size, by in zip(sizes, steps, strict=True)
    ]
    return product(*ranges)


def _cut(rows: Tensor, block: tuple[slice, ...]) -> Tensor:
    """A block of rows, of which sizes of 1 stand for all."""
    return rows[
        tuple(slice(None) if size == 1 else one for size, one in zip(rows.shape, block, strict=False))
    ]
