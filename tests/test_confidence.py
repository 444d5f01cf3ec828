"""Sets that are within ε for other rows, too: bounds of gaps, and how often they hold."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from scipy.special import stdtrit
from sklearn.ensemble import GradientBoostingClassifier, RandomForestClassifier

import onlyif
from onlyif.answers.confidence import quantile_of
from onlyif.cli.main import main
from onlyif.core.errors import SettingError
from onlyif.core.subsets import canonical_order, keep_of_codes
from onlyif.explanation.verdicts import BOUND, Finding
from onlyif.restrictions.groups import groups_of

D = 4
TABLE = np.random.default_rng(0).normal(size=(60, D))
LABEL = TABLE[:, 0] + TABLE[:, 1] * TABLE[:, 2] > 0
BOOSTED = GradientBoostingClassifier(n_estimators=6, random_state=0).fit(TABLE, LABEL)
WHOLE = onlyif.Marginal(n_rows=None)
WEIGHTS = np.array([1.0, -0.8, 0.5, 0.3])


def smooth(table):
    return np.tanh(table[:, 0] + table[:, 1] * table[:, 2]) + 0.2 * table[:, 3]


MODELS = {
    "function": (smooth, smooth, {}),
    "margin": (BOOSTED, BOOSTED.decision_function, {"output": "margin"}),
    "probability of trees": (BOOSTED, lambda t: BOOSTED.predict_proba(t)[:, 1], {}),
}


def plain_bounds(f, x, rows, confidence):
    """Gaps and bounds of all sets, in plain loops over sets and groups."""
    groups = groups_of(len(rows), 0, seed=0).members
    t = stdtrit(len(groups) - 1, confidence)
    value, base = f(x[None])[0], f(rows)
    gaps, bounds = np.zeros((2**D, 2)), np.zeros((2**D, 2))
    for code, keep in enumerate(keep_of_codes(np.arange(2**D), D)):
        for part, (shown, of_base) in enumerate([(keep, 0), (~keep, 1)]):
            outputs = f(np.where(shown, x, rows)) - of_base * base
            each = np.array([outputs[group].mean() for group in groups])
            gaps[code, part] = abs(outputs.mean() - (0 if of_base else value))
            bounds[code, part] = gaps[code, part] + t * each.std(ddof=1) / math.sqrt(len(groups))
    return gaps, bounds


def smallest(bounds, part, epsilon):
    for codes in canonical_order(D):
        at = codes[bounds[codes, part].argmin()]
        if bounds[at, part] <= epsilon:
            return int(at)
    raise AssertionError("all players are within any epsilon")


@pytest.mark.parametrize("name", MODELS)
def test_sets_and_bounds_are_those_of_plain_loops(name):
    model, f, settings = MODELS[name]
    target = {} if name == "function" else {"target": 1}
    found = onlyif.explain(
        model, TABLE[:6], background=TABLE, reference=WHOLE, confidence=0.9, **settings, **(target)
    )
    larger = 0
    for x, item in zip(TABLE, found, strict=False):
        gaps, bounds = plain_bounds(f, x, TABLE, 0.9)
        for part, kind in enumerate(("sufficient", "necessary")):
            code = smallest(bounds, part, item.epsilon)
            chosen = item.sets[kind]
            assert chosen.players == tuple(np.flatnonzero(keep_of_codes(np.array([code]), D)[0]))
            assert chosen.measure(BOUND).value == pytest.approx(bounds[code, part], abs=1e-4)
            assert (chosen.sufficiency, chosen.necessity)[part].value == pytest.approx(gaps[code, part])
            larger += chosen.size > bin(smallest(gaps, part, item.epsilon)).count("1")
            listed = item.alternatives[kind]
            assert chosen.names in [one.names for one in listed]
    assert larger


def test_bounds_of_draws_are_their_normal_ones():
    (item,) = onlyif.explain(smooth, TABLE[:1], background=TABLE, reference="gaussian", confidence=0.95)
    for kind, gap in (("sufficient", "sufficiency"), ("necessary", "necessity")):
        measured = item.sets[kind].measure(gap)
        assert item.sets[kind].measure(BOUND).value == pytest.approx(
            measured.value + 1.6449 * measured.stderr
        )


def test_sets_are_within_epsilon_for_all_rows_as_often_as_was_asked_for():
    """Of a linear model and normal columns f_S over all rows is the sum over S, and f_0 is 0."""
    rng = np.random.default_rng(1)

    def above(confidence):
        wrong = []
        for _ in range(12):
            x = rng.normal(size=(20, D))
            rows = rng.normal(size=(120, D))
            for values, item in zip(
                x,
                onlyif.explain(
                    lambda table: table @ WEIGHTS, x, background=rows, reference=WHOLE, confidence=confidence
                ),
                strict=True,
            ):
                for kind in ("sufficient", "necessary"):
                    # What is hidden, or kept outside a necessary set, is what the gap is made of.
                    left = ~item.sets[kind].keep
                    wrong.append(abs(values[left] @ WEIGHTS[left]) > item.epsilon)
        return np.mean(wrong)

    # 480 statements on 12 backgrounds: a share of .05 is known to .01 or .02.
    assert above(0.95) < 0.05
    assert above(None) > 0.08


def test_quantiles_are_those_of_students_t():
    for n in (9, 17, 31):
        for confidence in (0.5, 0.9, 0.95, 0.99):
            assert quantile_of(confidence, n) == pytest.approx(stdtrit(n - 1, confidence), abs=2e-3)


def test_what_is_said_is_kept(tmp_path):
    asked = {"background": TABLE, "reference": WHOLE, "output": "margin"}
    found = onlyif.explain(BOOSTED, TABLE[:2], confidence=0.95, stability=20, **asked)
    alone = onlyif.explain(BOOSTED, TABLE[:2], confidence=0.95, **asked)
    for item, other in zip(found, alone, strict=True):
        assert item.settings["confidence"] == 0.95
        assert {k: one.names for k, one in item.sets.items()} == {
            k: one.names for k, one in other.sets.items()
        }
        assert set(item.stability) == {"sufficient", "necessary", "unified"}
        for verdict in item.verdicts.values():
            assert verdict.finding is Finding.HOLDS and verdict.gap.value <= verdict.bound <= item.epsilon
            assert "of other rows it is at most" in verdict.sentence
        assert "with a confidence of 0.95 for other" in " ".join(onlyif.explanation_text(item).split())
    onlyif.save(found, tmp_path / "saved")
    assert onlyif.load(tmp_path / "saved") == found
    assert len(found.to_frame().columns) <= 12


def test_half_a_confidence_is_the_background_itself():
    asked = {"background": TABLE, "reference": WHOLE, "output": "margin"}
    half, plain = (onlyif.explain(BOOSTED, TABLE[:4], **asked, **more) for more in ({"confidence": 0.5}, {}))
    assert [one.sufficient.names for one in half] == [one.sufficient.names for one in plain]
    assert [one.necessary.names for one in half] == [one.necessary.names for one in plain]


FOREST = RandomForestClassifier(3, max_depth=3, random_state=0).fit(TABLE, LABEL)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"confidence": 1.0}, r"lie in \[0.5, 0.9999\], got 1.0"),
        ({"confidence": 0.2}, r"lie in \[0.5, 0.9999\], got 0.2"),
        ({"distance": "discrete"}, "decisions have none"),
        ({"reference": "tree-path"}, "needs a background"),
        ({"reference": "empirical"}, "confidence resamples background rows that weigh the same"),
        ({"reference": "baseline"}, "at least 10 background rows, got 1"),
        ({"search": "beam"}, "confidence needs all subsets compared"),
        ({"time_limit": 9.0}, "which time_limit may cut short"),
        ({"criterion": "pns"}, "confidence has no use with the criterion pns"),
    ],
)
def test_what_has_no_bounds_is_refused(settings, said):
    with pytest.raises(SettingError, match=said):
        onlyif.explain(FOREST, TABLE[:1], background=TABLE, **({"confidence": 0.9} | settings))


def test_the_command_line_asks_for_a_confidence(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    pd.DataFrame(TABLE, columns=list("abcd")).to_csv("rows.csv", index=False)
    (tmp_path / "own_sum.py").write_text("def predict(t):\n    return (t['a'] + t['b']).to_numpy()\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    asked = ["explain", "--model-from", "own_sum:predict", "--data", "rows.csv", "--background", "rows.csv"]
    assert main([*asked, "--rows", "0", "--confidence", "0.9", "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["explanations"]
    assert item["confidence"] == 0.9
    assert item["sufficient"]["bound"]["value"] >= item["sufficient"]["sufficiency"]["value"]
    assert main([*asked, "--rows", "0", "--confidence", "2"]) == 2
    assert "--confidence must lie in" in capsys.readouterr().err
