"""torch's generators for named uses: where the numbers drawn are tensors from the start."""

import torch

from onlyif.core.seeds import child_seed


def torch_generator(seed: int, use: str, index: int = 0) -> torch.Generator:
    """A fresh generator for one named use; on the CPU, so that a CPU and a GPU draw alike.

    Args:
        seed: The user's seed.
        use: What the numbers are for.
        index: Which of several streams of this use.
    """
    return torch.Generator(device="cpu").manual_seed(child_seed(seed, use, index))
