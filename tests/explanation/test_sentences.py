"""Plain sentences about one prediction: no symbol, and no claim that the numbers do not bear."""

import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import onlyif
from onlyif.core.errors import AbsentError, SettingError
from onlyif.explanation.selection import Measure
from onlyif.explanation.sentences import ENGLISH, Templates
from onlyif.explanation.status import StatusKind
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game
from onlyif.testing.games import game_of_table
from onlyif.testing.masks import example_masks

SYMBOLS = re.compile(r"[ΔεαρφτΣ±]|f_|PNS|\bPN\b|\bPS\b|[{}]")
AUDIENCES = ("applicant", "analyst")
HOSTILE = ("{label}", "{0.__class__}\x1b[2J", "a\nb = {prediction!r}", "}{", "%s\u202e")
RANDOM = np.random.default_rng(0)
PEOPLE = pd.DataFrame(
    {
        "income": RANDOM.normal(40, 10, 300),
        "debt": RANDOM.normal(10, 4, 300),
        "age": RANDOM.normal(45, 9, 300),
    }
)
LABEL = np.where(PEOPLE["income"] - 2 * PEOPLE["debt"] > 15, "accepted", "declined")
MODEL = LogisticRegression(max_iter=1000).fit(PEOPLE, LABEL)
DECLINED = PEOPLE[MODEL.predict(PEOPLE) == "declined"]


def of_features(template):
    return template.format(noun="feature", nouns="features")


def settled(
    table=(0.2, 0.55, 0.5, 0.9, 0.22, 0.6, 0.52, 0.93), names=("age", "income", "work class"), **settings
):
    """A small explanation of a decision for a large output, above an average that is decided otherwise."""
    item = explanation_of_game(
        game_of_table([*table]), GameCase(names, ("39", "51000", "Private"), "17", size=2, **settings)
    )
    return replace(item, settings={**item.settings, "decided": 1, "threshold": 0.5})


@pytest.mark.parametrize(
    "items",
    [example_explanations(), example_explanations(0.02), example_causes(), example_causes(0.01), [settled()]],
)
@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_few_sentences_without_a_symbol(items, audience):
    for item in items:
        said = item.sentences(audience)
        assert 3 <= len(said) <= 6
        assert not SYMBOLS.search(" ".join(said)), said
        assert all(one.endswith(".") and one[0].isupper() for one in said)


def test_the_analyst_hears_values_units_directions_verdicts_and_the_core():
    item = settled()
    necessary = replace(item.alternatives["necessary"], count=2, core=(0,))
    item = replace(item, details=replace(item.details, alternatives={"necessary": necessary}))
    said = item.sentences(units={"age": "years", "work class": "EUR"})
    assert said == (
        "The decision is 'yes'.",
        "The probability of 'yes', 0.93, is compared with 0.2, the average with every feature hidden.",
        "With only age = 39 years (raises it) and income = 51000 (raises it) kept, the prediction moves by "
        "0.03, where 0.073 is allowed: this holds for the background.",
        "With only age = 39 years (raises it) and income = 51000 (raises it) hidden, it is 0.02 away from "
        "what it is compared with, where 0.073 is allowed: this holds for the background.",
        "All 2 groups that were found to be needed hold age.",
    )


def test_the_applicant_hears_the_decision_its_reasons_and_what_would_not_have_changed():
    assert settled().sentences("applicant") == (
        "The decision is 'yes'.",
        "What speaks for it: age = 39 and income = 51000.",
        "With age and income as given, the decision stays on average when all else is as in the cases that "
        "it is compared with.",
    )


def test_members_that_speak_against_are_no_reasons_and_are_marked():
    item = settled((0.2, 0.95, 0.1, 0.8, 0.2, 0.95, 0.1, 0.8), epsilon=0.05)
    assert item.sufficient.names == ("age", "income")
    said = item.sentences("applicant")
    assert said[1] == "What speaks for it: age = 39."
    assert said[2].startswith("With age and income as given")
    assert "income = 51000 (lowers it, against the result)" in item.sentences()[2]


def test_where_the_decision_may_change_no_claim_is_made_of_it():
    item = settled()
    unknown = replace(item, settings={**item.settings, "threshold": 0.9})  # f_S is 0.9 exactly
    assert "within the tolerance" in unknown.sentences("applicant")[2]
    beyond = replace(item, settings={**item.settings, "threshold": 0.91})  # f(x) decides, f_S does not
    assert beyond.sentences("applicant")[1:] == (ENGLISH.unsure, ENGLISH.no_reasons)
    without = replace(item, settings={k: v for k, v in item.settings.items() if k != "threshold"})
    assert "within the tolerance" in without.sentences("applicant")[2]


@pytest.mark.parametrize(("stderr", "sure"), [(0.01, True), (0.1, False)])
def test_a_prediction_within_its_error_of_the_threshold_decides_nothing(stderr, sure):
    item = settled()
    measures = {"sufficiency": Measure(0.2), "kept": Measure(0.55, stderr)}
    item = replace(
        item,
        sets={"sufficient": replace(item.sufficient, measures=measures)},
        settings={**item.settings, "epsilon": 0.5},
        provenance=replace(item.provenance, sentences={"against": "5 rows decided otherwise"}),
        details=replace(item.details, continua=None),
    )
    assert (item.sentences("applicant")[1] != ENGLISH.unsure) == sure


@pytest.mark.parametrize(
    ("fresh", "verdict"),
    [
        (Measure(0.03, 0.001), "this holds on fresh rows"),
        (Measure(0.07, 0.01), "whether this holds cannot be told"),
        (Measure(0.5, 0.001), "this does not hold on fresh rows"),
    ],
)
def test_reasons_are_named_only_where_the_set_holds(fresh, verdict):
    item = settled()
    measures = {**item.sufficient.measures, "fresh_sufficiency": fresh, "fresh_necessity": fresh}
    item = replace(item, sets={**item.sets, "sufficient": replace(item.sufficient, measures=measures)})
    assert verdict in item.sentences()[2]
    told = item.sentences("applicant")
    if verdict == "this holds on fresh rows":
        assert told[1].startswith("What speaks for it")
    else:
        assert told[1:] == (ENGLISH.unsure, ENGLISH.no_reasons)


def test_without_directions_no_member_is_a_reason():
    item = settled()
    item = replace(item, sets={k: replace(one, effects=()) for k, one in item.sets.items()})
    assert item.sentences("applicant")[1:] == (of_features(ENGLISH.undirected), ENGLISH.no_reasons)
    assert "With only age = 39 and income = 51000 kept" in item.sentences()[2]


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        (example_explanations()[2], StatusKind.NOTHING),
        (settled(epsilon=0.8), StatusKind.NO_FEATURE),
        (settled((0.0,) * 7 + (1.0,)), StatusKind.EVERYTHING),
        (replace(settled(), settings={**settled().settings, "decided": -1}), StatusKind.OTHER_SIDE),
        (replace(settled(), settings={**settled().settings, "threshold": 0.1}), StatusKind.SAME_DECISION),
        (replace(settled(), settings={**settled().settings, "effective_rows": 3.0}), StatusKind.FEW_ROWS),
        (replace(settled(), settings={**settled().settings, "stopped": True}), StatusKind.TIME),
        (example_causes()[1], StatusKind.NO_CAUSE),
    ],
)
def test_another_status_is_said_instead_of_reasons(item, kind):
    assert item.status.kind is kind
    said = getattr(ENGLISH, f"status_{kind.name.lower()}")
    assert item.sentences("applicant")[1:] == (of_features(said), ENGLISH.no_reasons)
    assert item.sentences("analyst")[2:] == (of_features(said), item.status.advice)


def test_every_status_has_its_sentence():
    have = {
        each.name.removeprefix("status_") for each in fields(Templates) if each.name.startswith("status_")
    }
    assert have == {kind.name.lower() for kind in StatusKind} - {"explained"}


def test_causes_are_told_with_the_baseline():
    cause = example_causes()[0]
    assert cause.sentences("applicant", units={"age": "years"}) == (
        "The predicted probability of 'yes' is 0.93.",
        "Of the groups of 2 that were compared, none is more probably its cause than age = 39 years (instead "
        "of 37 years) and income = 51000 (instead of 40000).",
        "Where changing these changed the result, changing all else instead left it as it was in 50% "
        "of cases.",
    )
    said = cause.sentences()
    assert said[1] == "It is compared with 0.2, the prediction at the baseline."
    assert said[3].endswith("changing these changed it with one of 0.5.")


@pytest.mark.parametrize(
    "measures",
    [{"effective_pn": Measure(9.0)}, {"pns": Measure(0.5, 0.3)}, {"pns": Measure(0.5, float("nan"))}],
)
def test_a_cause_within_its_errors_is_none_for_the_applicant(measures):
    item = example_causes()[0]
    cause = replace(item.cause, measures={**item.cause.measures, **measures})
    told = replace(item, sets={"cause": cause}).sentences("applicant")
    assert told[1:] == (ENGLISH.unsure, ENGLISH.no_reasons)


def test_of_decisions_what_is_said_is_what_plain_loops_find():
    found = onlyif.explain(
        MODEL,
        DECLINED[:12],
        background=PEOPLE,
        against="other decisions",
        reference=onlyif.Marginal(n_rows=None),
    )
    others = PEOPLE[MODEL.predict(PEOPLE) != "declined"]
    n_reasons = 0
    for i, item in enumerate(found):
        told = item.sentences("applicant", units={"income": "kEUR"})
        assert told[0] == "The decision is 'declined'."
        assert "rows decided otherwise than 'declined'" in item.sentences()[1]
        if item.status.kind is not StatusKind.EXPLAINED:
            assert told[2] == ENGLISH.no_reasons
            continue
        mixed = others.copy()
        for name in item.sufficient.names:
            mixed[name] = DECLINED.iloc[i][name]
        assert MODEL.predict_proba(mixed)[:, 1].mean() > 0.5
        assert "the decision stays on average" in told[2]
        assert "kept, the decision stays: this holds" in item.sentences()[2]
        assert "hidden, the decision is gone: this holds" in item.sentences()[3]
        weights = dict(zip(PEOPLE, MODEL.coef_[0] * (DECLINED.iloc[i] - others.mean()), strict=True))
        assert all((f"{name} = " in told[1]) == (weights[name] > 0) for name in item.sufficient.names)
        n_reasons += 1
    assert n_reasons


def test_compared_decisions_have_no_numbers_of_classes():
    found = onlyif.explain(MODEL, DECLINED[:4], background=PEOPLE, distance="discrete")
    for item in found:
        said = item.sentences()
        assert said[0] == f"The decision is '{item.target_label}'."
        assert said[1] == "It is compared with what is decided most often with every feature hidden."


def test_of_a_regression_the_number_is_what_is_told():
    model = LinearRegression().fit(PEOPLE, PEOPLE @ [1.0, -2.0, 0.0])
    (item,) = onlyif.explain(model, PEOPLE[:1], background=PEOPLE)
    assert item.sentences("applicant")[0].startswith("The predicted value")
    assert "decision" not in " ".join(item.sentences())


def test_names_values_and_labels_are_never_read_as_templates():
    for hostile in HOSTILE:
        item = settled(names=(hostile, "income", "work class"))
        item = replace(item, values=(hostile, "1", "2"), target_label=hostile)
        item = replace(item, provenance=replace(item.provenance, sentences={"against": hostile}))
        for audience in AUDIENCES:
            text = "".join(item.sentences(audience, units={hostile: hostile, "income": hostile}))
            assert text.isprintable()
            assert hostile.replace("\x1b", "\\x1b").replace("\n", "\\n").replace("\u202e", "\\u202e") in text


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{f_S}", r"names \{f_S\}; it may name \{row\}, \{label\}.*\{members\}"),
        ("{members.__class__}", "names {members.__class__}; it may name"),
        ("{members[0]}", "it may name"),
        ("{}", "it may name"),
        ("{members!r}", r"converts \{members\}"),
        ("{members:{label}}", r"converts \{members\}"),
        ("{members:.2f}", "cannot be filled"),
        ("{members", "is none"),
        ("}", "is none"),
    ],
)
def test_a_template_that_cannot_be_filled_is_refused(template, said):
    with pytest.raises(SettingError, match=said) as caught:
        Templates(reasons=template)
    assert "'reasons'" in str(caught.value)


@pytest.mark.parametrize("name", [each.name for each in fields(Templates)])
def test_every_template_takes_all_that_it_may_name(name):
    given = {each.name: each.metadata["names"] for each in fields(Templates)}[name]
    known = ("row", "label", "output", "prediction", "base", *given)
    words = Templates(**{name: "".join(f"<{{{one}}}>" for one in known)})
    causes = example_causes()[0]
    for item in (settled(), *example_explanations(), causes):
        for audience in AUDIENCES:
            assert item.sentences(audience, words)


def test_numbers_take_a_format_and_an_empty_template_leaves_its_sentence_out():
    words = Templates(decision="{row}: {prediction:.1%} {{{label}}}", compared="")
    said = settled().sentences(templates=words)
    assert said[0] == "17: 93.0% {yes}"
    assert len(said) == 3


def test_wrong_arguments_are_refused_by_name():
    item = settled()
    with pytest.raises(SettingError, match="audience 'boss'; need one of analyst, applicant"):
        item.sentences("boss")
    with pytest.raises(SettingError, match=r"units has 'height', which is none of \['age', 'income'"):
        item.sentences(units={"height": "cm"})


def test_pixels_are_refused():
    with pytest.raises(AbsentError, match="need features with names, got pixels"):
        example_masks()[0].sentences()


def test_sets_of_another_criterion_are_told_by_name_and_give_no_reasons():
    item = settled()
    own = replace(
        item,
        sets={"worth it": replace(item.sufficient, effects=())},
        details=type(item.details)(),
        settings={},
        provenance=replace(item.provenance, criterion="priced"),
    )
    assert own.sentences()[2] == "By the criterion 'priced': worth it holds age = 39 and income = 51000."
    assert own.sentences("applicant")[1:] == (of_features(ENGLISH.undirected), ENGLISH.no_reasons)
