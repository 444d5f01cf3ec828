"""Work that time ends: what is said of it is true, what is missing is named, and how far it is is shown."""

import math
import warnings
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

import onlyif
from onlyif.core.errors import OnlyIfWarning, SettingError
from onlyif.core.progress import Display, meter_of
from onlyif.explanation.certificate import Basis
from onlyif.explanation.explanations import joined
from onlyif.runs.rows import explained, run_of
from onlyif.samples.fewer import FewerSample
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare

ROW_S = 1e-3
ROWS = np.random.default_rng(0).normal(size=(60, 8))


@dataclass
class Clock:
    """A clock that goes on only when the prepared model is asked, or by a tick at every look."""

    now: float = 0.0
    tick: float = 0.0
    row_s: float = 0.0

    def __call__(self):
        self.now += self.tick
        return self.now

    def model(self, table):
        self.now += len(table) * self.row_s
        return table[:, 0] * table[:, 1] + 0.5 * table[:, 2] - table[:, 3] * table[:, 4] * table[:, 5]


@dataclass(frozen=True)
class Shown(Display):
    told: list = field(default_factory=list)

    def show(self, rows, row_s):
        self.told.append((rows, row_s))


def _work(limit, x=ROWS[:1], display=None, **settings):
    clock = Clock()
    meter = meter_of(limit, display, clock)
    work = prepare(clock.model, x, ROWS[10:40], Options(**settings), meter)
    clock.row_s = ROW_S
    return work, clock


def _explained(limit, **settings):
    work, clock = _work(limit, **settings)
    start = clock.now
    return joined(explained(work)), clock.now - start


WHOLE, _ = _explained(None, keep_table=True)


def _sizes():
    return np.array([code.bit_count() for code in range(256)])


def _oracle(part, epsilon):
    """The size of the smallest set whose gap is at most ε, read off the whole table."""
    table = WHOLE[0].table
    gap = abs(table[-1] - table) if part == 0 else abs(table[::-1] - table[0])
    return _sizes()[gap <= epsilon + 1e-12].min()


@pytest.mark.parametrize("limit", [0.5, 1.5, 3.0, 5.0, 7.0])
@pytest.mark.parametrize("search", ["exhaustive", "beam", "greedy"])
def test_what_a_cut_search_says_is_true(limit, search):
    found, spent = _explained(limit, search=search)
    item, table = found[0], WHOLE[0].table
    # The call under way, the prediction once more, and the gaps of the unified set.
    assert spent <= limit + 30 * 8 * ROW_S + 0.5
    for part, chosen in enumerate((item.sufficient, item.necessary)):
        code = sum(1 << player for player in chosen.players)
        gaps = abs(table[-1] - table[code]), abs(table[255 - code] - table[0])
        assert chosen.sufficiency.value == pytest.approx(gaps[0], abs=1e-12)
        assert chosen.necessity.value == pytest.approx(gaps[1], abs=1e-12)
        assert gaps[part] <= item.epsilon + 1e-9
        said = f"a smaller {'necessary' if part else 'sufficient'}"
        note = " ".join(item.notes).replace("sufficient and a smaller", "sufficient, a smaller")
        if "time limit" in note and said not in note:
            assert chosen.size == _oracle(part, item.epsilon)
    cut = any("time limit" in note for note in item.notes)
    assert cut == ("time limit" in item.provenance.search)
    assert cut or search != "exhaustive"
    assert item.certificate.basis is Basis.HEURISTIC
    assert item.certificate.super_sufficient is None
    assert item.shapley is None
    assert item.table is None


def test_more_time_compares_larger_sets():
    said = [next(n for n in _explained(limit)[0][0].notes if "time limit" in n) for limit in (0.5, 1.5, 5.0)]
    reached = [int(note.split("at most ")[1].split()[0]) for note in said]
    assert reached == sorted(reached)
    assert reached[0] < reached[-1]


def test_all_subsets_in_time_are_what_no_limit_gives():
    found, _ = _explained(100.0, keep_table=True)
    item, whole = found[0], WHOLE[0]
    np.testing.assert_allclose(item.table, whole.table, rtol=0, atol=1e-12)
    np.testing.assert_allclose(item.shapley, whole.shapley, rtol=0, atol=1e-12)
    assert item.certificate.basis is whole.certificate.basis is Basis.EXACT
    assert (item.sufficient.players, item.necessary.players) == (
        whole.sufficient.players,
        whole.necessary.players,
    )
    assert (item.notes, item.provenance.search) == (whole.notes, whole.provenance.search)


def test_rows_are_finished_cut_or_left_out_and_nothing_is_missing_silently():
    work, _ = _work(12.0, x=ROWS[:4])
    found = joined(explained(work))
    assert [any("time limit" in note for note in item.notes) for item in found] == [False, True]
    assert "after 2 of 4 rows" in run_of(work).rows_left(len(found))
    assert run_of(work).rows_left(4) == ""


def test_the_door_warns_of_rows_left_out_and_names_them():
    with pytest.warns(OnlyIfWarning, match="after 0 of 3 rows"):
        found = onlyif.explain(Clock().model, ROWS[:3], background=ROWS, time_limit=1e-9)
    assert len(found) == 0
    assert found.left_out == (0, 1, 2)
    assert "3 rows left out" in repr(found)
    assert (found + found).left_out == (0, 1, 2) * 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert onlyif.explain(Clock().model, ROWS[:3], background=ROWS[:5], time_limit=1e9).left_out == ()


@pytest.mark.parametrize("limit", [0, -1.0, math.nan, True, "5"])
def test_a_limit_is_a_number_of_seconds(limit):
    with pytest.raises(SettingError, match="time_limit"):
        meter_of(limit)


def test_trees_that_time_ends_leave_both_ends():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 4))
    model = GradientBoostingClassifier(n_estimators=5).fit(x, x[:, 0] > 0)
    clock = Clock()
    work = prepare(model, x[:1], x[:30], Options(), meter_of(10.0, clock=clock))
    assert work.whole.criterion.set_function.restriction.method.rows == 0
    clock.tick = 4.0
    found = joined(explained(work))
    assert found[0].sufficient.players == found[0].necessary.players == (0, 1, 2, 3)
    assert "all of at most 0" in found[0].notes[-1]


# ---- causes


def test_causes_of_fewer_inputs_are_those_of_that_sample():
    work, clock = _work(5.0, criterion="pns")
    start = clock.now
    item = joined(explained(work))[0]
    assert clock.now - start <= 5.5
    n = item.provenance.n_sample
    assert 10 <= n < 31
    assert any(f"{n} of the 31 inputs" in note for note in item.notes)
    case = work.whole.part(slice(0, 1)).criterion
    test = replace(case.test, sample=FewerSample(case.test.sample, n))
    table = replace(test, predictor=test.predictor.inner).table(case.x, case.change)
    for cause in (*item.path, *item.singles):
        code = sum(1 << player for player in cause.players)
        assert cause.pns.value == pytest.approx(float(table.pns[0, code]), abs=1e-12)
    best = max(float(table.pns[0, code]) for code in range(256) if code.bit_count() == item.size)
    assert item.cause.pns.value == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("search", ["auto", "greedy"])
def test_causes_that_time_ends_are_measured_as_the_test_measures_them(search):
    rows, clock = np.random.default_rng(1).normal(size=(40, 12)), Clock()
    options = Options(criterion="pns", search=None if search == "auto" else search)
    work = prepare(clock.model, rows[:1], rows[10:40], options, meter_of(10.0, clock=clock))
    clock.row_s = ROW_S
    item = joined(explained(work))[0]
    assert clock.now <= 10.6
    assert len(item.singles) == 12
    assert any("stopped at the time limit" in note for note in item.notes)
    case = work.whole.part(slice(0, 1)).criterion
    sample = FewerSample(case.test.sample, item.provenance.n_sample)
    test = replace(case.test, predictor=case.test.predictor.inner, sample=sample)
    for cause in item.singles:
        keep = np.zeros((1, 1, 12), dtype=bool)
        keep[0, 0, list(cause.players)] = True
        again = test.measure(case.x, keep, case.change)
        assert cause.pns.value == pytest.approx(float(again.pns[0, 0]), abs=1e-12)


def test_without_a_limit_causes_are_those_of_the_table():
    work, _ = _work(None, criterion="pns")
    case = work.whole.part(slice(0, 1))
    seen = case.criterion.compare(case)
    assert (seen.stopped, seen.clouds[0].complete) == (False, True)


# ---- progress


@pytest.mark.parametrize(
    "settings", [{}, {"search": "beam"}, {"criterion": "pns"}, {"criterion": "pns", "search": "greedy"}]
)
def test_progress_moves_inside_a_row(settings):
    shown = Shown()
    work, _ = _work(None, x=ROWS[:2], display=shown, max_rows=256, budget=50_000, **settings)
    list(explained(work))
    rows = [told for told, _ in shown.told]
    assert rows == sorted(rows)
    assert len({round(told, 6) for told in rows if told % 1}) > 10
    assert max(rows) < 2


def test_the_estimate_is_what_a_row_takes():
    shown = Shown()
    work, clock = _work(None, x=ROWS[:1], display=shown, max_rows=256)
    start = clock.now
    list(explained(work))
    taken = clock.now - start
    assert shown.told[0][1] == pytest.approx(taken, rel=0.1)
    assert shown.told[len(shown.told) // 2][1] == pytest.approx(taken, rel=0.1)
