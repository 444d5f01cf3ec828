"""Each family has its contract, and each member of it stands in the list that the contract runs over."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "onlyif"
FAMILIES = (
    ("models", "Predictor"),
    ("modalities", "Modality"),
    ("references", "Reference"),
    ("samples", "Sample"),
    ("restrictions", "Restriction"),
    ("criteria", "Criterion"),
    ("searches", "Search"),
    ("metrics", "MapMetric"),
    ("metrics", "ExplainerMetric"),
)

every_family = pytest.mark.parametrize(("package", "base"), FAMILIES)


def _members(package: str, base: str) -> set[str]:
    """Wherever they are: those of trees stand in their own room."""
    return {
        node.name
        for path in [*(SOURCE / package).glob("*.py"), *(SOURCE / "trees").glob("*.py")]
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.ClassDef) and base in {ast.unparse(each) for each in node.bases}
    }


@every_family
def test_a_family_has_an_abstract_base_and_members(package: str, base: str) -> None:
    tree = ast.parse((ROOT / "src" / "onlyif" / package / "base.py").read_text("utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    assert [ast.unparse(each) for each in classes[base].bases] == ["ABC"]
    abstract = [item for item in classes[base].body if "abstractmethod" in ast.unparse(item)]
    # A method or two to write and, for a reader, what the member is.
    assert 1 <= len(abstract) <= 3
    assert _members(package, base)


@every_family
def test_every_member_is_run_through_the_contract(package: str, base: str) -> None:
    check = f"check_{base.lower()}("
    tests = [path.read_text("utf-8") for path in (ROOT / "tests").rglob("test_*.py")]
    contracts = [text for text in tests if check in text]
    assert contracts, f"no test calls {check}...)"
    assert {name for name in _members(package, base) if not any(name in text for text in contracts)} == set()


@every_family
def test_the_contract_is_shipped(package: str, base: str) -> None:
    shipped = [path.read_text("utf-8") for path in (ROOT / "src" / "onlyif" / "testing").glob("*.py")]
    assert any(f"def check_{base.lower()}(" in text for text in shipped)


@every_family
def test_every_member_has_a_docs_entry(package: str, base: str) -> None:
    pages = "\n".join(path.read_text("utf-8") for path in (ROOT / "docs").glob("**/*.md"))
    assert {name for name in _members(package, base) if name not in pages} == set()
