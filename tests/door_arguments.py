"""Natural slips in every argument of `onlyif.explain`, in a process where only the library checks types.

Prints a line for each call that raised something else than the library's own errors, or
that was taken (or refused) against what is written here.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import torch

import onlyif
from onlyif.causation.abduction import Resampling
from onlyif.searches.beam import BeamSearch
from onlyif.searches.greedy import ForwardGreedySearch

TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=list("abc"))
PLAIN = onlyif.PNS


def model(table: pd.DataFrame) -> np.ndarray:
    return table.a.to_numpy() + table.b.to_numpy() * table.c.to_numpy()


def explained(**settings: Any) -> Any:
    return onlyif.explain(model, TABLE[:1], background=TABLE, **settings)


def causes(**settings: Any) -> Any:
    return explained(criterion=PLAIN(**settings))


OPTIONS = [
    *("alpha", "size", "exact_size", "epsilon", "groups", "seed", "max_rows", "budget", "progress", "output"),
    *(
        "reference",
        "restriction",
        "search",
        "distance",
        "keep_table",
        "tolerate",
        "criterion",
        "time_limit",
        "target",
        "n_jobs",
        *("keep", "never", "costs", "order"),
    ),
]
SETTINGS = [
    *("b", "c", "baseline", "sample", "distance", "events", "p_replace", "n_perturbations", "abduction"),
    "weights",
]
JUNK: dict[str, Callable[[], Any]] = {
    "nan": lambda: float("nan"),
    "inf": lambda: float("inf"),
    "a half": lambda: 2.5,
    "10**400": lambda: 10**400,
    "10**6000": lambda: 10**6000,
    "text": lambda: "no",
    "empty text": lambda: "",
    "bytes": lambda: b"a",
    "list": lambda: [1, "a"],
    "array": lambda: np.array([1.0, 2.0]),
    "masked": lambda: np.ma.masked,
    "complex": lambda: 1j,
    "class": lambda: onlyif.Marginal,
    "frame": lambda: TABLE,
    "generator": lambda: (i for i in (1, 2)),
    "dict": lambda: {"g": 1},
    "module": lambda: np,
    "NA": lambda: pd.NA,
    "function": lambda: lambda *_: None,
    "raising": lambda: lambda *_: 1 // 0,
}
ARGUMENTS: dict[str, Callable[[Any], Any]] = {
    **{name: lambda value, name=name: explained(**{name: value}) for name in OPTIONS},
    **{f"PNS.{name}": lambda value, name=name: causes(**{name: value}) for name in SETTINGS},
    "X": lambda value: onlyif.explain(model, value, background=TABLE),
    "background": lambda value: onlyif.explain(model, TABLE[:1], background=value),
    "Marginal": lambda value: explained(reference=onlyif.Marginal(value)),
    "Baseline": lambda value: explained(reference=onlyif.Baseline(value)),
    "Gaussian": lambda value: explained(reference=onlyif.Gaussian(value)),
    "Empirical": lambda value: explained(reference=onlyif.Empirical(value)),
    "Empirical.bandwidth": lambda value: explained(reference=onlyif.Empirical(bandwidth=value)),
    "Replacement": lambda value: explained(reference=onlyif.Replacement(value, "by nothing")),
    "BackgroundRows": lambda value: causes(sample=onlyif.BackgroundRows(value)),
    "NearestRows": lambda value: causes(sample=onlyif.NearestRows(value)),
    "NoiseThreshold": lambda value: causes(c=onlyif.NoiseThreshold(value)),
    "SpreadThreshold": lambda value: causes(c=onlyif.SpreadThreshold(value)),
    "TypicalBoundary": lambda value: causes(b=onlyif.TypicalBoundary(value)),
    "Resampling": lambda value: causes(abduction=Resampling(value)),
    "BeamSearch": lambda value: explained(search=BeamSearch(budget=value)),
    "BeamSearch.width": lambda value: explained(search=BeamSearch(width=value)),
    "ForwardGreedySearch": lambda value: explained(search=ForwardGreedySearch(seconds=value)),
}
REFUSED: dict[str, Callable[[], Any]] = {
    "keep_table='no'": lambda: explained(keep_table="no"),
    "exact_size=10**30": lambda: explained(size=2, exact_size=10**30),
    "progress='yes'": lambda: explained(progress="yes"),
    "output=''": lambda: explained(output=""),
    "criterion=None": lambda: explained(criterion=None),
    "max_rows=10**20": lambda: explained(max_rows=10**20),
    "epsilon=10**400": lambda: explained(epsilon=10**400),
    "restriction='enumerated'": lambda: explained(restriction="enumerated"),
    "restriction gives None": lambda: explained(restriction=lambda *_: None),
    "tolerate='random'": lambda: explained(tolerate="random"),
    "groups of one text": lambda: explained(groups={"g": "ab"}),
    "Marginal(2.5)": lambda: explained(reference=onlyif.Marginal(2.5)),
}
TAKEN: dict[str, Callable[[], Any]] = {
    "max_rows=np.int64": lambda: explained(max_rows=np.int64(99)),
    "max_rows=1e4": lambda: explained(max_rows=1e4),
    "budget=tensor": lambda: explained(budget=torch.tensor(5000)),
    "seed=np.uint8": lambda: explained(seed=np.uint8(3)),
    "size=np.array": lambda: explained(size=np.array(2), exact_size=np.True_),
    "alpha=np.float32": lambda: explained(alpha=np.float32(0.25)),
    "one fault": lambda: explained(tolerate=onlyif.Fault.RANDOM),
    "faults of a generator": lambda: explained(tolerate=(fault for fault in [onlyif.Fault.RANDOM])),
    "no fault": lambda: explained(tolerate=None),
    "Marginal(np.int64)": lambda: explained(reference=onlyif.Marginal(np.int64(5))),
    "weights of an array": lambda: causes(weights=np.array([1.0, 0.0])),
}


def raw_errors() -> Iterator[str]:
    for argument, call in ARGUMENTS.items():
        for junk, make in JUNK.items():
            try:
                call(make())
            except onlyif.OnlyIfError:
                continue
            except Exception as error:  # what is looked for
                yield f"{argument} = {junk}: {type(error).__name__}: {error}"


def wrong_verdicts() -> Iterator[str]:
    for said, call in REFUSED.items():
        try:
            call()
        except onlyif.SettingError:
            continue
        yield f"{said} was taken"
    for said, call in TAKEN.items():
        try:
            call()
        except onlyif.OnlyIfError as error:
            yield f"{said} was refused: {error}"
    found = explained(groups={7: iter(["a", "b"])})[0]
    if set(found.names) != {"7", "c"}:
        yield f"columns of an iterator are lost: {found.names}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    for line in (*raw_errors(), *wrong_verdicts()):
        sys.stdout.write(f"{line}\n")
