"""A child seed for every named use and index, from the one seed of the user.

Two uses never share a stream by accident, and the stream of one use does not
depend on how the work was split. Generators live on the CPU, so that a CPU
and a GPU draw alike; the global random state is never touched.
"""

import hashlib

import torch

from onlyif.core.arguments import Whole

_SEED = Whole(most=2**4096)


def child_seed(seed: int, use: str, index: int = 0) -> int:
    """The seed of one named use, in [0, 2^63).

    Args:
        seed: The user's seed, any integer; `onlyif.explain` takes 64 bits.
        use: What the numbers are for, such as "gaussian draws".
        index: Which of several streams of this use.

    Raises:
        SettingError: unless the seed is an integer.

    Example:
        >>> child_seed(0, "draws") == child_seed(0, "draws")
        True
        >>> child_seed(0, "draws") == child_seed(0, "draws", 1)
        False
    """
    text = f"{_SEED.take('seed', seed)}/{use}/{index}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(seed: int, use: str, index: int = 0) -> torch.Generator:
    """A fresh CPU generator for one named use."""
    return torch.Generator(device="cpu").manual_seed(child_seed(seed, use, index))
