"""Checkpoints of a selector's training: one safetensors file, with the settings as JSON in its header.

The header's entry "onlyif" holds the format number, the architecture, the settings of the run and its
rounds, the entry "sha256" a digest of these and of the arrays; nothing in the file is code. A checkpoint
is written under a temporary name and moved into place, so that a kill at any moment leaves the old one
or the new one.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as pack_tensors
from torch import Tensor

from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.training_state import DIGEST as DIGEST_BYTES
from onlyif.amortised.training_state import MOMENTS, Checkpoint, Round, TrainingSettings, weights_of
from onlyif.core.errors import StorageError
from onlyif.core.whole_files import remove_drafts, suffixed, write_whole
from onlyif.explanation.checked import converted, plain

SUFFIX = ".selector.safetensors"
FORMAT = 2
# Images that were trained on are known again since format 2.
SEEN = "trained_on"
KEY, DIGEST = "onlyif", "sha256"


@final
@dataclass(frozen=True)
class _Header:
    """What the header's entry holds."""

    format: int
    data: str
    selector: SelectorSettings
    training: TrainingSettings
    rounds: tuple[Round, ...]


def save_checkpoint(checkpoint: Checkpoint, path: str | os.PathLike[str]) -> Path:
    """Write a checkpoint as `<path>.selector.safetensors`, in place of one that is there.

    Args:
        checkpoint: What `fit` gave.
        path: The stem, with or without ".selector.safetensors". Its folder is made where it is missing.

    Returns:
        The path of the file, which `load_checkpoint` takes.

    Raises:
        StorageError: if the file cannot be written.
    """
    target = suffixed(path, SUFFIX)
    tensors = _tensors(checkpoint)
    held = checkpoint
    header = _Header(FORMAT, held.data, held.selector, held.training, held.rounds)
    text = json.dumps(plain(header), allow_nan=False)
    packed = pack_tensors(tensors, {KEY: text, DIGEST: _digest(text, tensors)})
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, packed)
        remove_drafts(target.parent)
    except OSError as cause:
        raise StorageError(f"cannot write the checkpoint {target}: {cause}") from cause
    return target


def load_checkpoint(path: str | os.PathLike[str], needed: SelectorSettings | None = None) -> Checkpoint:
    """Read a checkpoint that `save_checkpoint` wrote.

    Args:
        path: The stem, or the path of the file.
        needed: The architecture that is wanted, or None for any.

    Raises:
        StorageError: if the file is missing, cut short, changed, of a newer format or of another
            architecture.
    """
    target = suffixed(path, SUFFIX)
    header, tensors = _read(target)
    text = header[KEY]
    document = _parsed(text, target)
    number = document.get("format")
    if type(number) is not int:
        raise StorageError(f"{target}, header {KEY!r}: 'format' must be a whole number, got {number!r}")
    if number not in (1, FORMAT):
        raise StorageError(f"{target} has format {number}, this onlyif reads formats 1 to {FORMAT}")
    if header.get(DIGEST) != _digest(text, tensors):
        raise StorageError(f"{target} was changed since it was written: need the SHA-256 in its header")
    if number == 1:
        tensors[SEEN] = torch.zeros(0, DIGEST_BYTES, dtype=torch.uint8)
        document = {**document, "selector": {**_selector(document, target), "sized": False}}
    checkpoint = _checkpoint(converted(document, _Header, f"{target}, header {KEY!r}"), tensors, target)
    if needed is not None and checkpoint.selector != needed:
        raise StorageError(
            f"{target} holds a selector of another architecture: got {checkpoint.selector}, need {needed}"
        )
    return checkpoint


def _tensors(checkpoint: Checkpoint) -> dict[str, Tensor]:
    parts = {"weights": checkpoint.weights, "moments": checkpoint.moments, "best": checkpoint.best}
    tensors = {
        f"{part}.{name}": value.detach().cpu().clone().contiguous()
        for part, held in parts.items()
        for name, value in held.items()
    }
    return {**tensors, SEEN: checkpoint.trained_on.cpu().contiguous()}


def _digest(text: str, tensors: Mapping[str, Tensor]) -> str:
    whole = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        value = tensors[name]
        whole.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        whole.update(value.numpy().tobytes())
    return whole.hexdigest()


def _read(target: Path) -> tuple[dict[str, str], dict[str, Tensor]]:
    try:
        with safe_open(target, framework="pt") as file:
            header = dict(file.metadata() or {})
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError as cause:
        raise StorageError(f"no checkpoint: {target} does not exist") from cause
    except (SafetensorError, OSError, ValueError) as cause:
        raise StorageError(
            f"{target} is cut short or no safetensors file ({cause}); need one that save_checkpoint wrote"
        ) from cause
    if KEY not in header:
        raise StorageError(f"{target} is no checkpoint of a selector: need the entry {KEY!r} in its header")
    return header, tensors


def _parsed(header: str, target: Path) -> dict[str, Any]:
    try:
        document = json.loads(header)
    except (ValueError, RecursionError) as cause:
        raise StorageError(f"{target}: the header's entry {KEY!r} is no JSON: {cause}") from cause
    if not isinstance(document, dict):
        raise StorageError(f"{target}, header {KEY!r}: need a JSON object, got {type(document).__name__}")
    return document


def _selector(document: Mapping[str, Any], target: Path) -> dict[str, Any]:
    selector = document.get("selector")
    if not isinstance(selector, dict):
        raise StorageError(f"{target}, header {KEY!r}: need an object 'selector', got {selector!r}")
    return selector


def _checkpoint(header: _Header, tensors: Mapping[str, Tensor], target: Path) -> Checkpoint:
    _check_shapes(header.selector, tensors, target)
    parts = [
        {
            name.removeprefix(f"{part}."): value
            for name, value in tensors.items()
            if name.startswith(f"{part}.")
        }
        for part in ("weights", "moments", "best")
    ]
    weights, moments, best = parts
    return Checkpoint(
        header.selector, header.training, header.data, header.rounds, weights, moments, best, tensors[SEEN]
    )


def _check_shapes(selector: SelectorSettings, tensors: Mapping[str, Any], target: Path) -> None:
    weights = weights_of(Selector(selector))
    places = ["weights", "best", *(f"moments.{moment}" for moment in MOMENTS)]
    needed = {f"{place}.{name}": tuple(value.shape) for place in places for name, value in weights.items()}
    got = {name: tuple(value.shape) for name, value in tensors.items()}
    needed[SEEN] = (got.get(SEEN, (0,))[0], DIGEST_BYTES)
    wrong = sorted(name for name in got.keys() | needed.keys() if got.get(name) != needed.get(name))
    if wrong:
        raise StorageError(
            f"{target} does not hold the arrays of {selector}: {len(wrong)} differ, the first is {wrong[0]} "
            f"with shape {got.get(wrong[0], 'none')}, need {needed.get(wrong[0], 'none')}"
        )
