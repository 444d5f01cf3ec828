"""Wheel and source distribution, built and looked into, and the documents that go with them."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
HOME = PROJECT["urls"]["Source"] + "/blob/main/"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """Names in the wheel and in the source distribution, and the wheel's metadata."""
    folder = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,), (source,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as opened:
        names = opened.namelist()
        (metadata,) = (name for name in names if name.endswith("dist-info/METADATA"))
        described = Parser().parsestr(opened.read(metadata).decode())
    with tarfile.open(source) as opened:
        parts = [name.partition("/")[2] for name in opened.getnames()]
    return names, parts, described


def test_the_wheel_holds_the_package_and_nothing_else(built):
    wheel = built[0]
    needed = {f"onlyif/{path.relative_to(ROOT / 'src/onlyif').as_posix()}" for path in _sources()}
    assert needed <= set(wheel)
    assert {name.split("/")[0].split("-")[0] for name in wheel} == {"onlyif"}
    assert {Path(name).suffix for name in wheel if name.startswith("onlyif/")} <= {
        ".css",
        ".js",
        ".py",
        ".typed",
    }


def _sources():
    return [path for path in (ROOT / "src" / "onlyif").rglob("*") if path.suffix in (".py", ".typed")]


def test_the_source_distribution_builds_and_tests_but_holds_no_results(built):
    source = set(built[1])
    for needed in (
        "pyproject.toml",
        "Makefile",
        "constraints.txt",
        "CITATION.cff",
        "LICENSE",
        "tests/conftest.py",
    ):
        assert needed in source
    drawn = [name for name in source if name.endswith((".png", ".csv", ".parquet"))]
    assert not [name for name in source if "results/" in name]
    assert all(name.startswith("docs/") and name.endswith(".png") for name in drawn)
    assert not [name for name in source if name.startswith((".ci", ".venv", "build", "models"))]


def test_the_metadata_says_who_where_and_what(built):
    described = built[2]
    assert described["Author"] and described["Keywords"] and described["License-Expression"] == "Apache-2.0"
    urls = dict(value.split(", ", 1) for value in described.get_all("Project-URL"))
    assert {"Homepage", "Documentation", "Source", "Issues", "Changelog"} <= set(urls)
    assert len(described.get_all("Classifier")) >= 8
    assert "LICENSE" in described.get_all("License-File")


def test_links_of_the_readme_are_absolute_and_lead_to_files_that_are_there(built):
    links = re.findall(r"\]\(([^)]+)\)", built[2].get_payload())
    assert [link for link in links if not link.startswith("https://")] == []
    inside = [link.removeprefix(HOME).partition("#")[0] for link in links if link.startswith(HOME)]
    assert len(inside) > 10
    assert [name for name in inside if not (ROOT / name).exists()] == []


def test_the_extra_all_is_every_extra_whose_licence_is_free_of_conditions_on_users():
    extras = PROJECT["optional-dependencies"]
    (one,) = extras["all"]
    named = set(re.search(r"\[(.*)\]", one).group(1).split(","))
    assert named == set(extras) - {"all", "browser", "dev", "docs", "quantus"}
    assert not [need for name in named for need in extras[name] if need.startswith(("quantus", "opencv"))]
    assert not [need for need in extras["dev"] if "quantus" in need or "opencv" in need]


def _needed(*extras):
    """Names and lower bounds of packages that some extras need, without tools."""
    needs = [need for name in extras for need in PROJECT["optional-dependencies"][name]]
    found = [re.fullmatch(r"([\w.-]+)>=([\w.]+)", need) for need in [*PROJECT["dependencies"], *needs]]
    return {one[1]: one[2] for one in found if one is not None}


def test_every_package_has_a_row_on_the_page_of_licences():
    page = (ROOT / "docs" / "licences.md").read_text("utf-8").replace("*", "")
    extras = set(PROJECT["optional-dependencies"]) - {"dev", "all"}
    assert {name for name in _needed(*extras) if f"| {name} |" not in page} == set()


def test_the_lowest_versions_are_those_that_the_project_asks_for():
    lines = (ROOT / "constraints-lowest.txt").read_text("utf-8").splitlines()
    held = dict(line.split("==") for line in lines if not line.startswith("#"))
    held["xgboost"] = held["xgboost-cpu"]
    extras = set(PROJECT["optional-dependencies"]) - {"browser", "dev", "all", "docs", "quantus"}
    for name, version in _needed(*extras).items():
        assert _release(held[name])[: version.count(".") + 1] == _release(version), name


def _release(version):
    return tuple(int(part) for part in re.findall(r"\d+", version))
