"""Saving and loading: exact round trips, whole files or none, and clear refusals."""

import dataclasses
import hashlib
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from onlyif.core.errors import StorageError
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.sealed import sealed_text
from onlyif.explanation.selection import Measure
from onlyif.explanation.storage import SUFFIX, load, load_folder, save, saved_in
from onlyif.explanation.stored import FORMAT
from onlyif.testing.explanations import GameCase, example_explanations, explanation_of_game

GOLDEN = Path(__file__).parents[1] / "golden"


def same(a, b):
    """Equal to the last bit, NaN equal to NaN."""
    if isinstance(a, np.ndarray):
        listed = [tuple(array.ravel().tolist()) for array in (a, b)]
        return isinstance(b, np.ndarray) and a.dtype == b.dtype and a.shape == b.shape and same(*listed)
    if isinstance(a, dict):
        return isinstance(b, dict) and list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if dataclasses.is_dataclass(a):
        fields = [f.name for f in dataclasses.fields(a)]
        return type(a) is type(b) and all(same(getattr(a, name), getattr(b, name)) for name in fields)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        # A float's own text is exact and tells -0.0 from 0.0.
        return isinstance(b, float) and repr(a) == repr(b)
    return type(a) is type(b) and a == b


def arrays_of(path):
    return path.with_name(json.loads(path.read_text())["tensors"]["file"])


def one(content, number=0):
    return content["explanations"][number]


def change(path, edit):
    """Edit the entries of a saved file as someone who knows how to renew the digest."""
    content = json.loads(path.read_text())
    edit(content)
    content.pop("sha256")
    path.write_text(sealed_text(content))


@pytest.mark.parametrize("stderr", [0.0, 0.02])
def test_what_was_saved_is_loaded_to_the_last_bit(tmp_path, stderr):
    explanations = Explanations(example_explanations(stderr).items, "polars")
    path = save(explanations, tmp_path / "deep" / "rows.v1")
    assert path == tmp_path / "deep" / "rows.v1.onlyif.json"
    for given_path in (path, tmp_path / "deep" / "rows.v1", str(path)):
        assert same(load(given_path), explanations)
        assert load(given_path) == explanations


def test_missing_tables_and_shapley_values_stay_missing(tmp_path):
    item = replace(example_explanations()[0], scores={}, notes=("é, ε and \ud800",), seconds=1e-300)
    certificate = replace(
        item.certificate, super_sufficient=None, worst_sufficiency=None, phi=None, phi_bound=None
    )
    item = replace(item, details=replace(item.details, certificate=certificate, table=None))
    save(Explanations((item,)), tmp_path / "one")
    assert same(load(tmp_path / "one").items, (item,))


def test_no_explanations_can_be_saved_too(tmp_path):
    save(Explanations((), "pandas"), tmp_path / "none")
    assert same(load(tmp_path / "none"), Explanations((), "pandas"))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(), min_size=6, max_size=6))
def test_floats_round_trip_exactly(tmp_path_factory, numbers):
    item = example_explanations()[0]
    item = replace(
        item,
        prediction=numbers[0],
        base=numbers[1],
        measures={"total_gap": Measure(numbers[2], numbers[3])},
        details=replace(item.details, certificate=replace(item.certificate, phi=numbers[4])),
        scores={"shapley": np.array(numbers[3:6])},
    )
    stem = tmp_path_factory.mktemp("floats") / "x"
    save(Explanations((item,)), stem)
    assert same(load(stem)[0], item)
    assert load(stem)[0] == item


def test_the_json_is_strict(tmp_path):
    item = replace(example_explanations()[0], prediction=math.nan, base=-math.inf)
    text = save(Explanations((item,)), tmp_path / "x").read_text()

    def refuse(constant):
        raise AssertionError(constant)

    content = json.loads(text, parse_constant=refuse)
    assert content["explanations"][0]["prediction"] == "nan"
    assert content["explanations"][0]["base"] == "-inf"


def test_strided_and_expanded_views_are_stored_by_value(tmp_path):
    item = example_explanations()[0]
    shared = np.arange(16.0).reshape(8, 2)
    details = replace(item.details, table=shared[:, 1])
    item = replace(item, details=details, scores={"shapley": np.broadcast_to(shared[0, 1], 3)})
    save(Explanations((item, item)), tmp_path / "x")
    assert load(tmp_path / "x")[1].table.tolist() == [1, 3, 5, 7, 9, 11, 13, 15]
    assert load(tmp_path / "x")[1].shapley.tolist() == [1, 1, 1]


def test_saving_again_replaces_both_files_and_leaves_no_others(tmp_path):
    save(example_explanations(), tmp_path / "x")
    save(example_explanations()[:1], tmp_path / "x.y")
    save(example_explanations(0.5), tmp_path / "x")
    assert same(load(tmp_path / "x"), example_explanations(0.5))
    assert same(load(tmp_path / "x.y"), example_explanations()[:1])
    assert len(list(tmp_path.iterdir())) == 4


@pytest.mark.parametrize("n_moved", [0, 1])
def test_a_crash_while_saving_leaves_the_old_explanations(tmp_path, monkeypatch, n_moved):
    old = example_explanations()
    save(old, tmp_path / "x")
    before = {path.name for path in tmp_path.iterdir()}
    moved, real = [], Path.replace

    def move(draft, target):
        if len(moved) == n_moved:
            raise KeyboardInterrupt
        moved.append(target)
        return real(draft, target)

    monkeypatch.setattr(Path, "replace", move)
    with pytest.raises(KeyboardInterrupt):
        save(example_explanations(0.5), tmp_path / "x")
    monkeypatch.undo()
    assert same(load(tmp_path / "x"), old)
    assert not list(tmp_path.glob("*.tmp")) + list(tmp_path.glob(".*"))
    assert before <= {path.name for path in tmp_path.iterdir()}
    save(old[:2], tmp_path / "x")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot write the explanations .*x\.onlyif\.json"):
        save(example_explanations(), tmp_path / "file" / "x")


def test_a_folder_is_joined_in_the_order_of_its_numbers(tmp_path):
    explanations = example_explanations()
    for name, part in (("rows-10", slice(2, 3)), ("rows-9", slice(1, 2)), ("rows-0", slice(0, 1))):
        save(explanations[part], tmp_path / name)
    (tmp_path / "run.json").write_text("{}")
    assert [path.name for path in saved_in(tmp_path)] == [f"rows-{i}{SUFFIX}" for i in (0, 9, 10)]
    assert same(load_folder(tmp_path).items, explanations.items)


def test_folders_without_explanations_are_refused(tmp_path):
    with pytest.raises(StorageError, match=r"holds no saved explanations: need files named \*\.onlyif\.json"):
        load_folder(tmp_path)
    with pytest.raises(StorageError, match="is no folder"):
        load_folder(tmp_path / "none")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(StorageError, match=r"no saved explanations: .*x\.onlyif\.json does not exist"):
        load(tmp_path / "x")


def test_every_truncation_of_the_json_is_refused(tmp_path):
    path = save(example_explanations()[:1], tmp_path / "x")
    whole = path.read_bytes()
    for length in range(0, len(whole), 97):
        path.write_bytes(whole[:length])
        with pytest.raises(StorageError, match="cut short"):
            load(path)


@pytest.mark.parametrize(
    "damage",
    [lambda b: b[:-1], lambda b: b"", lambda b: b + b"\0", lambda b: b[:-9] + bytes([b[-9] ^ 1]) + b[-8:]],
)
def test_damaged_arrays_are_refused(tmp_path, damage):
    path = save(example_explanations(), tmp_path / "x")
    arrays = arrays_of(path)
    arrays.write_bytes(damage(arrays.read_bytes()))
    with pytest.raises(StorageError, match=rf"{arrays.name} is cut short or not the file"):
        load(path)


def test_missing_arrays_are_named(tmp_path):
    path = save(example_explanations(), tmp_path / "x")
    arrays_of(path).unlink()
    with pytest.raises(StorageError, match=r"needs .*x\.[0-9a-f]{16}\.safetensors, which cannot be read"):
        load(path)


@pytest.mark.parametrize(
    "name", ["../x.0123456789abcdef.safetensors", "/etc/passwd", "y.0123456789abcdef.safetensors"]
)
def test_arrays_elsewhere_are_never_opened(tmp_path, name):
    path = save(example_explanations(), tmp_path / "x")
    change(path, lambda content: content["tensors"].update(file=name))
    with pytest.raises(StorageError, match="names the tensor file"):
        load(path)


def test_no_safetensors_file_is_refused_even_with_its_right_digest(tmp_path):
    path = save(example_explanations(), tmp_path / "x")
    arrays_of(path).write_bytes(b"nonsense")
    change(path, lambda content: content["tensors"].update(sha256=hashlib.sha256(b"nonsense").hexdigest()))
    with pytest.raises(StorageError, match="no readable safetensors file"):
        load(path)


def test_a_newer_format_asks_for_a_newer_onlyif(tmp_path):
    path = save(example_explanations(), tmp_path / "x")
    change(path, lambda content: content.update(format=9))
    with pytest.raises(StorageError, match=r"has format 9, this onlyif reads formats \[1, 2, 3, 4, 5\]"):
        load(path)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda c: c.update(extra=1), r"unknown entry 'extra' - at `\$`"),
        (lambda c: one(c, 1).update(mood="good"), r"unknown entry 'mood' - at `\$.explanations\[1\]`"),
        (lambda c: one(c).pop("prediction"), r"missing required field `prediction`"),
        (
            lambda c: one(c).update(prediction="half"),
            r"got `str` - at `\$.explanations\[0\].prediction`",
        ),
        (lambda c: one(c).update(prediction="0.5"), "another kind of value, got '0.5'"),
        (lambda c: one(c)["settings"].update(size=1.5), "'size' must be a whole number"),
        (lambda c: one(c)["settings"].update(size=True), "'size' must be a whole number"),
        (lambda c: one(c)["settings"].pop("alpha"), "need the settings alpha"),
        (lambda c: one(c).update(seconds=10**400), r"out of range - at `\$.explanations\[0\].seconds`"),
        (lambda c: one(c)["provenance"].update(seed=10**30), "whole number of 64 bits"),
        (lambda c: one(c)["provenance"]["sentences"].pop("distance"), "need the sentences distance"),
        (lambda c: one(c)["sets"]["sufficient"].update(players=[2**63]), "players"),
        (lambda c: one(c)["sets"]["sufficient"].update(players=[0, 7]), "are not among 3 names"),
        (lambda c: one(c)["sets"]["sufficient"].update(players=["0"]), "another kind of value"),
        (lambda c: one(c)["sets"]["sufficient"]["measures"].pop("necessity"), "need the measures necessity"),
        (lambda c: one(c)["sets"].pop("necessary"), "need the sets necessary"),
        (lambda c: one(c)["settings"].update(size=7), "no continuum for size 7"),
        (lambda c: one(c)["settings"].update(alpha=2), "with α = 2.0 in it"),
        (lambda c: one(c).update(row=[3]), "'row' must be the label of a row"),
        (lambda c: one(c).update(notes="none"), r"`array`, got `str` - at `\$.explanations\[0\].notes`"),
        (lambda c: one(c).update(notes=[1]), r"got `int` - at `\$.explanations\[0\].notes\[0\]`"),
        (lambda c: one(c).update(values=["1"]), "need 3 values"),
        (lambda c: one(c)["sets"].update(unified=[]), "got `array`"),
        (lambda c: one(c)["certificate"].update(basis="SURE"), "Invalid enum value 'SURE'"),
        (lambda c: one(c)["provenance"].update(versions=[["a"]]), "length 2"),
        (lambda c: one(c, 1)["provenance"].update(criterion="pns"), "explanations by one criterion"),
        (lambda c: one(c).update(has_table=False), r"unknown arrays \['0.table'\]"),
        (lambda c: c["explanations"].pop(), "unknown arrays"),
        (lambda c: c.update(explanations={}), "got `object`"),
        (lambda c: c.update(format="1"), "need a 'format', a whole number"),
    ],
)
def test_changed_entries_are_refused_and_named(tmp_path, edit, message):
    path = save(example_explanations(), tmp_path / "x")
    change(path, edit)
    with pytest.raises(StorageError, match=message):
        load(path)


def test_every_changed_bit_of_the_json_is_noticed(tmp_path):
    path = save(example_explanations()[:1], tmp_path / "x")
    whole, read = path.read_bytes(), load(path)
    refused = 0
    for place in range(0, len(whole), 23):
        changed = bytearray(whole)
        changed[place] ^= 1 << place % 8
        path.write_bytes(changed)
        try:
            found = load(path)
        except StorageError:
            refused += 1
        else:
            assert same(found, read)
    # What is left is white space between entries.
    assert refused > 0.5 * len(range(0, len(whole), 23))


def test_a_changed_number_is_named_as_a_change(tmp_path):
    path = save(example_explanations()[:1], tmp_path / "x")
    path.write_text(path.read_text().replace('"seconds": 0.25', '"seconds": 0.75', 1))
    with pytest.raises(StorageError, match="changed since it was written"):
        load(path)


@pytest.mark.parametrize("number", ["1" + "0" * 400, "1e999", "-1e999", "1" + "0" * 5000])
def test_a_number_that_no_float_holds_is_refused(tmp_path, number):
    path = tmp_path / "format1.onlyif.json"
    for file in GOLDEN.glob("format1.*"):
        shutil.copy(file, tmp_path)
    path.write_text(path.read_text("utf-8").replace('"epsilon": 0.125', f'"epsilon": {number}', 1), "utf-8")
    with pytest.raises(StorageError, match=r"format1\.onlyif\.json"):
        load(path)


def test_a_number_that_strict_json_does_not_know_is_refused(tmp_path):
    path = save(example_explanations(), tmp_path / "x")
    path.write_text(path.read_text().replace('"seconds": 0.25', '"seconds": NaN', 1))
    with pytest.raises(StorageError, match="NaN is no strict JSON"):
        load(path)


@pytest.mark.parametrize(
    ("name", "array", "message"),
    [
        (
            "0.scores.shapley",
            np.zeros(2),
            r"'scores.shapley' must be floating of shape \(3,\)",
        ),
        ("0.table", np.zeros(8, np.int64), "got int64"),
        ("0.continua.keep", np.zeros((24, 2), np.bool_), "'continua.keep' must be"),
        ("0.continua.low", np.zeros((24, 1)), "'continua.low' must be"),
        ("0.continua.high", np.zeros(23), "'continua.high' must be"),
        ("0.continua.low", None, "array 'continua.low' is missing"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(tmp_path, name, array, message):
    path = save(example_explanations(), tmp_path / "x")
    arrays = arrays_of(path)
    held = {key: value for key, value in load_file(arrays).items() if key != name}
    save_file(held if array is None else {**held, name: array}, arrays)
    digest = hashlib.sha256(arrays.read_bytes()).hexdigest()
    change(path, lambda content: content["tensors"].update(sha256=digest))
    with pytest.raises(StorageError, match=message):
        load(path)


@pytest.mark.parametrize("text", ["[]", "3", '{"format": NaN}', "[" * 100_000, "\xff"])
def test_other_json_is_refused(tmp_path, text):
    path = tmp_path / "x.onlyif.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(StorageError, match=r"x\.onlyif\.json"):
        load(path)


@pytest.mark.parametrize("number", [1, 3, 5])
def test_files_of_every_format_still_load(number):
    """Made, for a new format, by `save(golden_explanations(), GOLDEN / "format<number>")`."""
    wanted = golden_explanations()
    if number < FORMAT:
        items = (
            replace(
                item,
                sets={k: before_format_5(one) for k, one in item.sets.items()},
                details=replace(item.details, alternatives={}),
            )
            for item in wanted
        )
        wanted = replace(wanted, items=tuple(items))
    assert same(load(GOLDEN / f"format{number}"), wanted)


def before_format_5(chosen):
    """A set without what older formats do not have."""
    measures = {name: one for name, one in chosen.measures.items() if name not in {"kept", "hidden"}}
    return replace(chosen, measures=measures, effects=())


def test_the_newest_format_has_a_golden_file():
    assert (GOLDEN / f"format{FORMAT}{SUFFIX}").is_file()


def test_the_newest_format_writes_what_its_golden_file_holds(tmp_path):
    stem = f"format{FORMAT}{SUFFIX}"
    written, golden = (
        json.loads(p.read_text()) for p in (save(golden_explanations(), tmp_path / stem), GOLDEN / stem)
    )
    # The bytes of the arrays, hence their digest, may differ between versions of safetensors.
    for name in ("tensors", "sha256"):
        assert written.pop(name) and golden.pop(name)
    assert written == golden


def test_renamed_together_the_files_still_name_each_other(tmp_path):
    path = save(example_explanations(), tmp_path / "x")
    for file in (path, arrays_of(path)):
        shutil.copy(file, tmp_path / file.name.replace("x.", "copy.", 1))
    with pytest.raises(StorageError, match="give them their old names"):
        load(tmp_path / "copy")


def golden_explanations():
    """Values that binary fractions hold exactly, so that they are the same on every machine.

    When they were saved, it was not recorded how many model rows were asked for.
    """
    values = ("39", 'größer, "quoted"', "missing")
    case = GameCase(("age", "a/b", "größe"), values, "row 1", epsilon=0.125, size=2, stderr=0.0625)
    item = explanation_of_game(lambda kept: 0.25 * len(kept) + 0.125 * (0 in kept), case)
    certificate = replace(item.certificate, bound_sufficiency=math.inf, phi_bound=None, must_meet=None)
    shapley = np.array([0.375, 0.25, math.nan])
    details = replace(item.details, certificate=certificate)
    first = replace(item, base=math.nan, details=details, scores={"shapley": shapley}, notes=("a note", "ε"))
    second = explanation_of_game(lambda kept: float(0 in kept), GameCase(("only",)))
    second = replace(second, scores={}, details=replace(second.details, table=None))
    return Explanations(tuple(replace(item, asked_rows=None) for item in (first, second)), "pandas")


def test_one_explanation_is_saved_as_a_collection_of_one(tmp_path):
    item = example_explanations()[1]
    loaded = load(save(item, tmp_path / "one"))
    assert len(loaded) == 1
    assert same(loaded[0], item)
