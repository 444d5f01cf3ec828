"""keep=, never=, costs= and order= from the call to texts, files, pictures and the command line."""

import json
from itertools import combinations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression

import onlyif
from onlyif.answers.own import OwnCriterion
from onlyif.cli.main import main
from onlyif.core.errors import AbsentError, SettingError, StorageError
from onlyif.core.progress import meter_of
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.unified import Unified
from onlyif.explanation.sealed import sealed_text
from onlyif.explanation.sentences import ENGLISH
from onlyif.explanation.status import StatusKind
from onlyif.explanation.storage import load, save
from onlyif.explanation.text import explanation_text
from onlyif.plots.plane import plot_plane
from onlyif.plots.tabular import plot_explanation
from onlyif.runs.rows import explained
from onlyif.setup.constraints import Constraints
from onlyif.setup.options import Options
from onlyif.setup.prepare import prepare

mpl.use("agg")
RANDOM = np.random.default_rng(0)
FRAME = pd.DataFrame(RANDOM.normal(size=(30, 5)), columns=["age", "income", "debt", "city_a", "city_b"])
WEIGHTS = np.array([4.0, 2.0, 1.0, 0.5, 0.25])
GROUPS = {"city": ["city_a", "city_b"]}


def model(table):
    return np.asarray(table) @ WEIGHTS


def explain(X=FRAME[:1], **settings):
    return onlyif.explain(model, X, background=FRAME[5:], **settings)


def test_players_are_named_as_everywhere():
    plain = explain(groups=GROUPS, never=["age"], keep="city")
    assert plain[0].settings["keep"] == ("city",)
    for keep, never in ((3, 0), (np.int64(3), np.array(["age"])), ({"city"}, pd.Index(["age"]))):
        assert explain(groups=GROUPS, never=never, keep=keep) == plain
    # A name that looks like a number comes before the number.
    numbered = pd.DataFrame(FRAME.to_numpy(), columns=[4, 3, 2, 1, 0])
    item = onlyif.explain(model, numbered[:1], background=numbered, never=4)[0]
    assert item.settings["never"] == ("4",) and item.names.index("4") == 0


WRONG = (
    ({"keep": "agee"}, r"keep= has 'agee', which is none of the players \['age', 'income'"),
    ({"never": ["age", 4]}, "never= has 4, which is none"),
    ({"never": -1}, "never= has -1"),
    ({"keep": "city_a"}, "a column of the group 'city'"),
    ({"keep": 1.5}, "keep must be a text or a whole number"),
    ({"keep": True}, "keep must be"),
    ({"keep": iter(["age"])}, "keep must be a text or a whole number, or a list of them, got <list_iter"),
    ({"keep": "age", "never": 0}, "'age' must be in every set by keep='age' and in none by never='age'"),
    ({"never": ["age", "income", "debt", "city"]}, "leaves none of the 4 players"),
    ({"keep": ["age", "debt"], "size": 1}, "size 1 leaves no set: 2 players"),
    ({"never": ["age", "debt"], "size": 3, "exact_size": True}, "exactly 3 players leave no set"),
    ({"costs": {"age": -1}}, "costs of 'age' must be a finite number of at least 0, got -1"),
    ({"costs": {"age": float("nan")}}, "costs of 'age' must be a finite number of at least 0, got nan"),
    ({"costs": [1, 2, float("inf"), 1]}, "each of costs must be a finite number"),
    ({"costs": [1, 2, 3]}, "costs needs one for each of the 4 players"),
    ({"costs": []}, "costs needs one for each of the 4 players"),
    ({"costs": {"wage": 2}}, "costs= has 'wage', which is none"),
    ({"costs": {"age": "dear"}}, "costs of 'age' must be a number, got 'dear'"),
    ({"costs": 3.0}, "costs needs one for each"),
    ({"costs": [1e308] * 4}, "their sum is not finite"),
    ({"order": {"age": "wage"}}, "order= has 'wage'"),
    ({"order": "age"}, "order must be a mapping from players"),
    ({"order": {"age": "age"}}, "order goes in a circle: 'age' needs 'age'"),
    ({"order": {"age": "debt", "debt": ["city", "income"], "income": "age"}}, "circle: 'age' needs 'debt'"),
    (
        {"order": {"age": "debt"}, "keep": "age", "never": "debt"},
        "by keep='age' and in none by never='debt' with order=",
    ),
    ({"costs": [1] * 4, "stability": 3}, "stability has no use with costs"),
    ({"costs": [1] * 4, "criterion": "pns"}, "costs has no use with the criterion pns"),
    ({"keep": [0, 1, 2, 3], "criterion": "pns"}, "a cause leaves at least one of 4 players outside"),
    ({"keep": [0, 1], "size": 1, "criterion": "pns"}, "the size of a cause must be 2 to 3"),
    ({"never": [0, 1], "size": 3, "criterion": "pns"}, "the size of a cause must be 1 to 2"),
)


def test_what_cannot_be_obeyed_is_refused_by_name():
    for settings, said in WRONG:
        with pytest.raises(SettingError, match=said):
            explain(groups=GROUPS, **settings)


def test_what_follows_is_kept_too_and_what_needs_the_refused_is_refused():
    order = {"age": ["income"], "income": ["debt"]}
    item = explain(keep="income", order=order)[0]
    assert item.settings["keep"] == ("income", "debt") and "order" not in item.settings
    item = explain(never="income", order=order)[0]
    assert item.settings["never"] == ("age", "income") and "order" not in item.settings
    assert explain(order=order)[0].settings["order"] == {"age": ("income",), "income": ("debt",)}


def test_every_reported_set_obeys_on_both_sides_and_all_along_the_continuum():
    asked = {"keep": "city_b", "order": {"income": "debt"}, "search": "beam"}
    for search in ("exhaustive", "beam", "greedy"):
        for item in explain(FRAME[:3], **{**asked, "search": search}):
            told = [*item.sets.values(), *item.continuum.pieces, *item.continuum.corners]
            told += [one for held in item.alternatives.values() for one in held]
            assert all("city_b" in one and ("income" not in one or "debt" in one) for one in told)
            assert all(4 in held.core for held in item.alternatives.values())


def test_the_cheapest_set_is_reported_though_it_is_larger():
    x = pd.DataFrame([[1.0, 2.0, 0.0, 0.0, 0.0]], columns=FRAME.columns)
    background = pd.DataFrame([[0.0, 0.0, 1.0, 0.0, 0.0]] * 2, columns=FRAME.columns)

    def either(table):
        age, income, debt = np.asarray(table)[:, :3].T
        return np.maximum(age, ((income > 1) & (debt == 0)).astype(float))

    item = onlyif.explain(either, x, background=background, costs={"age": 3})[0]
    assert item.sufficient.names == ("income", "debt")
    assert [one.names for one in item.alternatives["sufficient"]] == [("income", "debt"), ("age",)]
    text = explanation_text(item)
    assert "cheapest ε-sufficient set" in text and "the least total cost counts" in text.replace("\n   ", "")
    assert item.settings["costs"]["age"] == 3.0 and item.settings["costs"]["debt"] == 1.0
    dearer = onlyif.explain(either, x, background=background, costs=pd.Series({"age": 1}))[0]
    assert dearer.sufficient.names == ("age",)


@pytest.fixture(scope="module")
def without():
    """A row whose sets all need the age, which may not be named."""
    return explain(never="age", epsilon=0.01, keep_table=True)


def test_where_no_permitted_set_is_within_epsilon_that_is_said_everywhere(without, tmp_path):
    item = without[0]
    assert item.missing == ("sufficient", "necessary") and [*item.sets] == ["unified"]
    assert item.status.kind is StatusKind.NOT_PERMITTED and "the nearest, {" in item.status.sentence
    with pytest.raises(AbsentError, match="no 'sufficient' set: No set that is permitted is sufficient"):
        _ = item.sufficient
    assert item.certificate.n_sufficient == 0 and not item.certificate.meet
    assert [len(held) for held in item.alternatives.values()] == [0, 0]
    text = explanation_text(item)
    assert "No permitted set" in text and "none of the permitted sets does" in text
    assert "none holds age" in text and "Whether the sufficient set" not in text
    assert item.sentences("applicant")[1] == ENGLISH.status_not_permitted.format(nouns="features")
    assert "Permit more features" in item.sentences("analyst")[-1]
    frame = without.reasons_frame()
    assert frame["status"].tolist() == ["no permitted set"] and frame["reasons"].tolist() == [""]
    assert without.to_frame()["selection"].tolist() == ["unified"]
    assert onlyif.summary(without).sets[0].selection == "unified"
    drawn = [text.get_text() for text in plot_explanation(item).figure.findobj(mpl.text.Text)]
    assert any("No permitted set is sufficient or necessary" in text.replace("\n", " ") for text in drawn)
    plot_plane(item)
    mpl.pyplot.close("all")
    back = load(save(without, tmp_path / "none"))
    assert back == without and back[0].missing == item.missing


def test_one_missing_set_leaves_the_other_one():
    def both(table):
        age, income = np.asarray(table)[:, :2].T
        return age * income + age

    x = pd.DataFrame([[1.0, 1.0, 0.0, 0.0, 0.0]], columns=FRAME.columns)
    nobody = pd.DataFrame(np.zeros((2, 5)), columns=FRAME.columns)
    item = onlyif.explain(both, x, background=nobody, never="income", epsilon=0.5)[0]
    assert item.missing == ("sufficient",) and item.necessary.names == ("age",)
    assert item.status.kind is StatusKind.NOT_PERMITTED and "is necessary" not in item.status.sentence
    assert item.sentences("applicant")[1] == ENGLISH.status_not_permitted.format(nouns="features")
    told = item.sentences("analyst")
    assert ENGLISH.none_sufficient.format(nouns="features") in told and any(
        "With only age = 1" in said for said in told
    )


def test_resampled_backgrounds_give_permitted_sets():
    item = explain(never="age", keep="debt", stability=8, epsilon=3.0)[0]
    for kind in item.sets:
        shares = item.scores[f"stability_{kind}"]
        assert shares[0] == 0.0 and shares[2] == shares.max()
    assert [*item.stability] == [*item.sets]


def test_files_keep_what_was_asked_and_refuse_what_was_changed(tmp_path):
    found = explain(keep="debt", never="age", order={"city_a": ["income"]}, costs={"income": 2})
    path = save(found, tmp_path / "some")
    back = load(path)
    assert back == found and back[0].settings == found[0].settings
    document = json.loads(path.read_text("utf-8"))
    document.pop("sha256")
    settings = document["explanations"][0]["settings"]
    for name, value in (("never", ["wage"]), ("costs", {"age": ["age"]}), ("keep", 1), ("alpha", ["age"])):
        changed = {**settings, name: value}
        whole = {**document, "explanations": [{**document["explanations"][0], "settings": changed}]}
        path.write_text(sealed_text(whole), "utf-8")
        with pytest.raises(StorageError, match=name):
            load(path)


def test_causes_obey_and_say_so():
    for search in ("exhaustive", "greedy", "beam"):
        item = explain(criterion="pns", keep="debt", never="income", search=search)[0]
        assert item.cause.size == 3 and all("debt" in one and "income" not in one for one in item.path)
        assert [one.size for one in item.path] == [1, 2, 3, 4][: len(item.path)]
        assert len(item.singles) == 5
    told = explanation_text(item).replace("\n   ", "")
    assert "that is permitted" in told and "every set holds debt; none holds income" in told
    all_sets = explain(criterion="pns")[0]
    best = max(
        (explain(criterion="pns", size=1, keep=name)[0].cause for name in FRAME),
        key=lambda one: one.pns.value,
    )
    assert best.players == all_sets.path[0].players and best.pns == all_sets.path[0].pns


class Own(OwnCriterion):
    """Sufficiency, answered by the best set or by whatever is first in the cloud."""

    def __init__(self, obeys):
        self.obeys = obeys

    name, parts = "own", ("sufficiency", "necessity")

    def of(self, function):
        return Unified(function, AbsoluteDistance(), 1.0)

    def answer(self, compared):
        return {"best": compared.best(2) if self.obeys else compared.selection(0)}


def test_criteria_of_ones_own_obey_or_are_told_that_they_do_not():
    effects = WEIGHTS * (FRAME.iloc[0] - FRAME[5:].mean()).to_numpy()
    pairs = [one for size in (0, 1, 2) for one in combinations(range(1, 5), size)]
    best = min(pairs, key=lambda one: abs(effects.sum() - effects[list(one)].sum()))
    assert explain(criterion=Own(True), never="age")[0].sets["best"].players == best
    with pytest.raises(SettingError, match=r"the criterion 'own' gave \{\} as 'best', which keep="):
        explain(criterion=Own(False), keep="age")
    with pytest.raises(SettingError, match="no subset of at most 2 players that may be reported"):
        explain(criterion=Own(True), keep=["age", "debt", "income"])


def test_reasons_for_a_decision_leave_out_what_may_not_be_named():
    label = np.where(FRAME["age"] + FRAME["income"] + FRAME["debt"] > 0, "yes", "no")
    fitted = LogisticRegression(max_iter=1000).fit(FRAME, label)
    rows = FRAME[fitted.predict(FRAME) == "no"][:4]
    explainer = onlyif.Explainer(fitted, FRAME, against="other decisions", never="age")
    found = explainer(rows)
    assert all("age" not in one for item in found for one in item.sets.values())
    assert not found.reasons_frame()["reasons"].str.contains("age").any()
    assert clone(explainer).get_params()["never"] == "age" and "never='age'" in repr(explainer)
    assert found == onlyif.explain(fitted, rows, background=FRAME, against="other decisions", never="age")


def test_time_ends_no_search_without_a_permitted_set():
    """A clock that goes on when the prepared model is asked, so that each limit ends the work elsewhere."""
    now, row_s = [0.0], [0.0]

    def slow(table):
        now[0] += row_s[0] * len(table)
        return model(table)

    ended = 0
    for settings in ({"costs": [2, 1, 1, 1, 1]}, {"search": "beam"}, {"criterion": "pns"}):
        for limit in (0.2, 0.4, 0.6):
            row_s[0] = 0.0
            asked = Constraints(["city_a", "city_b"], "age", settings.get("costs"))
            others = {name: value for name, value in settings.items() if name != "costs"}
            meter = meter_of(limit, None, lambda: now[0])
            work = prepare(slow, FRAME[:1], FRAME[5:], Options(constraints=asked, **others), meter)
            row_s[0] = 1e-3
            for item in (item for part in explained(work) for item in part):
                ended += "stopped" in item.settings
                for one in (*item.sets.values(), *item.details.path):
                    assert "age" not in one and {"city_a", "city_b"} <= {*one}
    assert ended > 1


def test_few_free_columns_of_many_are_all_compared():
    wide = RANDOM.normal(size=(30, 26))
    weights = RANDOM.normal(size=26)
    found = onlyif.explain(
        lambda table: np.tanh(table @ weights), wide[:1], background=wide, never=range(20), keep=20
    )[0]
    assert found.certificate.basis.name == "EXACT" and found.alternatives["necessary"].complete
    assert found.certificate.super_sufficient is None and found.model_rows < 30 * 2**8
    kept = [[20, *one] for size in range(6) for one in combinations(range(21, 26), size)]
    f, shown = np.tanh(wide[0] @ weights), []
    for one in kept:
        rows = wide.copy()
        rows[:, one] = wide[0, one]
        shown.append(abs(f - np.tanh(rows @ weights).mean()))
    best = found.continua.of(6).at(1.0)
    assert list(best.players) == kept[int(np.argmin(shown))]
    assert "all permitted subsets were compared" in explanation_text(found)


def explain_row_of_the_command(**asked):
    def predict(table):
        return table.to_numpy() @ [4.0, 2.0, 1.0, 0.5, 0.25]

    return onlyif.explain(predict, FRAME[:1], background=FRAME, **asked)[0]


def test_the_command_takes_constraints(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "mine.py").write_text(
        "def predict(table):\n    return table.to_numpy() @ [4.0, 2.0, 1.0, 0.5, 0.25]\n", "utf-8"
    )
    FRAME.to_csv("rows.csv", index=False)
    base = ["explain", "--model-from", "mine:predict", "--data", "rows.csv", "--background", "rows.csv"]
    base += ["--rows", "0", "--quiet"]
    assert main([*base, "--never", "age", "--keep", "4", "--keep", "debt"]) == 0
    assert "every set holds debt, city_b; none holds age" in " ".join(capsys.readouterr().out.split())
    assert main([*base, "--never", "age", "--json", "--out", "out"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["explanations"]
    assert item["never"] == ["age"] and "age" not in item["unified"]["names"]
    assert main([*base, "--never", "wage"]) != 0
    assert "--never has 'wage'" in capsys.readouterr().err
    asked = ["--costs", "age=10", "--costs", "2=0.5", "--order", "income=debt"]
    assert main([*base, *asked, "--json"]) == 0
    (item,) = json.loads(capsys.readouterr().out)["explanations"]
    names = FRAME.columns.tolist()
    same = explain_row_of_the_command(costs={"age": 10, names[2]: 0.5}, order={"income": "debt"})
    assert (
        item["costs"]["age"] == 10
        and item["costs"][names[2]] == 0.5
        and item["order"] == {"income": ["debt"]}
    )
    assert item["sufficient"]["names"] == [*same.sufficient.names]
    for wrong, said in [
        (["--costs", "age"], "--costs needs COLUMN=COST, got 'age'"),
        (["--costs", "age=much"], "--costs needs a number after the =, got 'much'"),
        (["--costs", "age=1", "--costs", "age=2"], "--costs names 'age' twice"),
        (["--costs", "age=-1"], "costs of 'age' must be a finite number of at least 0"),
        (["--order", "=age"], "--order needs COLUMN=NEEDED, got '=age'"),
        (["--order", "age=wage"], "--order has 'wage'"),
    ]:
        assert main([*base, *wrong]) != 0
        assert said in capsys.readouterr().err
    assert main([*base, "--never", "debt", "--out", "out", "--resume"]) != 0
    assert "setting never" in capsys.readouterr().err
