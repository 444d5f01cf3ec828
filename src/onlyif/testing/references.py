"""The contract of every reference, as checks that anyone can run on their own."""

import numpy as np
from jaxtyping import Float64

from onlyif.core.arrays import doubled, namespace, on_host
from onlyif.core.shapes import InputKeep, Instances
from onlyif.references.base import Draws, Plan, Reference

_N = 300  # draws in the checks of splitting: more than one chunk of every member


def check_reference(reference: Reference, x: Instances, keep: InputKeep) -> None:
    """Raise AssertionError, saying what is wrong, unless a reference keeps its contract.

    Draws do not depend on the total, the split, or the other instances and subsets; equal seeds give
    equal draws, other seeds others (unless the law is a single value); weights sum to 1; hidden entries
    are finite; a finite law's draws have the mean of its atoms.

    Args:
        reference: The reference, for rows with no missing values.
        x: At least two instances.
        keep: At least two subsets, shared by all instances, one of which hides something.
    """
    _need(len(x) > 1 and len(keep) == 1 and keep.shape[1] > 1, "give two instances and two shared subsets")
    _need(bool((~keep).any()), "give a subset that hides something")
    _check_law(reference)
    _check_draws(reference, x, keep)
    _check_parts(reference, x, keep)
    if reference.law.n_atoms is not None:
        _check_atoms(reference, x, keep, reference.law.n_atoms)
    _check_sample_size(reference, x, keep)


def _check_law(reference: Reference) -> None:
    law = reference.law
    _need(law.sentence.strip() == law.sentence != "", "the law needs a sentence without spaces around it")
    _need(law.sentence.endswith("."), f"the sentence must end with a full stop: {law.sentence!r}")
    _need(law.n_atoms is None or law.n_atoms >= 1, f"a law has at least one atom, got {law.n_atoms}")
    _need(law == reference.law, "the law must be the same whenever it is asked for")


def _check_draws(reference: Reference, x: Instances, keep: InputKeep) -> None:
    before = on_host(x).copy(), keep.copy()
    drawn = reference.draw(x, keep, Plan(_N, 0, _N, 1))
    _need(bool(np.all(drawn.weights == 1 / _N)), "seeded draws must weigh 1 / total each")
    _need(namespace(drawn.values) is namespace(x), "draws must be arrays of the library of x")
    _need(drawn.values.dtype == x.dtype, "draws must have the dtype of x")
    values = _hidden(drawn, x, keep)
    _need(bool(np.isfinite(values).all()), "hidden entries must be finite")
    _need(_same(values, _hidden(reference.draw(x, keep, Plan(_N, 0, _N, 1)), x, keep)), "seeds must repeat")
    other = _hidden(reference.draw(x, keep, Plan(_N, 0, _N, 2)), x, keep)
    _need(reference.law.n_atoms == 1 or not _same(values, other), "another seed must give other draws")
    unchanged = np.array_equal(on_host(x), before[0]) and np.array_equal(keep, before[1])
    _need(unchanged, "x and keep must not be changed")


def _check_parts(reference: Reference, x: Instances, keep: InputKeep) -> None:
    whole = _hidden(reference.draw(x, keep, Plan(_N, 0, _N, 1)), x, keep)
    for start, stop in ((0, 1), (1, 7), (7, _N)):
        part = _hidden(reference.draw(x, keep, Plan(9 * _N, start, stop, 1)), x, keep)
        _need(
            _same(part, whole[:, :, start:stop]), f"draws {start} to {stop} depend on the split or the total"
        )
    one = _hidden(reference.draw(x[1:2], keep, Plan(_N, 0, _N, 1)), x[1:2], keep)
    _need(_same(one, whole[1:2]), "the draws of an instance depend on the other instances")
    one = _hidden(reference.draw(x, keep[:, 1:2], Plan(_N, 0, _N, 1)), x, keep[:, 1:2])
    _need(_same(one, whole[:, 1:2]), "the draws of a subset depend on the other subsets")
    own = np.broadcast_to(keep, (len(x), *keep.shape[1:])).copy()
    own[1] = own[1, ::-1]
    swapped = _hidden(reference.draw(x, own, Plan(_N, 0, _N, 1)), x, own)
    _need(_same(swapped[1], whole[1, ::-1]), "subsets of one instance each must give what shared ones give")


def _check_atoms(reference: Reference, x: Instances, keep: InputKeep, n: int) -> None:
    atoms = reference.draw(x, keep, Plan(n, 0, n, None))
    total = atoms.weights.sum(-1)
    _need(_same(total, np.ones_like(total)), "the weights of all atoms must sum to 1")
    cut, size = n // 2, (len(x), keep.shape[1])
    halves = [
        reference.draw(x, keep, Plan(n, *part, None)) for part in ((0, cut), (cut, n)) if part[0] < part[1]
    ]
    joined = np.concatenate([np.broadcast_to(h.weights, (*size, h.weights.shape[2])) for h in halves], 2)
    whole = np.broadcast_to(atoms.weights, joined.shape)
    _need(_same(joined, whole), "the weights of atoms depend on the split")
    values = _hidden(atoms, x, keep)
    share = atoms.weights.reshape(*atoms.weights.shape, *[1] * (values.ndim - 3))
    mean = (share * values).sum(2)
    spread = np.sqrt((share * np.square(values - mean[:, :, None])).sum(2) / 4000)
    drawn = _hidden(reference.draw(x, keep, Plan(4000, 0, 4000, 1)), x, keep).mean(2)
    far = (np.abs(drawn - mean) > 6 * spread + 1e-5 * np.abs(values).max(2)).any()
    _need(not far, "seeded draws must have the mean of the atoms")


def _check_sample_size(reference: Reference, x: Instances, keep: InputKeep) -> None:
    sizes = reference.effective_sample_size(x, keep)
    if sizes is not None:
        most = reference.law.n_atoms or np.inf
        right = ((sizes > 1 - 1e-6) & (sizes < most * (1 + 1e-6))).all()
        _need(bool(right), f"an effective sample size lies between 1 and {most}, got {sizes}")


def _hidden(draws: Draws, x: Instances, keep: InputKeep) -> Float64[np.ndarray, "b m n *x"]:
    """The draws where entries are hidden, 0 where they are kept."""
    full = np.broadcast_to(doubled(draws.values), (len(x), keep.shape[1], *draws.values.shape[2:]))
    return np.where(keep[:, :, None], 0.0, full)


def _same(one: Float64[np.ndarray, "..."], other: Float64[np.ndarray, "..."]) -> bool:
    return one.shape == other.shape and np.allclose(one, other, rtol=1e-5, atol=1e-8, equal_nan=True)


def _need(right: bool, message: str) -> None:
    if not right:
        raise AssertionError(message)
