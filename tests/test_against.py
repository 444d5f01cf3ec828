"""Reasons for a decision: rows explained against those that the model decides otherwise."""

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif.core.errors import OnlyIfWarning, SettingError
from onlyif.criteria.distances import SideDistance, gap_error
from onlyif.explainer import Explainer
from onlyif.explanation.selection import Direction
from onlyif.explanation.status import StatusKind

CELLS, LABEL = load_breast_cancer(return_X_y=True, as_frame=True)
CELLS = CELLS[[f"mean {name}" for name in ("radius", "texture", "smoothness", "concavity", "symmetry")]]
CELLS.index = [f"patient {i}" for i in CELLS.index]
LABEL = np.where(LABEL == 0, "malignant", "benign")
MODEL = make_pipeline(StandardScaler(), LogisticRegression()).fit(CELLS, LABEL)
ROWS = CELLS[15:35]


def _mean(model, rows, x, keep, column):
    """P of the column, of rows with what is kept of x, by the definition."""
    mixed = rows.copy()
    for name in keep:
        mixed[name] = x[name]
    return model.predict_proba(mixed)[:, column].mean()


def test_sets_are_those_of_plain_loops_over_the_rows_that_are_decided_otherwise():
    background = CELLS[:90]
    found = onlyif.explain(MODEL, ROWS, background=background, against="other decisions")
    assert [item.row for item in found] == list(ROWS.index)
    decided, theirs = MODEL.predict(ROWS), MODEL.predict(background)
    assert set(decided) == {"malignant", "benign"}
    for i, item in enumerate(found):
        x, column = ROWS.iloc[i], list(MODEL.classes_).index(decided[i])
        others = background[theirs != decided[i]]
        assert item.target_label == decided[i]
        assert item.prediction == pytest.approx(MODEL.predict_proba(ROWS)[i, column])
        assert item.base == pytest.approx(_mean(MODEL, others, x, [], column))
        assert f"{len(others)} of 90 rows decided otherwise" in item.provenance.sentences["against"]
        for kind, keep in (("sufficient", "kept"), ("necessary", "hidden")):
            chosen = item.sets[kind]
            kept = [name for name in CELLS if (name in chosen.names) == (keep == "kept")]
            value = _mean(MODEL, others, x, kept, column)
            assert chosen.measure(keep).value == pytest.approx(value)
            # The decision stays with a sufficient set alone, and is gone without a necessary one.
            assert (value > 0.5) == (kind == "sufficient")
        for one in item.alternatives["sufficient"]:
            for name in one.names:
                less = [other for other in one.names if other != name]
                assert _mean(MODEL, others, x, less, column) <= 0.5


def test_no_member_speaks_against_the_decision_of_an_additive_model():
    for item in onlyif.explain(MODEL, ROWS, background=CELLS, against="other decisions"):
        for kind in ("sufficient", "necessary"):
            assert set(item.sets[kind].directions) <= {Direction.RAISES}
        assert item.status.kind in {StatusKind.EXPLAINED, StatusKind.EVERYTHING}
        assert item.settings["decided"] == 1


def test_a_class_a_mask_and_a_table_name_the_rows():
    malignant = ROWS[MODEL.predict(ROWS) == "malignant"]
    benign = MODEL.predict(CELLS) == "benign"
    ways = ["other decisions", "benign", benign, list(benign), pd.Series(benign), CELLS[benign]]
    found = [
        onlyif.explain(
            MODEL, malignant, background=CELLS, against=way, reference=onlyif.Marginal(n_rows=None)
        )
        for way in ways
    ]
    for one in found[1:]:
        assert [item.sets["necessary"].players for item in one] == [
            item.sets["necessary"].players for item in found[0]
        ]
        np.testing.assert_allclose([item.base for item in one], [item.base for item in found[0]])
    (alone,) = onlyif.explain(MODEL, malignant[:1], against=CELLS[benign])
    assert "that were given" in alone.provenance.sentences["against"]


def test_the_text_speaks_of_the_decision():
    (item,) = onlyif.explain(MODEL, ROWS[:1], background=CELLS, against="other decisions")
    text = " ".join(onlyif.explanation_text(item).split())
    assert "the average when all 5 features are as in" in text
    assert "rows decided otherwise than 'malignant'" in text
    assert text.count(": the decision stays)") >= 1 and text.count(": the decision is gone)") >= 1


def test_saved_and_loaded_it_is_the_same(tmp_path):
    found = onlyif.explain(MODEL, ROWS[:3], background=CELLS, against="other decisions")
    loaded = onlyif.load(onlyif.save(found, tmp_path / "found"))
    assert [onlyif.explanation_text(item) for item in loaded] == [
        onlyif.explanation_text(item) for item in found
    ]


def test_a_tuned_threshold_is_the_one_that_decides():
    model = FixedThresholdClassifier(MODEL, threshold=0.2, pos_label="malignant").fit(CELLS, LABEL)
    found = onlyif.explain(model, ROWS, background=CELLS, against="other decisions")
    benign = [item for item in found if item.target_label == "benign"]
    assert benign and all(item.prediction > 0.8 for item in benign)
    for item in found:
        limit = 0.8 if item.target_label == "benign" else 0.2
        assert item.sufficient.measure("kept").value > limit - 0.02
        assert "was taken for its threshold" in item.notes[-1]
        assert item.settings["threshold"] == pytest.approx(limit, abs=0.02)


def test_a_gap_whose_interval_holds_the_threshold_has_an_error_that_says_so():
    distance, value, error = SideDistance(0.5), np.array([0.52, 0.6]), np.array([0.015, 0.015])
    gap = distance.between(np.array(0.9), value)
    said = gap_error(distance, lambda moved: distance.between(np.array(0.9), moved), value, error, gap)
    assert said[0] >= 1.0 and said[1] < 0.02


def test_of_more_classes_the_decisions_are_compared():
    flowers, kind = load_iris(return_X_y=True)
    model = RandomForestClassifier(20, random_state=0).fit(flowers, kind)
    found = onlyif.explain(model, flowers[::30], background=flowers, against="other decisions")
    assert {item.sufficient.sufficiency.value for item in found} == {0.0}
    assert all(item.provenance.values["of_decisions"] for item in found)
    for item, decided in zip(found, model.predict(flowers[::30]), strict=True):
        assert item.target_label == item.value_text(item.prediction) == str(decided)
        assert item.value_text(item.base) in set(map(str, kind)) - {str(decided)}
        told = " ".join(onlyif.explanation_text(item).split())
        assert f"f(x) = {decided} the prediction" in told and "what is decided most often when all" in told


def test_of_a_model_without_classes_only_the_background_is_another():
    model = LinearRegression().fit(CELLS, CELLS["mean radius"] * 2)
    high = (model.predict(CELLS) > 30).tolist()
    (item,) = onlyif.explain(model, CELLS[:1], background=CELLS, against=high)
    (plain,) = onlyif.explain(model, CELLS[:1], background=CELLS[high])
    assert item.base == pytest.approx(plain.base) and item.epsilon == pytest.approx(plain.epsilon)
    with pytest.raises(SettingError, match="a model that decides between classes"):
        onlyif.explain(model, CELLS[:1], background=CELLS, against="other decisions")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"against": "neither"}, "against must be 'other decisions', one of the classes"),
        ({"against": "malignant"}, "rows are decided as 'malignant' themselves"),
        ({"against": [True, False]}, "holds 2 booleans, the background has 569 rows"),
        ({"against": np.zeros(569, dtype=bool)}, "leaves none of the 569 rows"),
        ({"against": "other decisions", "target": "benign"}, "target has no use with against"),
        ({"against": "other decisions", "distance": "logit"}, "distance has no use with against"),
        ({"against": "other decisions", "criterion": "pns"}, "criterion='pns' has no use with against"),
    ],
)
def test_what_cannot_be_meant_is_refused(settings, message):
    with pytest.raises(SettingError, match=message):
        onlyif.explain(MODEL, ROWS, background=CELLS, **settings)


def test_a_background_that_is_decided_alike_is_named():
    alike = CELLS[MODEL.predict(CELLS) == "malignant"]
    with pytest.raises(
        SettingError, match=r"none of the .* background rows is decided otherwise than 'malignant'"
    ):
        onlyif.explain(MODEL, alike[:2], background=alike, against="other decisions")


def test_time_leaves_out_the_last_rows_and_rows_asked_for_decisions_are_counted():
    with pytest.warns(OnlyIfWarning, match="after 0 of 20 rows; 20 rows left out, from row patient 15 on"):
        found = onlyif.explain(MODEL, ROWS, background=CELLS, against="other decisions", time_limit=1e-9)
    assert found.left_out == tuple(ROWS.index)
    received = []

    def counted(table):
        received.append(len(table))
        return MODEL.predict_proba(table)

    found = onlyif.explain(counted, ROWS, background=CELLS, against="other decisions")
    asked = sum(item.asked_rows for item in found)
    # Each block tells how many rows were for checks before it; the last one tells of them all.
    assert asked + found[-1].check_rows == sum(received)
    assert found[0].check_rows >= len(ROWS) + len(CELLS)
    assert Explainer(counted, CELLS, against="other decisions").estimate(ROWS).n_rows == 20


def test_what_was_done_to_columns_is_noted():
    turned = CELLS[CELLS.columns[::-1]].assign(label=LABEL)
    (item,) = onlyif.explain(MODEL, turned[15:16], background=turned, against="other decisions")
    (same,) = onlyif.explain(MODEL, ROWS[:1], background=CELLS, against="other decisions")
    assert item.sets == same.sets and item.names == same.names
    assert sum("were put in it" in note for note in item.notes) == 2
    assert sum("['label']" in note for note in item.notes) == 2
