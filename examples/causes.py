"""Which measurements are, together, the most probable cause of a diagnosis.

Each measurement of the breast-cancer data comes as a mean, an error and a worst value, which are
one player here. The baseline is a typical benign cell, so that a cause is what makes the difference to it.
"""

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif.explanation.layout import number


def main() -> None:
    cells, benign = load_breast_cancer(return_X_y=True, as_frame=True)
    train, test = cells[:400], cells[440:443]
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train, benign[:400])
    measured = [column.removeprefix("mean ") for column in cells if column.startswith("mean ")]
    groups = {name: [column for column in cells if name in column] for name in measured}

    typical_benign = train[benign[:400] == 1].median().to_frame().T
    choice = onlyif.PNS(baseline=typical_benign, sample=onlyif.BackgroundRows(100))
    found = onlyif.explain(model, test, background=train, groups=groups, criterion=choice, size=2)
    print(found, end="\n\n")
    print("the best set of each size for the first of them:")
    for cause in found[0].path:
        typical = number(cause.typical or 0.0)
        print(f"  {cause.size:2}  PNS {number(cause.pns.value)}, on average {typical}: {cause}")
    print()
    print(onlyif.summary(found))


if __name__ == "__main__":
    main()
