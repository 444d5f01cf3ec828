"""What asking a module may change, put back when its last user is done: modes and buffers.

Threads may ask one module at a time, or modules that share parts. So its users are counted, part by part: the
first one puts a part into evaluation mode, and the last one puts back what the first one found.
The tables here hold nothing while no model is asked.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from onlyif.core.errors import ModelError

# Buffers with more entries are weights under another name, of which a second copy may not fit. They are left
# to the module; statistics, counters and observers are far smaller.
LARGEST_BUFFER = 2**20


@final
@dataclass(frozen=True, eq=False)
class _Buffer:
    """A buffer as it was found."""

    name: str
    tensor: Tensor
    copy: Tensor

    def put_back(self, part: nn.Module) -> None:
        if dict(part._buffers.items()).get(self.name) is not self.tensor:
            part._buffers[self.name] = self.tensor
        # Not by its version, which the kernels of batch normalisation do not count up.
        if torch.equal(self.tensor, self.copy):
            return
        with torch.no_grad():
            if self.tensor.shape == self.copy.shape:
                self.tensor.copy_(self.copy)
            else:
                self.tensor.data = self.copy


@final
class _Part:
    """A module that is being asked, as it was found, and by how many."""

    def __init__(self, module: nn.Module) -> None:
        self.module, self.trained, self.buffers, self.users = module, _trains(module), _buffers(module), 0


@final
class _Evaluated:
    """All modules that are being asked, by identity; each is held, so that no number is used again."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.parts: dict[int, _Part] = {}

    def hold(self, modules: list[nn.Module]) -> None:
        with self.lock:
            for number, module in enumerate(modules):
                try:
                    self._hold(module)
                except ModelError:
                    self._release(modules[: number + 1])
                    raise

    def _hold(self, module: nn.Module) -> None:
        part = self.parts.get(id(module))
        if part is None:
            part = _Part(module)
            self.parts[id(module)] = part
        part.users += 1
        if part.users > 1 and _trains(module):
            raise ModelError(_disturbed(module))
        _switch(module, on=False)

    def release(self, modules: list[nn.Module]) -> None:
        with self.lock:
            self._release(modules)

    def _release(self, modules: list[nn.Module]) -> None:
        for module in modules:
            part = self.parts[id(module)]
            part.users -= 1
            if part.users:
                continue
            del self.parts[id(module)]
            for buffer in part.buffers:
                buffer.put_back(module)
            if part.trained:
                _switch(module, on=True)


_EVALUATED = _Evaluated()


@contextmanager
def evaluation(module: nn.Module) -> Iterator[None]:
    """In evaluation mode, for as many threads as ask; the last one puts modes and buffers back.

    A part that somebody else puts into training mode meanwhile stays in it.

    Raises:
        ModelError: if a part has no evaluation mode, or was put into training mode meanwhile.
    """
    parts = list(module.modules())
    _EVALUATED.hold(parts)
    try:
        yield
        again = next((part for part in parts if _trains(part)), None)
        if again is not None:
            raise ModelError(_disturbed(again))
    finally:
        _EVALUATED.release(parts)


def _disturbed(module: nn.Module) -> str:
    return (
        f"a {type(module).__name__} was put into training mode while it was asked, by another thread or by "
        "itself, so that answers may be those of training; need a module whose mode is left alone while it "
        "is explained"
    )


def _trains(module: nn.Module) -> bool:
    # A frozen TorchScript module has no mode: it is always in evaluation mode.
    return bool(getattr(module, "training", False))


def _switch(module: nn.Module, *, on: bool) -> None:
    """Set the flag itself, for train() and eval() of a part may do more than that."""
    if _trains(module) == on:
        return
    try:
        if isinstance(module, torch.jit.ScriptModule):
            module.training = on  # on to the attribute of the compiled module
        else:
            object.__setattr__(module, "training", on)  # without the module's search for parameters
    except (AttributeError, RuntimeError) as error:
        raise ModelError(
            f"the mode of a {type(module).__name__} cannot be set ({error}); need a module that can be put "
            "into evaluation mode"
        ) from error
    if _trains(module) != on:
        raise ModelError(
            f"a {type(module).__name__} stays in training mode when its mode is set; need a module that can "
            "be put into evaluation mode"
        )


def _buffers(module: nn.Module) -> tuple[_Buffer, ...]:
    return tuple(
        _Buffer(name, tensor, tensor.detach().clone())
        for name, tensor in module._buffers.items()
        if tensor is not None and _is_small(tensor)
    )


def _is_small(tensor: Tensor) -> bool:
    # One without a size yet has nothing to lose; one made in inference mode cannot be changed outside of it.
    lazy = nn.parameter.is_lazy(tensor)
    return not lazy and not tensor.is_inference() and tensor.numel() <= LARGEST_BUFFER
