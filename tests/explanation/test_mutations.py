"""Saved files with odd values in them: our own error, or explanations that can be told and saved."""

import copy
import json
import random
import shutil
from pathlib import Path

import pytest

import onlyif
from onlyif.cli.printing import Progress, full_text, json_text, table_text
from onlyif.explanation.sealed import sealed_text

GOLDEN = Path(__file__).parents[1] / "golden"
ODD = (None, True, 0, -1, 7, 2**63, 10**30, 10**400, 1.5, 1e308, 5e-324, "", "x", "nan", "-inf", "\0",
       [], {}, [None], [[]], {"a": 1})  # fmt: skip


def places(value, path=()):
    yield path
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, held in inside:
        yield from places(held, (*path, key))


def mutate(document, chance):
    *way, last = chance.choice([path for path in places(document) if path])
    at = document
    for key in way:
        at = at[key]
    change = chance.randrange(5)
    if change == 0:
        del at[last]
    elif change == 1 and isinstance(at, list):
        at.append(copy.deepcopy(chance.choice([*at, *ODD])))
    elif change == 2 and isinstance(at, dict):
        at["new"] = chance.choice(ODD)
    else:
        at[last] = copy.deepcopy(chance.choice(ODD))


@pytest.mark.parametrize("number", [1, 2, 3, 4, 5, "5-causes", "5-masks"])
def test_odd_values_raise_our_errors_or_can_be_used(tmp_path, number):
    chance = random.Random(str(number))
    for file in GOLDEN.glob(f"format{number}.*"):
        shutil.copy(file, tmp_path)
    path = tmp_path / f"format{number}.onlyif.json"
    golden = json.loads(path.read_text("utf-8"))
    golden.pop("sha256", None)
    n_used = 0
    for _ in range(40):
        document = copy.deepcopy(golden)
        mutate(document, chance)
        path.write_text(json.dumps(document) if number in (1, 2) else sealed_text(document), "utf-8")
        try:
            found = onlyif.load(path)
        except onlyif.StorageError:
            continue
        n_used += 1
        assert full_text(found, 90) and table_text(found, 90) and str(onlyif.summary(found))
        assert len(found.to_frame())
        json.loads(json_text(found, Progress(len(found), None)))
        onlyif.save(found, tmp_path / "again")
    assert 0 < n_used < 40
