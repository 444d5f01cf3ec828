"""A criterion of a stranger's in one file, through `onlyif.explain`, text, frames, files and pictures."""

import itertools
import subprocess
import sys

import numpy as np
import pytest

import onlyif
from extending.own_criterion import Priced
from onlyif.cli.printing import Progress, json_text, table_text
from onlyif.plots.continuum import plot_continuum
from onlyif.plots.summary import plot_summary
from onlyif.plots.tabular import plot_explanation

ROWS = np.random.default_rng(0).normal(size=(12, 4))


def model(table):
    return table @ np.array([2.0, 1.0, 0.5, 0.0]) + table[:, 0] * table[:, 1]


def best(x, price, most=4):
    """All sets one by one: the members of the best one, |f(x) - f_S(x)|, and how many tie."""
    scored = []
    for size in range(most + 1):
        for players in itertools.combinations(range(4), size):
            hidden = ROWS.copy()
            hidden[:, list(players)] = x[list(players)]
            moved = abs(model(x[None])[0] - model(hidden).mean())
            scored.append((round(moved + price * size / 4, 9), size, players, moved))
    return min(scored)


@pytest.fixture(scope="module")
def found():
    return onlyif.explain(model, ROWS[:3], background=ROWS, criterion=Priced(0.5))


def test_its_sets_are_those_of_a_plain_loop(found):
    for item, x in zip(found, ROWS, strict=False):
        for name, most in (("worth it", 4), ("single", 1)):
            _, size, players, moved = best(x, 0.5, most)
            chosen = item.sets[name]
            assert chosen.players == players
            assert chosen.measure("moved").value == pytest.approx(moved, abs=1e-9)
            assert chosen.measure("share").value == size / 4
        assert item.prediction == pytest.approx(model(x[None])[0])
        assert item.base == pytest.approx(model(ROWS).mean())
    assert found[0].criterion == "priced" and found[0].model_rows > 0


def test_what_it_does_not_say_is_refused_by_name(found):
    for name in ("sufficient", "cause", "continuum", "path", "alpha", "certificate", "shapley"):
        with pytest.raises(onlyif.AbsentError, match=rf"'priced' has no '{name}'.*worth it, single"):
            getattr(found[0], name)
    with pytest.raises(onlyif.AbsentError, match="has no 'continua'"):
        found.continuum_frame()
    with pytest.raises(onlyif.SettingError, match="use plot_explanation"):
        plot_continuum(found[0])


def test_it_is_told_laid_out_saved_and_drawn(found, tmp_path):
    text = onlyif.explanation_text(found[0])
    assert "WORTH IT (criterion priced)" in text and "moved = " in text
    assert "worth it" in repr(found) and "worth it" in table_text(found, 100)
    frame = found.to_frame()
    assert list(frame["selection"][:2]) == ["worth it", "single"] and "moved" in frame
    assert "moved_stderr" in found.to_frame(full=True)
    assert list(found.players_frame().columns[3:]) == ["worth it", "single"]
    loaded = onlyif.load(onlyif.save(found, tmp_path / "own"))
    for item, other in zip(found, loaded, strict=True):
        assert item.sets == other.sets and item.provenance == other.provenance
        assert (item.prediction, item.base, item.notes) == (other.prediction, other.base, other.notes)
    assert json_text(loaded, Progress(3, 3)) == json_text(found, Progress(3, 3))
    total = onlyif.summary(found)
    assert [one.selection for one in total.sets] == ["worth it", "single"]
    shown = [item.measures["moved"].value for item in (one.sets["single"] for one in found)]
    assert total.sets[1].measures["moved"].value == pytest.approx(np.mean(shown))
    assert "WORTH IT" in plot_explanation(found[0]).child_axes[0].get_xticklabels()[0].get_text()
    assert len(plot_summary(found).patches) == 8


def test_sampled_sets_are_measured_again_on_fresh_draws():
    sampled = onlyif.explain(
        model, ROWS[:2], background=ROWS, criterion=Priced(), reference="gaussian", budget=20_000
    )
    for item in sampled:
        for chosen in item.sets.values():
            again = chosen.measure("fresh_moved")
            assert again.value == pytest.approx(chosen.measure("moved").value, abs=6 * again.stderr + 0.05)


def test_every_search_and_a_time_limit_go_with_it(found):
    for search in ("beam", "greedy"):
        other = onlyif.explain(model, ROWS[:1], background=ROWS, criterion=Priced(0.5), search=search)
        assert other[0].sets["worth it"].players == found[0].sets["worth it"].players
    timed = onlyif.explain(model, ROWS[:1], background=ROWS, criterion=Priced(0.5), time_limit=60.0)
    assert timed[0].sets == found[0].sets and not timed[0].notes


@pytest.mark.parametrize(
    "option", [{"alpha": 0.2}, {"size": 2}, {"epsilon": 0.1}, {"distance": "logit"}, {"keep_table": True}]
)
def test_options_without_use_are_refused(option):
    (name,) = option
    with pytest.raises(onlyif.SettingError, match=rf"{name} has no use with the criterion 'priced'"):
        onlyif.explain(model, ROWS[:1], background=ROWS, criterion=Priced(), **option)


# In a process of its own, for here annotations are checked before the library's own checks.
WITHOUT_ANSWER = """
import numpy as np
import onlyif

class Silent:
    def gap(self, subset):
        return subset

try:
    onlyif.explain(lambda x: x.sum(1), np.eye(3), background=np.eye(3), criterion=Silent())
except onlyif.SettingError as error:
    assert "criterion must be" in str(error) and "OwnCriterion" in str(error), error
else:
    raise AssertionError
"""


def test_an_object_without_an_answer_is_refused():
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_ANSWER], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
