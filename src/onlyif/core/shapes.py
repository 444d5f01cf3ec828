"""The shape glossary: one letter a meaning, in every annotation.

| letter | counts |
|---|---|
| b | instances (rows explained at once) |
| d | players |
| m | subsets of players |
| n | draws from the reference, or atoms of it |
| k | outputs of the model |
| c | columns of a table (the entries of one instance) |
| r | rows of one model call, b * m * n flattened |
| p | parts of a gap (one for sufficiency, two for the unified criterion) |
| *x | the shape of one instance: (c,) for tables, (channels, height, width) for images |

A `#` before a letter allows 1 there: one value shared by all.
"""

import numpy as np
from jaxtyping import Bool, Float, Real

from onlyif.core.arrays import Array

Instances = Float[Array, "b *x"]
# Instances that may be integers too, as images are stored.
Numbers = Real[Array, "b *x"]
Batch = Real[Array, "r *x"]
Outputs = Float[Array, "r k"]
Keep = Bool[np.ndarray, "#b m d"]
InputKeep = Bool[np.ndarray, "#b m *x"]
