"""What `onlyif doctor` says is what the metadata of the installed packages say."""

import importlib.metadata
import json
import tomllib
from pathlib import Path

import pytest

from onlyif.cli import doctor
from onlyif.cli.main import main

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.fixture
def metadata(monkeypatch):
    """The needs of pyproject.toml, and of all packages these are installed: numpy as it is, torch too old."""
    extras = PROJECT["optional-dependencies"]
    needs = [*PROJECT["dependencies"]]
    needs += [f"{need} ; extra == '{extra}'" for extra, held in extras.items() for need in held]
    versions = {"numpy": "2.4.6", "scipy": "1.17.1", "torch": "2.9.1+cpu", "xgboost-cpu": "3.2.0"}

    def version(name):
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(importlib.metadata, "requires", lambda name: needs)
    monkeypatch.setattr(importlib.metadata, "version", version)


def test_every_extra_for_users_has_its_purpose_and_no_other():
    assert set(doctor.PURPOSES) == set(PROJECT["optional-dependencies"]) - {"all", "docs", "dev", "browser"}


@pytest.mark.usefixtures("metadata")
def test_what_is_missing_or_too_old_is_told_with_what_to_do(capsys):
    assert main(["doctor"]) == 0
    lines = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert "yes models of XGBoost, .json and .ubj files xgboost 3.2.0" in lines
    assert any(
        line.startswith("no torch networks") and "torch too old: pip install 'onlyif[torch]'" in line
        for line in lines
    )
    assert "! safetensors is missing, 0.5 or newer is needed: pip install --upgrade onlyif" in lines
    assert not any("numpy" in line for line in lines)


@pytest.mark.usefixtures("metadata")
def test_programs_get_json(capsys):
    assert main(["doctor", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["can"]["xgboost"] and not told["can"]["torch"] and not told["can"]["plots"]
    torch = next(need for need in told["packages"] if (need["extra"], need["package"]) == ("torch", "torch"))
    assert torch == {
        "extra": "torch",
        "package": "torch",
        "least": "2.13",
        "version": "2.9.1+cpu",
        "fault": "too old",
    }


def test_an_extra_that_an_old_installation_does_not_know_is_not_said_to_be_there(monkeypatch, capsys):
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["numpy>=1.26"])
    assert main(["doctor"]) == main(["doctor", "--json"]) == 0
    text, mark, document = capsys.readouterr().out.partition("{")
    assert "yes" not in text and text.count("install it again") == len(doctor.PURPOSES)
    assert set(json.loads(mark + document)["can"].values()) == {None}
