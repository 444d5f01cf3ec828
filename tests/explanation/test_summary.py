"""The summary over rows against counts and statistics made by hand."""

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onlyif.core.errors import SettingError
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.summaries import Share
from onlyif.explanation.summary import summary
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_the_interval_of_a_share_is_wilsons(pair):
    count, total = pair
    # The shares that are 1.96 of their own standard errors away from the one counted.
    z, share = NormalDist().inv_cdf(0.975), count / total
    ends = np.roots([1 + z**2 / total, -(2 * share + z**2 / total), share**2]).real
    assert Share(count, total).interval() == pytest.approx(sorted(ends), abs=1e-7)


@pytest.mark.parametrize("total", range(1, 60))
def test_shares_of_none_and_all_have_an_exact_end(total):
    assert Share(0, total).interval()[0] == 0.0
    assert Share(total, total).interval()[1] == 1.0


def game_of_players(wanted):
    return lambda kept: float(wanted <= kept)


def test_counts_and_means_are_those_of_a_plain_loop():
    explanations = example_explanations()
    held = summary(explanations)
    for i, player in enumerate(held.players):
        for kind in ("sufficient", "necessary", "unified"):
            count = sum(i in getattr(item, kind).players for item in explanations)
            assert player.shares[kind] == Share(count, 3)
    for gap in held.sets:
        chosen = [getattr(item, gap.selection) for item in explanations]
        for mean, values in [
            (gap.size, [s.size for s in chosen]),
            (gap.measures["sufficiency"], [s.sufficiency.value for s in chosen]),
            (gap.measures["necessity"], [s.necessity.value for s in chosen]),
        ]:
            assert mean.value == pytest.approx(np.mean(values))
            assert mean.stderr == pytest.approx(np.std(values, ddof=1) / math.sqrt(3))
    assert (held.n_rows, held.n_informative) == (3, 2)


def test_fresh_gaps_are_taken_where_there_are_any():
    explanations = example_explanations(stderr=0.02)
    fresh = [item.sufficient.fresh[0].value for item in explanations]
    assert summary(explanations).sets[0].measures["sufficiency"].value == pytest.approx(np.mean(fresh))
    assert (
        summary(explanations).sets[0].measures["sufficiency"].value
        > summary(example_explanations()).sets[0].measures["sufficiency"].value
    )


def test_one_row_has_no_standard_error():
    assert math.isnan(summary(example_explanations()[:1]).sets[0].size.stderr)
    assert "± unknown" in str(summary(example_explanations()[:1]))


def test_rows_with_other_players_count_only_where_they_have_them():
    first = explanation_of_game(game_of_players({0}), GameCase(("a", "b")))
    second = explanation_of_game(game_of_players({1}), GameCase(("b", "c")))
    shares = {p.name: p.shares["sufficient"] for p in summary(Explanations((first, second))).players}
    assert shares == {"a": Share(1, 1), "b": Share(0, 2), "c": Share(1, 1)}


def test_frames_hold_the_same_numbers():
    explanations = Explanations(example_explanations().items, "pandas")
    held = summary(explanations)
    table = held.to_frame()
    assert len(table) == 9
    row = table.iloc[0]
    assert (row["player"], row["selection"], row["count"], row["rows"]) == ("age", "sufficient", 2, 3)
    assert (row["share"], row["share_low"], row["share_high"]) == (2 / 3, *Share(2, 3).interval())
    gaps = held.gaps_frame()
    assert list(gaps["selection"]) == ["sufficient", "necessary", "unified"]
    assert list(gaps["delta_nec_mean"]) == [one.measures["necessity"].value for one in held.sets]
    assert list(gaps["size_stderr"]) == [one.size.stderr for one in held.sets]


def test_the_text_names_every_player_and_each_reference_once():
    explanations = example_explanations()
    said = {**explanations[0].provenance.sentences, "reference": "Hidden features are zero."}
    other = replace(explanations[0], provenance=replace(explanations[0].provenance, sentences=said))
    text = str(summary(explanations + Explanations((other,))))
    assert text.count("Hidden features are") == 2
    assert "age         3 (75%, 30% to 95%)" in text


def test_nothing_cannot_be_summarised():
    with pytest.raises(SettingError, match="at least one explanation, got none"):
        summary(Explanations(()))


def test_one_explanation_is_summed_up_as_a_collection_of_one():
    explanations = example_explanations()
    assert str(summary(explanations[1])) == str(summary(explanations[1:2]))
    assert summary(explanations[1]).n_rows == 1
