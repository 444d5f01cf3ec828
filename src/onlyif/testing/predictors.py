"""The contract of every predictor, as checks that anyone can run on their own."""

import sys

import numpy as np
from array_api_compat import is_numpy_array

from onlyif.core.arrays import Array, beside, copied, doubled, namespace, on_host
from onlyif.core.shapes import Batch
from onlyif.models.base import Predictor


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
    answer = _watched(predictor, batch)
    _check_outputs(predictor, answer, batch)
    outputs = doubled(answer)
    _need(bool((outputs != outputs[0]).any()), "give rows with different answers")
    _check_rows_apart(predictor, outputs, batch)


def _check_meaning(predictor: Predictor) -> None:
    meaning = predictor.meaning
    _need(meaning == predictor.meaning, "the meaning must be the same whenever it is asked for")
    _need(bool(meaning.model.strip()), "the meaning must name the model")
    _need(bool(meaning.output.strip()), "the meaning must name the output")
    _need(len(set(meaning.labels)) == len(meaning.labels), "the labels must be distinct")
    _need(1 <= meaning.digits <= 52, f"a float has 1 to 52 binary digits, got {meaning.digits}")


def _check_outputs(predictor: Predictor, outputs: Array, batch: Batch) -> None:
    labels = predictor.meaning.labels
    _need(outputs.ndim == 2, f"outputs must be (rows, outputs), got shape {tuple(outputs.shape)}")
    _need(len(outputs) == len(batch), f"need one output a row: {len(batch)} rows, got {len(outputs)}")
    _need(outputs.shape[1] > 0, "need at least one output a row")
    _need(
        namespace(outputs).isdtype(outputs.dtype, "real floating"),
        f"outputs must be floating, got {outputs.dtype}",
    )
    _need(
        is_numpy_array(outputs) or (type(outputs) is type(batch) and outputs.device == batch.device),
        "outputs must be numpy arrays, or of the batch's library and on its device",
    )
    _need(not getattr(outputs, "requires_grad", False), "outputs must not require gradients")
    _need(bool(np.isfinite(on_host(outputs)).all()), "outputs must be finite")
    _need(
        not labels or len(labels) == outputs.shape[1], f"{outputs.shape[1]} outputs have the labels {labels}"
    )


def _check_rows_apart(predictor: Predictor, outputs: np.ndarray, batch: Batch) -> None:
    scale = max(1.0, np.abs(outputs).max()) * 2.0 ** (6 - predictor.meaning.digits)
    backwards = np.arange(len(batch))[::-1]
    reversed_, beside_others = (
        batch[beside(places, batch)] for places in (backwards.copy(), np.r_[0 : len(batch), 0:2])
    )
    ways = {
        "equal calls": _ask(predictor, batch),
        "rows in another order": _ask(predictor, reversed_)[backwards],
        "rows apart": np.concatenate([_ask(predictor, batch[i : i + 1]) for i in range(len(batch))]),
        "rows beside others": _ask(predictor, beside_others)[: len(batch)],
    }
    for way, answer in ways.items():
        _need(answer.shape == outputs.shape, f"{way} must have answers of the same shape")
        difference = np.abs(answer - outputs).max()
        _need(bool(difference <= scale), f"{way} must have equal answers, they differ by {difference:.3g}")


def _ask(predictor: Predictor, batch: Batch) -> np.ndarray:
    return doubled(_watched(predictor, batch))


def _watched(predictor: Predictor, batch: Batch) -> Array:
    """The outputs, after a look at all that a call must not change."""
    given, states = copied(batch), _random_states()
    outputs = predictor.predict(given)
    _need(_same(given, batch), "the batch must not be changed")
    _need(states == _random_states(), "the global random states of torch and numpy must be left as found")
    torch = sys.modules.get("torch")
    _need(torch is None or torch.is_grad_enabled(), "the gradient mode must be left as found")
    if on_host(outputs).size:
        kept = np.array(on_host(outputs))
        given[...] = 0
        _need(_same(outputs, kept), "outputs must not share memory with the batch")
    return outputs


def _random_states() -> tuple[bytes, bytes, int]:
    # Not that of Python's own module: what checks types while tests run draws from it.
    legacy, torch = np.random.get_state(legacy=False)["state"], sys.modules.get("torch")
    of_torch = b"" if torch is None else torch.get_rng_state().numpy().tobytes()
    return of_torch, legacy["key"].tobytes(), legacy["pos"]


def _same(first: Array, second: Array) -> bool:
    return np.array_equal(on_host(first), on_host(second), equal_nan=True)


def _need(holds: bool, said: str) -> None:
    if not holds:
        raise AssertionError(said)
