"""The contract of every predictor, as checks that anyone can run on their own."""

import numpy as np
import torch
from torch import Tensor

from onlyif.core.shapes import Batch
from onlyif.predictors.base import Predictor


def check_predictor(predictor: Predictor, batch: Batch) -> None:
    """Raise AssertionError, saying what is wrong, unless a predictor keeps its contract.

    It answers one row a row, with finite numbers and one label an output where there are
    labels; equal calls agree, and so do rows apart, in another order or beside others; the
    batch, the global random states of torch and numpy, and the gradient mode are left as found.

    Args:
        predictor: The predictor.
        batch: At least three rows it can be asked for, not all with the same answer.
    """
    _need(len(batch) > 2, "give at least three rows")
    _check_meaning(predictor)
    outputs = _ask(predictor, batch)
    _check_outputs(predictor, outputs, batch)
    _need(bool((outputs != outputs[0]).any()), "give rows with different answers")
    _check_rows_apart(predictor, outputs, batch)


def _check_meaning(predictor: Predictor) -> None:
    meaning = predictor.meaning
    _need(meaning == predictor.meaning, "the meaning must be the same whenever it is asked for")
    _need(bool(meaning.model.strip()), "the meaning must name the model")
    _need(bool(meaning.output.strip()), "the meaning must name the output")
    _need(len(set(meaning.labels)) == len(meaning.labels), "the labels must be distinct")
    _need(1 <= meaning.digits <= 52, f"a float has 1 to 52 binary digits, got {meaning.digits}")


def _check_outputs(predictor: Predictor, outputs: Tensor, batch: Tensor) -> None:
    labels = predictor.meaning.labels
    _need(outputs.ndim == 2, f"outputs must be (rows, outputs), got shape {tuple(outputs.shape)}")
    _need(len(outputs) == len(batch), f"need one output a row: {len(batch)} rows, got {len(outputs)}")
    _need(outputs.shape[1] > 0, "need at least one output a row")
    _need(outputs.is_floating_point(), f"outputs must be floating, got {outputs.dtype}")
    _need(outputs.device == batch.device, "outputs must be on the batch's device")
    _need(not outputs.requires_grad, "outputs must not require gradients")
    _need(bool(outputs.isfinite().all()), "outputs must be finite")
    _need(
        not labels or len(labels) == outputs.shape[1], f"{outputs.shape[1]} outputs have the labels {labels}"
    )


def _check_rows_apart(predictor: Predictor, outputs: Tensor, batch: Tensor) -> None:
    scale = outputs.abs().max().clamp(min=1) * 2.0 ** (6 - predictor.meaning.digits)
    backwards = torch.arange(len(batch) - 1, -1, -1, device=batch.device)
    ways = {
        "equal calls": _ask(predictor, batch),
        "rows in another order": _ask(predictor, batch[backwards])[backwards],
        "rows apart": torch.cat([_ask(predictor, batch[i : i + 1]) for i in range(len(batch))]),
        "rows beside others": _ask(predictor, torch.cat([batch, batch[:2]]))[: len(batch)],
    }
    for way, answer in ways.items():
        _need(answer.shape == outputs.shape, f"{way} must have answers of the same shape")
        difference = (answer - outputs).abs().max()
        _need(
            bool(difference <= scale),
            f"{way} must have equal answers, they differ by {difference.item():.3g}",
        )


def _ask(predictor: Predictor, batch: Tensor) -> Tensor:
    """The outputs, after a look at all that a call must not change."""
    given, states = batch.clone(), _random_states()
    outputs = predictor.predict(given)
    _need(_same(given, batch), "the batch must not be changed")
    _need(states == _random_states(), "the global random states of torch and numpy must be left as found")
    _need(torch.is_grad_enabled(), "the gradient mode must be left as found")
    if outputs.numel():
        kept = outputs.clone()
        given.zero_()
        _need(_same(outputs, kept), "outputs must not share memory with the batch")
    return outputs


def _random_states() -> tuple[bytes, bytes, int]:
    # Not that of Python's own module: what checks types while tests run draws from it.
    legacy = np.random.get_state(legacy=False)["state"]
    return torch.get_rng_state().numpy().tobytes(), legacy["key"].tobytes(), legacy["pos"]


def _same(first: Tensor, second: Tensor) -> bool:
    return torch.equal(first.nan_to_num(), second.nan_to_num()) and torch.equal(first.isnan(), second.isnan())


def _need(holds: bool, said: str) -> None:
    if not holds:
        raise AssertionError(said)
