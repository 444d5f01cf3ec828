"""A child seed for every named use and index, from the one seed of the user.

Two uses never share a stream by accident, and the stream of one use does not
depend on how the work was split; the global random state is never touched.
"""

import hashlib

import numpy as np

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


def generator(seed: int, use: str, index: int = 0) -> np.random.Generator:
    """A fresh generator for one named use, counter-based: numpy's Philox, keyed by the child seed.

    Args:
        seed: The user's seed.
        use: What the numbers are for.
        index: Which of several streams of this use.

    Example:
        >>> generator(0, "draws").random() == generator(0, "draws").random()
        True
    """
    return np.random.Generator(np.random.Philox(key=child_seed(seed, use, index)))
