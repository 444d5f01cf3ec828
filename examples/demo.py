"""The main job on data that ships with scikit-learn: why a model decided as it did, and a page that shows it.

`make demo` runs it. A logistic regression tells malignant from benign samples by ten measurements. All 2^10
subsets of them are compared, so that what is printed is certain for the rows that it is compared with.
"""

import textwrap
from pathlib import Path

from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif

FOLDER = Path("onlyif-demo")
N_ROWS = 50


def main() -> None:
    cells, label = load_breast_cancer(return_X_y=True, as_frame=True)
    cells = cells[[column for column in cells if column.startswith("mean ")]]
    label = label.map({0: "malignant", 1: "benign"})
    train, test, train_label, test_label = train_test_split(
        cells, label, test_size=0.25, random_state=0, stratify=label
    )
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(train, train_label)
    found = onlyif.explain(model, test[:N_ROWS], background=train, against="other decisions", progress=False)
    chosen = next((item for item in found if not item.statuses), found[0])
    say(f"Why did the model decide on sample {chosen.row} as it did?")
    for said in chosen.sentences("applicant"):
        say(said, "  ")
    say("\nAnd what is needed for it?")
    say(chosen.sentences()[3], "  ")
    accuracy = model.score(test, test_label)
    print(f"\nThe same for {len(found)} samples (accuracy on all {len(test)}: {accuracy:.3f}):")
    print(found)
    onlyif.save(found, FOLDER / "samples")
    page = found.to_html(FOLDER / "report.html", title="Why these samples were judged as they were")
    print("\nOpen this page in a browser, with a slider from what is needed to what is enough:")
    print(f"  {page.resolve()}")


def say(text: str, indent: str = "") -> None:
    """A sentence, in lines that fit a screen."""
    print(textwrap.fill(text, 96, initial_indent=indent, subsequent_indent=indent, replace_whitespace=False))


if __name__ == "__main__":
    main()
