"""All thirty columns of the breast-cancer data: too many for every subset, unless they are grouped.

Each measurement comes as a mean, an error and a worst value. Taken as one player
they make ten, and every subset can be compared; taken one by one there are thirty,
and beam search finds good sets that are not certified.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif


def main() -> None:
    cells, benign = load_breast_cancer(return_X_y=True, as_frame=True)
    train, test = cells[:400], cells[440:443]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train, benign[:400])
    measured = [column.removeprefix("mean ") for column in cells if column.startswith("mean ")]
    groups = {name: [column for column in cells if name in column] for name in measured}

    print("ten groups of three columns:\n")
    print(onlyif.explain(model, test, background=train, groups=groups))
    print("\nthirty columns, 200,000 model rows a row at most:\n")
    alone = onlyif.explain(model, test, background=train, budget=200_000)
    print(alone)
    print(f"\n{alone[0].provenance.search}")


if __name__ == "__main__":
    main()
