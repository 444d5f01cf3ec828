"""Causal explanations as data: slices, frames, text, summary, files."""

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from onlyif.core.errors import SettingError, StorageError
from onlyif.explanation.causal_explanations import CausalExplanations
from onlyif.explanation.causal_text import causal_text
from onlyif.explanation.explained import explanation_text, joined_alike, many, summary
from onlyif.explanation.sealed import sealed_text
from onlyif.explanation.storage import load, load_folder, save
from onlyif.testing.causes import example_cause, example_causes
from onlyif.testing.explanations import example_explanations

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_causes():
    """Values that binary fractions hold exactly, so that they are the same on every machine."""
    exact, drawn = example_causes()[0], example_causes(0.0625)[0]
    odd = replace(exact, prediction=0.5, baseline_prediction=math.nan, names=("age", "a/b", "größe"))
    cause = example_cause((0, 1), 0.5)
    odd = replace(odd, path=tuple(replace(c, names=odd.names[: c.size]) for c in (*odd.path[:1], cause)))
    singles = (replace(c, names=(odd.names[i],)) for i, c in enumerate(odd.singles))
    odd = replace(odd, singles=tuple(singles), notes=("a note", "ε"))
    drawn = replace(drawn, prediction=0.75, baseline_prediction=0.25)
    return CausalExplanations((odd, drawn), "pandas")


def same(a, b):
    """Equal, NaN equal to NaN."""
    return repr(dataclasses.asdict(a)) == repr(dataclasses.asdict(b))


def test_numbers_slices_lists_and_masks():
    found = example_causes()
    assert found[1].row == "1" and found[-1].row == "1"
    assert [item.row for item in found[1:]] == ["1"]
    assert [item.row for item in found[[1, 0]]] == ["1", "0"]
    assert [item.row for item in found[[True, False]]] == ["0"]
    assert len(found + found) == 4
    with pytest.raises(SettingError, match="whole number"):
        found["0"]
    with pytest.raises(SettingError, match="2 booleans"):
        found[[True]]


def test_the_cause_is_that_of_the_chosen_size():
    item = example_causes()[0]
    assert item.cause is item.of(2) and item.cause.names == ("age", "income")
    assert item.cause.pns_halved == item.cause.pns.value / 2
    with pytest.raises(SettingError, match=r"no subset of size 3 was compared; sizes at hand: \[1, 2\]"):
        item.of(3)


def test_frames():
    frame = example_causes(0.0625).to_frame()
    assert isinstance(frame, pd.DataFrame)
    assert frame["players"].tolist() == ["age, income", "age, income"]
    assert frame.loc[0, "pns"] == 0.5 and frame.loc[0, "pns_searched"] == 0.5625
    assert frame.loc[0, "pns_stderr"] == 0.0625 and math.isnan(frame.loc[0, "pns_typical"])
    path = example_causes().path_frame()
    assert path["chosen"].tolist() == [False, True] * 2 and path["size"].tolist() == [1, 2] * 2
    players = example_causes().players_frame()
    assert players["pns"].tolist()[:3] == [0.25, 0.125, 0.0]
    assert players["in_cause"].tolist()[:3] == [True, True, False]


def test_the_text_says_what_was_found():
    text = causal_text(example_causes()[0])
    for said in ("age = 39 (baseline 37)", "PNS = 0.5 (over E ± 0.031)", "2 *", "c = 0.125", "! already at"):
        assert said in text
    assert "± 0.062" in causal_text(example_causes(0.0625)[0])
    assert "none: no perturbation" in causal_text(example_causes()[1])
    assert max(map(len, causal_text(example_causes()[0], 70).splitlines())) <= 70
    assert explanation_text(example_causes()[0]) == text


def test_summary_counts_rows_with_a_cause():
    found = summary(example_causes())
    assert (found.n_rows, found.n_caused) == (2, 1)
    assert [player.in_cause.count for player in found.players] == [1, 1, 0]
    assert found.players[0].alone.value == 0.125
    assert "age" in str(found)
    assert found.to_frame()["count"].tolist() == [1, 1, 0]
    with pytest.raises(SettingError, match="got none"):
        summary(CausalExplanations(()))


def test_many_rows_are_shown_by_their_ends():
    many_rows = CausalExplanations(example_causes().items * 8)
    assert "… 6 more …" in repr(many_rows)
    assert repr(CausalExplanations(())) == "no causal explanations"


@pytest.mark.parametrize("stderr", [0.0, 0.0625])
def test_what_was_saved_is_loaded_to_the_last_bit(tmp_path, stderr):
    found = CausalExplanations(example_causes(stderr).items, "polars")
    save(found, tmp_path / "x")
    assert same(load(tmp_path / "x"), found)
    save(found[0], tmp_path / "one")
    assert same(load(tmp_path / "one")[0], found[0])


def test_format_4_is_that_of_its_golden_file(tmp_path):
    path = save(golden_causes(), tmp_path / "format4")
    written, golden = (json.loads(p.read_text()) for p in (path, GOLDEN / "format4.onlyif.json"))
    for name in ("tensors", "sha256"):
        assert written.pop(name) and golden.pop(name)
    assert written == golden


@pytest.mark.parametrize("number", [2, 4])
def test_files_of_every_format_still_load(number):
    assert same(load(GOLDEN / f"format{number}"), golden_causes())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda one: one.update(values=["1"]), "a value and a baseline for each of 3 names, got 1 and 3"),
        (lambda one: one.update(size=3), "the path has no subset of size 3"),
        (lambda one: one["singles"].pop(), "'singles' for each of 3 names"),
        (lambda one: one["path"][0].update(players=[7]), r"players \[7\] are not among 3 names"),
        (lambda one: one["path"][0].update(pn=1), "need a JSON object"),
        (lambda one: one["provenance"].update(weights=[1]), "weights must be two numbers"),
        (lambda one: one["provenance"].update(weights=[1, 10**400]), "'weights' must be a number"),
        (lambda one: one["provenance"].update(versions=[1]), "versions must be pairs"),
        (lambda one: one.update(extra=1), r"unknown entries \['extra'\]"),
    ],
)
def test_changed_files_are_refused(tmp_path, edit, message):
    path = save(example_causes(), tmp_path / "x")
    content = json.loads(path.read_text())
    edit(content["causes"][0])
    content.pop("sha256")
    path.write_text(sealed_text(content))
    with pytest.raises(StorageError, match=message):
        load(path)


def test_a_folder_is_of_one_kind(tmp_path):
    save(example_causes(), tmp_path / "a")
    save(example_causes(), tmp_path / "b")
    assert len(load_folder(tmp_path)) == 4
    save(example_explanations(), tmp_path / "c")
    with pytest.raises(SettingError, match="cannot join"):
        load_folder(tmp_path)


def test_empty_collections_join_with_either_kind():
    assert len(joined_alike([CausalExplanations(()), example_explanations()])) == 3
    assert isinstance(joined_alike([CausalExplanations((), "polars")]), CausalExplanations)
    assert many(example_causes()[0]).items[0].row == "0"
