"""`onlyif dataset`: tables of scikit-learn as CSV files, and a model of them, for examples."""

import argparse
import csv
import io
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Shaped

from onlyif.cli.commands import add_command, add_quiet
from onlyif.core.errors import StorageError
from onlyif.core.extras import missing
from onlyif.core.seeds import generator
from onlyif.core.whole_files import checked_path, write_whole

_EXAMPLES = """\
  two tables and a model, and the reasons for its first three decisions
    onlyif dataset wine --model
    onlyif explain wine/model.skops --data wine/rows.csv --background wine/train.csv \\
        --drop cultivar --rows 0-2

  the tables alone, in a folder of one's own
    onlyif dataset diabetes --out tables/"""
# Of the rows that a model is not trained on.
SHARE = 0.3


@final
@dataclass(frozen=True)
class DataSet:
    """One of scikit-learn's data sets.

    Args:
        loader: The name of the function that loads it.
        label: What its label is called here.
        said: What it is of.
    """

    loader: str
    label: str
    said: str


DATA_SETS: Mapping[str, DataSet] = {
    "breast-cancer": DataSet("load_breast_cancer", "diagnosis", "569 tumours, 30 measures, two diagnoses"),
    "diabetes": DataSet("load_diabetes", "progression", "442 patients, 10 measures, a number"),
    "wine": DataSet("load_wine", "cultivar", "178 wines, 13 measures, three cultivars"),
}


def add_dataset(commands: "argparse._SubParsersAction[Any]") -> None:
    """The command's arguments.

    Args:
        commands: All commands.
    """
    told = "write a data set of scikit-learn as CSV files, to try things out"
    made = add_command(
        commands, "dataset", told, _EXAMPLES, "train.csv has 7 rows of 10, rows.csv the others."
    )
    names = "; ".join(f"{name}: {held.said}" for name, held in DATA_SETS.items())
    made.add_argument("name", choices=[*DATA_SETS], help=f"which; nothing is downloaded ({names})")
    made.add_argument(
        "--out", metavar="DIR", help="the folder; files that are there are replaced (default: the name)"
    )
    made.add_argument(
        "--model", action="store_true", help="fit a model to train.csv too, and write it as model.skops"
    )
    add_quiet(made)


def write_dataset(arguments: Namespace) -> list[Path]:
    """Write the files.

    Args:
        arguments: Those of the command.

    Returns:
        The paths of the files.

    Raises:
        ExtraError: if scikit-learn, or for a model skops, is not installed.
        StorageError: if they cannot be written.
    """
    held = DATA_SETS[arguments.name]
    table, label, names = _loaded(held)
    order = generator(0, "data set").permutation(len(table))
    rows, train = np.split(order, [round(SHARE * len(table))])
    folder = checked_path(arguments.name if arguments.out is None else arguments.out)
    header = [*names, held.label]
    files = {
        name: _csv(header, table[chosen], label[chosen])
        for name, chosen in {"train.csv": train, "rows.csv": rows}.items()
    }
    if arguments.model:
        files["model.skops"] = _model(table[train], label[train], names)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            write_whole(folder / name, content)
    except OSError as error:
        raise StorageError(f"cannot write into {folder}: {error.strerror}") from error
    return [folder / name for name in files]


def _loaded(held: DataSet) -> tuple[Shaped[np.ndarray, "n c"], Shaped[np.ndarray, "n"], list[str]]:
    """The table, what is to be predicted, as words where they are classes, and the columns' names."""
    try:
        from sklearn import datasets
    except ModuleNotFoundError as error:
        raise missing("scikit-learn", "sklearn", "onlyif dataset") from error
    # The diabetes table is scaled unless that is refused.
    options = {"scaled": False} if held.loader == "load_diabetes" else {}
    loaded = getattr(datasets, held.loader)(**options)
    words = getattr(loaded, "target_names", None)
    return loaded.data, loaded.target if words is None else words[loaded.target], [*loaded.feature_names]


def _csv(header: list[str], table: Shaped[np.ndarray, "n c"], label: Shaped[np.ndarray, "n"]) -> bytes:
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(header)
    lines.writerows([*row, told] for row, told in zip(table.tolist(), label.tolist(), strict=True))
    return text.getvalue().encode("utf-8")


def _model(table: Shaped[np.ndarray, "n c"], label: Shaped[np.ndarray, "n"], names: list[str]) -> bytes:
    """A linear model of scaled columns, whose names it knows, as a .skops file: it is explained at once."""
    try:
        import pandas as pd
        import skops.io
    except ModuleNotFoundError as error:
        raise missing(str(error.name), "pandas,skops", "onlyif dataset --model") from error
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    last = Ridge() if label.dtype.kind == "f" else LogisticRegression(max_iter=1000)
    fitted = make_pipeline(StandardScaler(), last).fit(pd.DataFrame(table, columns=names), label)
    return bytes(skops.io.dumps(fitted))
