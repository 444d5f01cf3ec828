"""The main job on data that ships with scikit-learn: two models, three rows each, results and pictures.

`make demo` runs it. The ten columns of means are explained, so that all 2^10 subsets
can be compared and everything that is printed is certain for the stated reference.
"""

from pathlib import Path

import matplotlib
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif.cli.pictures import save_figure
from onlyif.explanation.text import explanation_text
from onlyif.plots import plot_continuum, plot_explanation, plot_plane

matplotlib.use("Agg")
FOLDER = Path("onlyif-demo")
PICTURES = {"continuum": plot_continuum, "plane": plot_plane, "sets": plot_explanation}
N_ROWS = 3


def main() -> None:
    cells, label = load_breast_cancer(return_X_y=True, as_frame=True)
    cells = cells[[column for column in cells if column.startswith("mean ")]]
    label = label.map({0: "malignant", 1: "benign"})
    train, test, train_label, test_label = train_test_split(
        cells, label, test_size=0.25, random_state=0, stratify=label
    )
    models = {
        "forest": RandomForestClassifier(n_estimators=50, random_state=0),
        "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    }
    for name, model in models.items():
        model.fit(train, train_label)
        print(f"=== {name}: accuracy on {len(test)} test rows {model.score(test, test_label):.3f} ===\n")
        found = onlyif.explain(model, test[:N_ROWS], background=train, keep_table=True, progress=False)
        for item in found:
            print(explanation_text(item), end="\n\n")
        print(onlyif.summary(found), end="\n\n")
        onlyif.save(found, FOLDER / name)
        draw(found, FOLDER / name)
    written = sorted(path.name for path in FOLDER.rglob("*") if path.is_file())
    print(f"{len(written)} files of explanations and pictures are in {FOLDER.resolve()}")


def draw(found: onlyif.Explanations, folder: Path) -> None:
    """One PNG for each row and kind of picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in found:
        for kind, picture in PICTURES.items():
            figure = picture(item).figure
            save_figure(figure, folder / f"row-{item.row}-{kind}.png", dpi=120)
            matplotlib.pyplot.close(figure)


if __name__ == "__main__":
    main()
