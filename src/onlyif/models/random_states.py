"""The global random states of Python, NumPy and torch, put back when the last who asks a model is done.

Threads may ask models at a time: the first one keeps the states, and the last one puts them back.
torch is none of what is asked for here: where the process never imported it, there is nothing to put back.
"""

import random
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib import import_module
from typing import Any, final

import numpy as np

OWN_GENERATORS = frozenset({"cuda", "xpu", "mps"})


@final
class _Chance:
    """The global random states as the first of their users found them."""

    def __init__(self) -> None:
        self.lock, self.users = threading.Lock(), 0
        self.found: dict[str, Any] = {}

    def hold(self, device: Any) -> None:
        torch = _torch()
        with self.lock:
            if not self.users:
                self.found["python"] = random.getstate()
                self.found["numpy"] = np.random.get_state(legacy=False)
            if torch is not None and "torch" not in self.found:
                self.found["torch"] = torch.get_rng_state()
            if device is not None and str(device) not in self.found:
                self.found[str(device)] = _state_on(torch, device)
            self.users += 1

    def release(self) -> None:
        with self.lock:
            self.users -= 1
            if self.users:
                return
            found = dict(self.found)
            self.found.clear()
            random.setstate(found.pop("python"))
            np.random.set_state(found.pop("numpy"))
            if not found:
                return
            torch = import_module("torch")
            torch.set_rng_state(found.pop("torch"))
            for device, state in found.items():
                _put_state_on(torch, torch.device(device), state)


_CHANCE = _Chance()


@contextmanager
def random_states(device: Any = None) -> Iterator[None]:
    """The global random states of Python, NumPy and torch, put back when their last user is done.

    Inside, they move on as they are drawn from: only the outermost of several puts them back.

    Args:
        device: A torch device with a generator of its own, beside the CPU's; others are nothing to put back.
    """
    own = device is not None and device.type in OWN_GENERATORS
    _CHANCE.hold(device if own else None)
    try:
        yield
    finally:
        _CHANCE.release()


@contextmanager
def all_random_states() -> Iterator[None]:
    """The same with all CUDA devices, if this process uses them."""
    torch = _torch()
    used = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    with ExitStack() as stack:
        stack.enter_context(random_states())
        for number in range(torch.cuda.device_count() if used else 0):
            stack.enter_context(random_states(torch.device("cuda", number)))
        yield


def advance_random_states() -> None:
    """Draw from the global random states, so that a model that draws from them answers otherwise."""
    random.random()
    np.random.random()
    torch = _torch()
    if torch is not None:
        torch.rand(1)


def _torch() -> Any:
    """torch where the process uses it, else None. To import it here waits for a thread that is at it."""
    return import_module("torch") if "torch" in sys.modules else None


def _state_on(torch: Any, device: Any) -> Any:
    where = torch.get_device_module(device)
    return where.get_rng_state() if device.type == "mps" else where.get_rng_state(device)


def _put_state_on(torch: Any, device: Any, state: Any) -> None:
    where = torch.get_device_module(device)
    where.set_rng_state(state) if device.type == "mps" else where.set_rng_state(state, device)
