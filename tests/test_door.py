"""What a user meets: defaults, choices, and every kind of bad input."""

import jaxtyping
import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.linear_model import LinearRegression, LogisticRegression

import onlyif
from onlyif.answers.case import SetQuestion
from onlyif.criteria.distances import FunctionDistance
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.models.function import FunctionPredictor
from onlyif.references.marginal import MarginalReference
from onlyif.runs.rows import explained
from onlyif.searches.beam import BeamSearch
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare


def rows(n=60, d=4, seed=0):
    return np.random.default_rng(seed).normal(size=(n, d))


WEIGHTS = np.array([3.0, 2.0, 1.0, 0.0])


def linear(table):
    return np.asarray(table) @ WEIGHTS


def explain(model=linear, X=None, background=None, **settings):
    table = rows()
    return onlyif.explain(
        model,
        table[:2] if X is None else X,
        background=table if background is None else background,
        **settings,
    )


# ---- what comes out


def test_the_defaults_are_those_the_guide_states():
    table = rows(300)
    found = onlyif.explain(linear, table[:1], background=table)[0]
    assert found.alpha == 0.5
    assert found.epsilon == pytest.approx(0.1 * abs(found.prediction - found.base), abs=1e-12)
    assert "100 rows drawn with seed 0 from 300 background rows" in found.provenance.reference
    assert "exhaustive" in found.provenance.search
    assert found.size == max(found.sufficient.size, found.necessary.size, 1)
    assert found.sufficient.fresh is not None
    assert found.certificate.basis is onlyif.Basis.EXACT


def test_an_additive_model_is_explained_as_by_hand():
    """For f = Σ w_i x_i and a marginal reference f_S - f_0 = Σ_{i in S} w_i (x_i - mean_i)."""
    table = rows()
    found = onlyif.explain(linear, table[:5], background=table, keep_table=True)
    for item, row in zip(found, table, strict=False):
        steps = WEIGHTS * (row - table.mean(0))
        for code in range(16):
            kept = [i for i in range(4) if code >> i & 1]
            assert item.table[code].item() == pytest.approx(item.base + steps[kept].sum(), abs=1e-12)
        assert item.shapley == pytest.approx(steps, abs=1e-12)


def test_equal_seeds_give_equal_results_and_a_batch_equals_singles():
    table = rows(300)
    together = onlyif.explain(linear, table[:3], background=table, seed=4)
    again = onlyif.explain(linear, table[:3], background=table, seed=4)
    for i in range(3):
        alone = onlyif.explain(linear, table[i : i + 1], background=table, seed=4)[0]
        for one, other in ((together[i], again[i]), (together[i], alone)):
            assert one.sufficient.players == other.sufficient.players
            assert one.necessary == other.necessary
            assert one.total_gap == other.total_gap
    other_seed = onlyif.explain(linear, table[:1], background=table, seed=5)[0]
    assert other_seed.base != together[0].base


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, np.asarray, torch.as_tensor, list])
def test_every_kind_of_table_is_taken(kind):
    table = rows()
    names = dict(zip("abcd", table.T, strict=True))
    if kind in (pd.DataFrame, pl.DataFrame):
        given, explained = kind(names), kind(names)[:1]
    else:
        given, explained = kind(table), kind(table[:1])
    if kind is pl.DataFrame:
        model = lambda frame: frame.to_numpy() @ WEIGHTS  # noqa: E731
    elif kind is torch.as_tensor:
        model = lambda batch: batch.double() @ torch.as_tensor(WEIGHTS)  # noqa: E731
    else:
        model = linear
    found = onlyif.explain(model, explained, background=given)[0]
    want = onlyif.explain(linear, table[:1], background=table)[0]
    assert found.sufficient.players == want.sufficient.players
    assert found.prediction == pytest.approx(want.prediction)
    frame = onlyif.explain(model, explained, background=given).to_frame()
    assert isinstance(frame, pl.DataFrame if kind is pl.DataFrame else pd.DataFrame)


def test_groups_are_players():
    found = explain(groups={"pair": ["x0", "x1"]})[0]
    assert found.names == ("pair", "x2", "x3")
    assert found.values[0].startswith("x0=")


def test_groups_are_read_from_a_toml_file(tmp_path):
    path = tmp_path / "groups.toml"
    path.write_text('[groups]\npair = ["x0", "x1"]\n')
    assert explain(groups=path)[0].names == ("pair", "x2", "x3")


def test_a_target_can_be_a_number_a_label_or_one_a_row():
    table = rows()
    names = np.array(["no", "yes"])[(table[:, 0] > 0).astype(int)]
    model = LogisticRegression().fit(table, names)
    default = onlyif.explain(model, table[:4], background=table)
    assert [item.target_label for item in default] == model.predict(table[:4]).tolist()
    for target in (1, "yes", [1] * 4, ["yes"] * 4):
        found = onlyif.explain(model, table[:4], background=table, target=target)
        assert [item.target_label for item in found] == ["yes"] * 4


def test_a_linear_model_under_a_gaussian_is_solved_in_closed_form():
    table = rows(200)
    model = LinearRegression().fit(table, linear(table))
    found = onlyif.explain(model, table[:1], background=table, reference="gaussian")[0]
    assert "closed form" in found.provenance.restriction
    assert found.certificate.basis is onlyif.Basis.EXACT
    sampled = onlyif.explain(
        model.predict, table[:1], background=table, reference="gaussian", keep_table=True
    )[0]
    assert sampled.certificate.basis is onlyif.Basis.SAMPLED
    exact = onlyif.explain(model, table[:1], background=table, reference="gaussian", keep_table=True)[0]
    assert abs(sampled.table - exact.table).max() < 1.0


def test_a_budget_that_all_subsets_exceed_leads_to_beam_which_says_so():
    found = explain(budget=300)[0]
    assert "beam" in found.provenance.search
    assert found.certificate.basis is onlyif.Basis.HEURISTIC
    assert found.certificate.super_sufficient is None
    assert found.shapley is None


def test_objects_stand_in_for_names():
    table = torch.as_tensor(rows())
    found = explain(reference=MarginalReference(table[:10]), search=BeamSearch(width=2))[0]
    assert "all 10 background rows" in found.provenance.reference
    assert "width 2" in found.provenance.search


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finished_predictors_get_tensors_where_the_table_is_one(dtype):
    table = torch.as_tensor(rows(9)).to(dtype)
    wanted = onlyif.explain(lambda array: np.sin(array).sum(1), table[:2].numpy(), background=table.numpy())
    for kind in (FunctionPredictor, DifferentiablePredictor):
        given = kind(lambda batch: torch.sin(batch).sum(1))
        found = onlyif.explain(given, table[:2], background=table)
        for one, other in zip(found, wanted, strict=True):
            assert one.prediction == pytest.approx(other.prediction, rel=1e-6)
            assert one.sufficient.names == other.sufficient.names


def test_a_finished_reference_needs_no_background():
    table = torch.as_tensor(rows())
    found = onlyif.explain(linear, rows()[:1], reference=MarginalReference(table))[0]
    assert found.base == pytest.approx(linear(rows()).mean())


def test_a_users_function_of_x_and_keep_is_a_reference():
    seen = []

    def zeros(x, keep, n, seed):
        seen.append((x.columns.tolist(), keep.tolist()))
        return pd.concat([x * 0.0] * n, ignore_index=True)

    frame = pd.DataFrame(rows(20), columns=list("abcd"))
    recipe = onlyif.Replacement(zeros, "Hidden features are zero.")
    found = onlyif.explain(linear, frame[:1], background=frame, reference=recipe)[0]
    assert found.base == 0.0
    assert found.provenance.reference == "Hidden features are zero."
    assert seen[0][0] == list("abcd")


def test_the_baseline_is_the_median_or_the_most_frequent_value():
    frame = pd.DataFrame({"n": [1.0, 2.0, 9.0], "c": ["u", "v", "v"]})
    model = lambda table: table["n"].to_numpy() + 10 * (table["c"] == "v").to_numpy()  # noqa: E731
    assert onlyif.explain(model, frame[:1], background=frame, reference="baseline")[0].base == 12.0
    given = onlyif.Baseline(pd.DataFrame({"n": [5.0], "c": ["u"]}))
    assert onlyif.explain(model, frame[:1], background=frame, reference=given)[0].base == 5.0


def test_the_empirical_reference_warns_when_few_rows_stand_for_x():
    found = explain(reference=onlyif.Empirical(bandwidth=0.001))[0]
    assert any("background rows effectively" in note for note in found.notes)
    assert not any(
        "effectively" in note for note in explain(reference=onlyif.Empirical(bandwidth=5.0))[0].notes
    )


def test_the_empirical_reference_is_exact_and_estimated_again_on_other_rows():
    table = rows(3000)
    found = onlyif.explain(linear, table[:1], background=table, reference=onlyif.Empirical(n_rows=150))[0]
    assert "150 rows drawn" in found.provenance.reference
    assert found.sufficient.fresh is not None


def test_the_discrete_distance_asks_for_the_class():
    table = rows()
    model = LogisticRegression().fit(table, table[:, 0] > 0)
    found = onlyif.explain(model, table[:3], background=table, distance="discrete")
    assert all(item.total_gap.value in (0.0, 1.0) for item in found)


def test_a_distance_that_is_no_metric_claims_no_bound():
    squared = FunctionDistance(lambda a, b: (a - b) ** 2, "(a - b)²")
    found = explain(distance=squared)[0]
    assert found.certificate.must_meet is None
    assert found.certificate.phi is None
    assert found.certificate.phi_bound is None


def test_an_uninformative_prediction_is_said_to_be_one():
    found = onlyif.explain(lambda table: np.full(len(table), 7.0), rows()[:1], background=rows())[0]
    assert not found.certificate.informative
    assert found.sufficient.players == ()
    assert found.necessary.players == ()


def test_an_exact_size_is_kept():
    assert explain(size=3, exact_size=True)[0].unified.size == 3


def test_blocks_of_rows_come_in_order_and_can_be_resumed():
    table = rows(80)
    work = prepare(linear, table[:70], table, Options())
    whole = [item for part in explained(work) for item in part]
    assert [item.row for item in whole] == list(range(70))
    assert work.rows_a_block == 32
    rest = [item for part in explained(work, start=64) for item in part]
    assert [item.row for item in rest] == list(range(64, 70))
    assert rest[0].necessary == whole[64].necessary


def test_a_grid_of_alpha_is_answered_without_asking_the_model_again():
    asked = []

    def counting(table):
        asked.append(len(table))
        return linear(table)

    found = explain(counting)[0]
    before = sum(asked)
    for alpha in np.linspace(0, 1, 11):
        best = found.continuum.at(float(alpha))
        assert best.size <= found.size
    assert sum(asked) == before


# ---- what is left as it was found


def test_the_users_table_and_random_states_are_left_alone():
    table = rows()
    before, state, random = table.copy(), torch.get_rng_state(), np.random.get_state()[1].copy()
    explain(X=table[:2], background=table, reference="gaussian")
    assert (table == before).all()
    assert torch.equal(torch.get_rng_state(), state)
    assert (np.random.get_state()[1] == random).all()


def test_no_model_call_exceeds_max_rows():
    sizes = []

    def counting(table):
        sizes.append(len(table))
        return linear(table)

    explain(counting, max_rows=50)
    assert max(sizes) <= 50


# ---- bad input


def test_no_background():
    with pytest.raises(onlyif.SettingError, match="need a background"):
        onlyif.explain(linear, rows()[:1])


@pytest.mark.parametrize("n", [0, 1])
def test_too_few_background_rows(n):
    with pytest.raises(onlyif.InputError, match=r"background|row"):
        explain(background=rows()[:n])


def test_no_rows_to_explain():
    with pytest.raises(onlyif.InputError, match="row"):
        explain(X=rows()[:0])


def test_no_columns():
    with pytest.raises(onlyif.InputError, match="column"):
        onlyif.explain(lambda table: np.zeros(len(table)), np.zeros((2, 0)), background=np.zeros((5, 0)))


def test_one_column_works():
    table = rows(d=1)
    found = onlyif.explain(lambda t: np.asarray(t)[:, 0], table[:1], background=table)[0]
    assert found.sufficient.players == (0,)
    assert found.necessary.players == (0,)


def test_a_background_with_other_columns():
    frame = pd.DataFrame(rows(), columns=list("abcd"))
    with pytest.raises(onlyif.InputError, match="e"):
        explain(X=frame.rename(columns={"d": "e"})[:1], background=frame)


def test_a_background_in_another_order():
    frame = pd.DataFrame(rows(), columns=list("abcd"))
    model = lambda t: t.a.to_numpy() - t.d.to_numpy()  # noqa: E731
    found = explain(model, X=frame[list("dcba")][:1], background=frame)[0]
    assert found.prediction == pytest.approx(frame.a[0] - frame.d[0])
    assert any("another order" in note for note in found.notes)


def test_a_background_with_other_dtypes():
    frame = pd.DataFrame(rows(), columns=list("abcd"))
    with pytest.raises(onlyif.InputError, match="a"):
        explain(X=frame.astype({"a": str})[:1], background=frame)


def test_an_unseen_category_level():
    frame = pd.DataFrame({"n": [1.0, 2.0], "c": pd.Categorical(["u", "v"])})
    other = pd.DataFrame({"n": [1.0], "c": pd.Categorical(["w"])})
    with pytest.raises(onlyif.InputError, match="w"):
        onlyif.explain(lambda t: t["n"], other, background=frame)


def test_missing_values_that_a_gaussian_cannot_take():
    table = rows()
    table[3, 1] = np.nan
    with pytest.raises(onlyif.InputError, match="x1"):
        explain(lambda t: np.nan_to_num(t) @ WEIGHTS, background=table, reference="gaussian")


def test_missing_values_are_fine_elsewhere():
    table = rows()
    table[3, 1] = np.nan
    model = lambda t: np.nan_to_num(t) @ WEIGHTS  # noqa: E731
    for reference in ("marginal", "empirical"):
        assert explain(model, background=table, reference=reference)[0].names


def test_a_constant_column():
    table = rows()
    table[:, 2] = 1.0
    with pytest.raises(onlyif.InputError, match="x2"):
        explain(background=table, X=table[:1], reference="gaussian")
    found = explain(background=table, X=table[:1])[0]
    assert 2 not in found.sufficient.players


def test_a_singular_covariance():
    table = rows()
    table[:, 2] = table[:, 0] + table[:, 1]
    with pytest.raises(onlyif.InputError, match="singular"):
        explain(background=table, reference=onlyif.Gaussian(shrinkage=0.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 5}, "size must be at most the number of players, 4; got 5"),
        ({"size": -1}, "size must be at least 0, got -1"),
        ({"alpha": 1.5}, r"alpha must lie in \[0, 1\], got 1.5"),
        ({"alpha": -0.1}, "alpha"),
        ({"epsilon": -1.0}, "epsilon"),
        ({"epsilon": float("nan")}, "epsilon"),
        ({"target": 1}, "target must be an output number from 0 to 0, got 1"),
        ({"target": "yes"}, "unknown target 'yes'"),
        ({"target": [0]}, "one target, or one a row: 2 rows, got 1"),
        ({"max_rows": 0}, "max_rows must be at least 1, got 0"),
        ({"budget": 0}, "budget"),
        ({"seed": True}, "seed must be a whole number, got True"),
        ({"reference": "margnal"}, "unknown reference 'margnal'; need one of baseline, blur, empirical"),
        ({"search": "best"}, "unknown search"),
        ({"distance": "l2"}, "unknown distance"),
        ({"distance": "logit"}, "needs probabilities"),
        ({"distance": "discrete"}, "needs classes"),
        ({"output": "probability"}, "offers no probability"),
        ({"groups": {"g": ["x0", "x1"], "h": ["x1"]}}, "groups overlap"),
        ({"groups": {"g": ["nope"]}}, "unknown columns"),
        ({"groups": {"x2": ["x0", "x1"]}}, "rename"),
        ({"groups": {"g": []}}, "list of column names"),
    ],
)
def test_settings_out_of_range(settings, message):
    with pytest.raises(onlyif.SettingError, match=message):
        explain(**settings)


def test_duplicate_column_names():
    frame = pd.DataFrame(rows(), columns=list("abca"))
    with pytest.raises(onlyif.InputError, match="'a'"):
        explain(X=frame[:1], background=frame)


def test_a_groups_file_that_is_missing_or_no_toml(tmp_path):
    with pytest.raises(onlyif.StorageError, match="cannot read"):
        explain(groups=tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("groups = [")
    with pytest.raises(onlyif.StorageError, match="no valid TOML"):
        explain(groups=tmp_path / "bad.toml")
    (tmp_path / "odd.toml").write_text("[players]\na = ['x0']\n")
    with pytest.raises(onlyif.SettingError, match=r"\[groups\]"):
        explain(groups=tmp_path / "odd.toml")


def test_a_model_that_answers_nan():
    with pytest.raises(onlyif.ModelError, match="nan"):
        explain(lambda t: np.where(t[:, 0] > 0, np.nan, 1.0))


def test_a_model_that_answers_the_wrong_shape():
    with pytest.raises(onlyif.ModelError, match="rows"):
        explain(lambda t: np.zeros(3))
    with pytest.raises(onlyif.ModelError, match="dimensions"):
        explain(lambda t: np.zeros((len(t), 2, 2)))


def test_a_model_that_raises_midway():
    calls = []

    def tired(table):
        calls.append(1)
        if len(calls) > 8:
            raise ZeroDivisionError("tired")
        return linear(table)

    with pytest.raises(onlyif.ModelError, match="ZeroDivisionError"):
        explain(tired, max_rows=60)


def test_a_model_that_changes_its_input():
    def greedy(table):
        table[:, 0] = 0.0
        return linear(table)

    with pytest.raises(onlyif.ModelError, match="changes the input"):
        explain(greedy)
    found = explain(greedy, tolerate=(onlyif.Fault.CHANGES_INPUT,))[0]
    assert any("changes the input" in note for note in found.notes)


def test_a_model_that_answers_differently_each_time():
    state = np.random.default_rng(0)
    noisy = lambda table: linear(table) + state.normal(size=len(table))  # noqa: E731
    with pytest.raises(onlyif.ModelError, match="differently each time"):
        explain(noisy)
    found = explain(noisy, tolerate=(onlyif.Fault.RANDOM,))[0]
    assert any("differently each time" in note for note in found.notes)


def test_a_table_beyond_the_memory_limit():
    table = rows(n=5, d=30)
    with pytest.raises(onlyif.LimitError, match=r"2\^30 subsets .*limit is 4\.0 GiB"):
        onlyif.explain(lambda t: np.asarray(t)[:, 0], table[:1], background=table, search="exhaustive")


def test_ctrl_c_keeps_the_finished_rows():
    calls = []

    def interrupted(table):
        calls.append(len(table))
        if len(calls) > 40:
            raise KeyboardInterrupt
        return linear(table)

    table = rows(100)
    with pytest.raises(onlyif.Interrupted) as caught:
        onlyif.explain(interrupted, table, background=table, max_rows=3200)
    finished = caught.value.finished
    assert 0 < len(finished) < 100
    assert len(finished) % 32 == 0
    assert finished[0].row == 0


def test_the_question_states_its_ranges():
    with pytest.raises(onlyif.SettingError):
        SetQuestion(alpha=2.0)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": "3"}, "size must be a whole number or None, got '3'"),
        ({"size": 2.5}, "size must be a whole number or None, got 2.5"),
        ({"alpha": "half"}, "alpha must be a number"),
        ({"max_rows": 2.5}, "max_rows must be a whole number, got 2.5"),
        ({"reference": onlyif.Marginal}, "reference must be a name .* or a ReferenceRecipe or None"),
        ({"tolerate": ("random",)}, "must be a Fault"),
    ],
)
def test_settings_of_a_wrong_kind(settings, message):
    with pytest.raises((onlyif.SettingError, jaxtyping.TypeCheckError), match=message + "|Type-check error"):
        explain(**settings)


def test_a_numpy_number_is_a_target():
    table = rows()
    model = LogisticRegression().fit(table, table[:, 0] > 0)
    found = onlyif.explain(model, table[:2], background=table, target=np.int64(1))
    assert [item.target for item in found] == [1, 1]


def test_a_model_that_raises_at_once_is_named():
    def picky(table):
        if np.isnan(table).any():
            raise ValueError("no NaN please")
        return linear(table)

    table = rows()
    table[3, 1] = np.nan
    with pytest.raises(onlyif.ModelError, match="no NaN please"):
        explain(picky, background=table)


@pytest.mark.parametrize("reference", ["marginal", "baseline", "gaussian", "empirical"])
def test_a_named_reference_needs_a_background(reference):
    with pytest.raises(onlyif.SettingError, match="need a background"):
        onlyif.explain(linear, rows()[:3], reference=reference)


def test_decisions_are_not_called_probabilities():
    table = rows()
    model = LogisticRegression().fit(table, table[:, 0] > 0)
    found = onlyif.explain(model, table[:1], background=table, distance="discrete")[0]
    assert found.provenance.output == "decision"
    assert (found.target_label, found.provenance.sentences["class 1"]) == (str(bool(found.target)), "True")
