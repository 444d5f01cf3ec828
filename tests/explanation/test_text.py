"""One explanation as text: every number and reason is there, in words."""

from dataclasses import replace

import pytest

from onlyif.explanation.selection import Measure, gap_selection
from onlyif.explanation.text import explanation_text
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import chain_subsets, game_of_table

NAMES = ("age", "income", "work class")


def words(text):
    return " ".join(text.split())


def test_the_whole_text_of_a_small_exact_explanation():
    table = [0.0, 0.95, 0.1, 1.0, 0.1, 0.95, 0.0, 1.0]
    case = GameCase(NAMES, ("39", "51000", "Private"), "17", size=2, epsilon=0.04)
    text = explanation_text(explanation_of_game(game_of_table(table), case))
    said = words(text)
    for part in [
        "Row 17: probability of 'yes' (python function)",
        "f(x) = 1 the prediction for this row",
        "f_0 = 0 the average prediction, when all 3 features are hidden",
        "The two differ by 1. Below, 'close' means within ε = 0.04 (distance: |a - b|, the absolute",
        "KEEP THESE AND THE PREDICTION STAYS (smallest ε-sufficient set: 2 of 3) age = 39: raises it "
        "income = 51000: raises it keeping only these (f_S = 1) moves the prediction by Δsuf = 0",
        "verdict: holds for the background: the gap is 0, ε is 0.04",
        "HIDE THESE AND THE PREDICTION IS GONE, BACK TO THE AVERAGE (smallest ε-necessary set: 1 of 3) "
        "age = 39: raises it keeping only these (f_S = 0.95) moves the prediction by Δsuf = 0.05 "
        "hiding only these (f_Sc = 0) leaves it off the average by Δnec = 0",
        "BEST OF BOTH with at most 2 features, at α = 0.5",
        "Δuni = α Δsuf + (1 - α) Δnec = 0.025, the least possible",
        "at 0 0.05 0 {age} 0 to 0.6667 0.05 0 {age} at 0.6667 0.05 0 2 {age} "
        "0.6667 to 1 0 0.1 {age, income} at 1 0 0.1 {age, income}",
        "Exact: all subsets were compared",
        "The sufficient set stays sufficient whatever features are added to it: Δsuf is at most 0, and ε",
        "The necessary set can stop being necessary when features are added to it: Δnec is at most 0.1",
        "Δsuf <= Δuni / α = 0.05 and Δnec <= Δuni / (1 - α) = 0.05 (Lemma 4.1)",
        "the Shapley value φ = 0.975, and at least 0.975 is guaranteed (Theorem 5.1, corrected)",
        "The sufficient and the necessary set share age (they must share one: Lemma 4.2).",
        "HOW IT WAS COMPUTED Hidden features are replaced together by those of 100 background rows, "
        "whatever is kept. f_S(x): exact mean over all background rows",
        "model rows: 600 of 800 asked (the others were equal)",
        "work: 0.25 s, seed 0",
    ]:
        assert part in said, part
    assert "±" not in text
    assert "Together they" not in said


def test_two_super_sets_bound_their_union():
    text = words(explanation_text(example_explanations()[0]))
    assert "Together they are a set with Δuni <= 0.073 for every α (Theorem 4.1, corrected)." in text


def test_estimates_stand_with_their_errors_and_fresh_ones_beside():
    text = words(explanation_text(example_explanations(stderr=0.012)[0]))
    assert "f_0 = 0.2 ± 0.012" in text
    assert "Δsuf = 0.03 ± 0.012 (fresh draws: 0.036 ± 0.012)" in text
    assert "Δnec = 0.02 ± 0.012 (fresh draws: 0.024 ± 0.012)" in text
    assert "±: one standard error" in text
    exact = example_explanations()[0]
    chosen, again = exact.sufficient, (Measure(0.05, 0.01), Measure(0.06, 0.02))
    chosen = gap_selection(chosen.players, chosen.among, (chosen.sufficiency, chosen.necessity), 1, again)
    fresh = replace(exact, sets={**exact.sets, "sufficient": chosen})
    assert "±: one standard error" in explanation_text(fresh)
    assert "±" not in explanation_text(exact)
    assert "Sampled: all subsets were compared, f_S(x) is estimated" in text


def test_an_uninformative_prediction_is_said_to_be_one():
    item = example_explanations()[2]
    said = words(explanation_text(item))
    assert "! Nothing to explain: the prediction cannot be told apart from the average one." in said
    assert "none: The prediction cannot be told apart from the average one (they differ by 0)" in said
    assert "nothing to explain" in item.reason


def test_an_epsilon_above_the_distance_is_given_as_the_reason_for_empty_sets():
    item = explanation_of_game(lambda kept: 0.1 * len(kept), GameCase(NAMES, epsilon=0.5))
    assert item.sufficient.size == 0
    assert item.reason == (
        "With every feature hidden the prediction is already within ε = 0.5 of f(x) "
        "(they differ by 0.3), so no feature is needed."
    )
    assert item.reason in words(explanation_text(item))


def test_an_empty_unified_set_of_an_informative_prediction_has_its_own_reason():
    item = explanation_of_game(lambda kept: float(len(kept) == 3), GameCase(NAMES, size=0))
    assert item.reason == ""
    assert "none: No allowed set does better than the empty one." in words(explanation_text(item))


def test_a_heuristic_search_claims_no_more_than_it_found():
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(NAMES), chain_subsets(3))
    said = words(explanation_text(item))
    assert "smallest found ε-sufficient set" in said
    assert "the least found" in said
    assert "the best sets found of at most 3 features" in said
    assert "Not certified: only some subsets were compared." in said
    assert "Whether the sufficient set stays sufficient when features are added is not known." in said


@pytest.mark.parametrize(("alpha", "missing"), [(0.0, "Δsuf <="), (1.0, "Δnec <=")])
def test_infinite_bounds_are_left_out(alpha, missing):
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(NAMES, alpha=alpha))
    text = explanation_text(item)
    assert missing not in text
    assert "inf" not in words(text).replace("informative", "")
    assert "guaranteed" not in text


def test_one_feature_is_spoken_of_in_the_singular():
    said = words(explanation_text(explanation_of_game(lambda kept: float(len(kept)), GameCase(("age",)))))
    assert "when the one feature is hidden" in said
    assert "1 features" not in said


def test_ties_and_their_number_are_said():
    item = explanation_of_game(lambda kept: float(bool(kept)), GameCase(NAMES, size=1))
    said = words(explanation_text(item))
    assert "3 sets of 1 feature are sufficient; the one with the least gap is shown." in said
    assert "at least 3 sets" not in said.lower()
    assert "3 sets tie, the smallest and then first is shown" in said


def test_a_heuristic_search_counts_only_what_it_saw():
    item = explanation_of_game(lambda kept: float(bool(kept)), GameCase(NAMES, size=1), chain_subsets(3))
    assert "At least 2 sets of 1 feature are sufficient" in words(explanation_text(item))


def test_notes_stand_at_the_end():
    item = replace(example_explanations()[0], notes=("The column 'a' is constant.", "Few neighbours."))
    assert explanation_text(item).endswith("  ! The column 'a' is constant.\n  ! Few neighbours.")


@pytest.mark.parametrize("width", [60, 80, 100])
def test_lines_stay_within_the_width_however_long_names_are(width):
    names = tuple(f"a rather long name of a feature, number {i}" for i in range(6))
    item = explanation_of_game(lambda kept: float(len(kept)), GameCase(names, ("a value",) * 6))
    lines = explanation_text(item, width).splitlines()
    assert max(map(len, lines)) <= max(width, 66)
    said = words("\n".join(lines))
    assert all(f"{name} = a value" in said for name in names)
