"""`n_jobs`: the same answers on any number of cores, by processes or threads, and clear refusals."""

import subprocess
import sys
import threading
import time

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import onlyif
from onlyif.core import extras
from onlyif.core.errors import ExtraError, Interrupted, ModelError, OnlyIfWarning, SettingError
from onlyif.setup import jobs

RANDOM = np.random.default_rng(1)
ROWS = RANDOM.normal(size=(90, 4))
TABLE = pd.DataFrame(ROWS, columns=list("abcd"))
FOREST = make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=3, random_state=0)).fit(
    TABLE, ROWS[:, 0] > 0
)


def squared(table):
    return table[:, 0] * table[:, 1] + table[:, 2] ** 2


CASES = {
    "trees": (FOREST, TABLE, 70, {}),
    "function": (squared, ROWS, 70, {"keep_table": True}),
    "search": (squared, ROWS, 5, {"search": "greedy"}),
    "sampled": (squared, ROWS, 40, {"reference": "gaussian"}),
    "causes": (squared, ROWS[:30], 20, {"criterion": "pns", "size": 1}),
    "decisions": (FOREST, TABLE, 70, {"against": "other decisions"}),
    "lambda": (lambda table: table[:, 0] - table[:, 3], ROWS, 70, {}),
}


# Functions inside functions cannot be sent where every call's types are checked, as in this suite.
SENT = [("loky", name) for name in CASES if name not in {"trees", "decisions"}]


@pytest.mark.parametrize(("backend", "name"), [*SENT, *(("threading", name) for name in CASES)])
def test_the_answers_are_the_same_whatever_the_number(name, backend):
    model, table, count, settings = CASES[name]
    alone = onlyif.explain(model, table[:count], background=table, **settings)
    with joblib.parallel_config(backend=backend):
        together = onlyif.explain(model, table[:count], background=table, n_jobs=2, **settings)
    assert together == alone
    assert [item.row for item in together] == list(range(count))


TREES = """
import lightgbm
import numpy as np
import onlyif
import pandas as pd
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

if __name__ == "__main__":
    rows = np.random.default_rng(1).normal(size=(70, 4))
    table, label = pd.DataFrame(rows, columns=list("abcd")), rows[:, 0] > 0
    forest = make_pipeline(StandardScaler(), RandomForestClassifier(5, max_depth=3)).fit(table, label)
    boosted = lightgbm.LGBMClassifier(n_estimators=5, verbose=-1).fit(table, label)
    for model in (forest, boosted):
        alone = onlyif.explain(model, table, background=table)
        assert "leaves" in alone[0].provenance.restriction
        assert onlyif.explain(model, table, background=table, n_jobs=2) == alone
"""


@pytest.mark.slow
def test_trees_are_explained_in_processes(tmp_path):
    script = tmp_path / "trees.py"
    script.write_text(TREES)
    ended = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.slow
def test_an_explainer_and_joblibs_own_setting_do_too(monkeypatch):
    alone = onlyif.explain(squared, ROWS[:40], background=ROWS)
    counts = []
    counted = jobs.count_jobs
    monkeypatch.setattr("onlyif.explainer.count_jobs", lambda n: counts.append(counted(n)) or counts[-1])
    explainer = onlyif.Explainer(squared, ROWS, n_jobs=2)
    assert explainer(ROWS[:40]) == alone == explainer(ROWS[:40])
    with joblib.parallel_config(backend="threading", n_jobs=3):
        assert onlyif.explain(squared, ROWS[:40], background=ROWS) == alone
    assert onlyif.explain(squared, ROWS[:40], background=ROWS, n_jobs=-1) == alone
    assert counts == [2, 2, 3, joblib.cpu_count()]


class Locked:
    """A model that no other process can be given."""

    def __init__(self):
        self.inner = {"guard": threading.Lock()}

    def predict(self, table):
        with self.inner["guard"]:
            return table[:, 0]


def test_a_model_that_cannot_be_sent_is_named_and_shared_among_threads():
    model = Locked()
    with pytest.raises(SettingError, match=r"the Locked\.inner\['guard'\] cannot be sent.*threading"):
        onlyif.explain(model, ROWS[:40], background=ROWS, n_jobs=2)
    with joblib.parallel_config(backend="threading"):
        together = onlyif.explain(model, ROWS[:40], background=ROWS, n_jobs=2)
    assert together == onlyif.explain(model, ROWS[:40], background=ROWS)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_what_the_model_raises_is_said_as_without_jobs(backend):
    def picky(table):
        if (np.abs(table) == 1000.0).any() and len(table) > 200:
            raise ValueError("too large")
        return table[:, 0]

    rows = np.concatenate([ROWS[:35], [[1000.0, 0.0, 0.0, 0.0]]])
    with joblib.parallel_config(backend=backend), pytest.raises(ModelError, match="too large"):
        onlyif.explain(picky, rows, background=ROWS, n_jobs=2)


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_a_time_limit_leaves_out_the_rows_after_those_that_were_whole(backend):
    def slow(table):
        time.sleep(0.02)
        return table[:, 0] * table[:, 1]

    with joblib.parallel_config(backend=backend), pytest.warns(OnlyIfWarning, match="left out"):
        found = onlyif.explain(
            slow, ROWS[:40], background=ROWS, n_jobs=2, time_limit=1.5, max_rows=50, search="greedy"
        )
    assert [item.row for item in found] == list(range(len(found)))
    assert found.left_out == tuple(range(len(found), 40))


def test_an_interrupt_keeps_what_was_finished(monkeypatch):
    def interrupted(work, blocks, count):
        yield jobs.explained_in_time(work.whole.part(blocks[0]), 0)
        raise KeyboardInterrupt

    monkeypatch.setattr("onlyif.runs.rows.blocks_in_jobs", interrupted)
    with pytest.raises(Interrupted) as caught:
        onlyif.explain(squared, ROWS[:70], background=ROWS, n_jobs=2)
    assert caught.value.finished == onlyif.explain(squared, ROWS[:70], background=ROWS)[:32]


@pytest.mark.parametrize("wrong", [0, 1.5, "2", True])
def test_other_numbers_are_refused(wrong):
    with pytest.raises(SettingError, match="n_jobs must be"):
        jobs.count_jobs(wrong)


def test_a_missing_joblib_is_named(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(ExtraError, match=r"n_jobs needs joblib.*onlyif\[jobs\]"):
        onlyif.explain(squared, ROWS[:1], background=ROWS, n_jobs=2)
