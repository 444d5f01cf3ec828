"""A pipeline on a mixed table, Adult: strings, numbers and missing values, as pandas reads them.

Needs the file adult.csv.gz: the training part of Adult (UCI Machine Learning Repository) with
a header line and the label in a column `income`. Give its folder with --data, or the folder
above it in the environment variable ONLYIF_DATA.
"""

import argparse
import os
from pathlib import Path

import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

import onlyif
from onlyif.explanation.text import explanation_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, help="the folder that holds adult.csv.gz")
    folder = parser.parse_args().data or Path(os.environ.get("ONLYIF_DATA", "."), "adult")
    file = folder / "adult.csv.gz"
    if not file.is_file():
        print(f"skipped: there is no {file}; name its folder with --data")
        return
    people = pd.read_csv(file, na_values="?").drop(columns="fnlwgt")
    income = people.pop("income")
    train, test = people[:20_000], people[30_000:30_003]

    words = make_column_selector(dtype_exclude="number")
    coder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    encode = make_column_transformer((coder, words), remainder="passthrough")
    model = make_pipeline(encode, HistGradientBoostingClassifier(random_state=0)).fit(train, income[:20_000])

    groups = {"education": ["education", "education-num"], "capital": ["capital-gain", "capital-loss"]}
    for reference in (onlyif.Marginal(n_rows=50), onlyif.Empirical(n_rows=200)):
        found = onlyif.explain(model, test, background=train, groups=groups, reference=reference)
        print(found[0].provenance.reference)
        print(found, end="\n\n")
    print(explanation_text(found[0]))


if __name__ == "__main__":
    main()
