"""Control characters in names, labels and values are shown in every text for a reader; data keep them."""

import json
import re

import numpy as np
import pandas as pd
import pytest

import onlyif
from onlyif.cli import main as command
from onlyif.cli.printing import Progress, full_text, json_text, table_text
from onlyif.core.visible import on_one_line, visible

NASTY = "\x1b[2J\x07\r\x9b31m\u202e\u2066\x7f\u2028"
FORBIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


def explained(criterion):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({f"a{NASTY}\n": rng.normal(size=30), "b": rng.choice([f"x{NASTY}", "y"], 30)})
    frame.index = [f"row {i}{NASTY}" for i in range(30)]

    def ask(table):
        p = 1 / (1 + np.exp(-table.iloc[:, 0] - (table.b == "y")))
        return np.c_[1 - p, p]

    return onlyif.explain(
        ask, frame[[True, False, True] + 27 * [False]], background=frame, criterion=criterion, size=1
    )


@pytest.mark.parametrize("criterion", ["sne", "pns"])
def test_no_text_for_a_reader_has_control_characters(criterion):
    found = explained(criterion)
    texts = [
        *(repr(found), repr(found[0]), onlyif.explanation_text(found[0]), str(onlyif.summary(found))),
        *(table_text(found, 100), full_text(found, 100), json_text(found, Progress(len(found), None))),
    ]
    for text in texts:
        assert not FORBIDDEN.search(text)
        assert "x1b[2J" in text or "u001b[2J" in text or "1b" in text
    assert found[0].names[0] == f"a{NASTY}\n"  # what is stored stays as it is
    assert json.loads(texts[-1])["explanations"][0]["names"][0] == f"a{NASTY}\n"


def test_errors_and_lines_of_the_command_have_none(capsys):
    assert str(onlyif.SettingError(f"unknown {NASTY}")) == f"unknown {visible(NASTY)}"
    assert not FORBIDDEN.search(str(onlyif.StorageError(f"cannot read {NASTY}")))
    assert command.main(["show", f"no folder {NASTY}"]) != 0
    assert not FORBIDDEN.search(capsys.readouterr().err)


def test_what_is_no_control_character_stays():
    usual = "naïve  Ünïcode 日本 👩\u200d👩 €\tx\ny"
    assert visible(usual) == usual
    assert on_one_line("a\nb\tc") == r"a\nb\tc"
