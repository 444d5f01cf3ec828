"""Causal explanations as data: slices, frames, text, summary, files."""

import dataclasses
import json
import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from onlyif.core.errors import SettingError, StorageError
from onlyif.explanation.explanations import Explanations, collected, joined
from onlyif.explanation.sealed import sealed_text
from onlyif.explanation.storage import load, load_folder, save
from onlyif.explanation.summary import summary
from onlyif.explanation.text import explanation_text
from onlyif.testing.causes import example_cause, example_causes
from onlyif.testing.explanations import example_explanations

GOLDEN = Path(__file__).parents[1] / "golden"


def golden_causes():
    """Values that binary fractions hold exactly, so that they are the same on every machine."""
    exact, drawn = example_causes()[0], example_causes(0.0625)[0]
    names = ("age", "a/b", "größe")

    def renamed(chosen):
        return replace(chosen, among=names)

    cause = renamed(example_cause((0, 1), 0.5))
    details = replace(
        exact.details,
        path=(renamed(exact.path[0]), cause),
        singles=tuple(map(renamed, exact.singles)),
    )
    odd = replace(exact, prediction=0.5, base=math.nan, names=names, sets={"cause": cause}, details=details)
    odd = replace(odd, notes=("a note", "ε"))
    drawn = replace(drawn, prediction=0.75, base=0.25)
    return Explanations((odd, drawn), "pandas")


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
    frame = example_causes(0.0625).to_frame(full=True)
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
    text = explanation_text(example_causes()[0])
    for said in ("age = 39 (baseline 37)", "PNS = 0.5 (over E ± 0.031)", "2 *", "c = 0.125", "! already at"):
        assert said in text
    assert "± 0.062" in explanation_text(example_causes(0.0625)[0])
    assert "none: no perturbation" in explanation_text(example_causes()[1])
    assert max(map(len, explanation_text(example_causes()[0], 70).splitlines())) <= 70
    assert explanation_text(example_causes()[0]) == text


def test_summary_counts_rows_with_a_cause():
    found = summary(example_causes())
    assert (found.n_rows, found.n_informative) == (2, 1)
    assert [player.shares["cause"].count for player in found.players] == [1, 1, 0]
    assert found.players[0].scores["pns"].value == 0.125
    assert "age" in str(found)
    assert found.to_frame()["count"].tolist() == [1, 1, 0]
    with pytest.raises(SettingError, match="got none"):
        summary(Explanations(()))


def test_many_rows_are_shown_by_their_ends():
    many_rows = Explanations(example_causes().items * 8)
    assert "… 6 more …" in repr(many_rows)
    assert repr(Explanations(())) == "no explanations"


@pytest.mark.parametrize("stderr", [0.0, 0.0625])
def test_what_was_saved_is_loaded_to_the_last_bit(tmp_path, stderr):
    found = Explanations(example_causes(stderr).items, "polars")
    save(found, tmp_path / "x")
    assert same(load(tmp_path / "x"), found)
    save(found[0], tmp_path / "one")
    assert same(load(tmp_path / "one")[0], found[0])


def test_the_newest_format_writes_what_its_golden_file_holds(tmp_path):
    stem = "format5-causes"
    paths = save(golden_causes(), tmp_path / stem), GOLDEN / f"{stem}.onlyif.json"
    written, golden = (json.loads(path.read_text()) for path in paths)
    for name in ("tensors", "sha256"):
        assert written.pop(name) and golden.pop(name)
    assert written == golden


@pytest.mark.parametrize("number", [2, 4, "5-causes"])
def test_files_of_every_format_still_load(number):
    assert same(load(GOLDEN / f"format{number}"), golden_causes())


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda one: one.update(values=["1"]), "need 3 values"),
        (lambda one: one.update(baseline=["1"]), "a value and a baseline for each of 3 names, got 3 and 1"),
        (lambda one: one["settings"].update(size=3), "the path has no subset of size 3"),
        (lambda one: one["singles"].pop(), "'singles' for each of 3 names"),
        (lambda one: one["path"][0].update(players=[7]), r"players \[7\] are not among 3 names"),
        (lambda one: one["path"][0]["measures"].update(pn=1), "got `int`"),
        (lambda one: one["path"][0]["measures"].pop("pn"), "need the measures pn"),
        (lambda one: one["provenance"]["values"].pop("c"), "need the values c"),
        (lambda one: one["provenance"]["values"].update(n_sample=0.5), "'n_sample' must be a whole number"),
        (lambda one: one["provenance"].update(versions=[1]), "got `int`"),
        (lambda one: one.update(extra=1), "unknown entry 'extra'"),
    ],
)
def test_changed_files_are_refused(tmp_path, edit, message):
    path = save(example_causes(), tmp_path / "x")
    content = json.loads(path.read_text())
    edit(content["explanations"][0])
    content.pop("sha256")
    path.write_text(sealed_text(content))
    with pytest.raises(StorageError, match=message):
        load(path)


def test_a_folder_is_of_one_kind(tmp_path):
    save(example_causes(), tmp_path / "a")
    save(example_causes(), tmp_path / "b")
    assert len(load_folder(tmp_path)) == 4
    save(example_explanations(), tmp_path / "c")
    with pytest.raises(SettingError, match="one criterion"):
        load_folder(tmp_path)


def test_empty_collections_join_with_either_kind():
    assert len(joined([Explanations(()), example_explanations()])) == 3
    assert isinstance(joined([Explanations((), "polars")]), Explanations)
    assert collected(example_causes()[0]).items[0].row == "0"
