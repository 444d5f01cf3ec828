"""Rules about the source that no linter knows, read off its syntax tree."""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "onlyif"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text("utf-8")) for path in FILES}
NODES = {path: list(ast.walk(tree)) for path, tree in TREES.items()}
MAX_FUNCTION_LINES = 45
# The only places where the user's own types, names and signatures are looked at.
TRANSLATORS = {
    *("cli", "files", "interop", "setup", "trees"),
    *(
        "explainer.py",
        "modalities/groups.py",
        "modalities/sklearn_groups.py",
        "models/detect.py",
        "models/own_methods.py",
    ),
}
# Packages that offer names, loaded when they are used, or say first that their extra is missing.
OFFERING_OR_REFUSING = {"amortised", "interop", "metrics", "plots"}
# Loading these takes longer than all of `import onlyif`: they are imported where they are used.
SLOW_TO_IMPORT = {"scipy.stats"}
LOADERS_THAT_RUN_CODE = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}

FAMILIES = {
    "Predictor",
    "Modality",
    "Reference",
    "Sample",
    "Restriction",
    "Criterion",
    "Distance",
    "Readout",
    "Search",
    "MapMetric",
    "ExplainerMetric",
}
USED_BY_NAME = {
    alias.asname or alias.name
    for node in TREES[SOURCE / "__init__.py"].body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}

OUR_ERRORS = {
    node.name
    for node in TREES[SOURCE / "core" / "errors.py"].body
    if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def every_file(rule: Callable[[Path], None]) -> Callable[[], None]:
    """A test of a rule over all files, which tells of each file that breaks it."""

    def test() -> None:
        broken = {}
        for path in FILES:
            try:
                rule(path)
            except AssertionError as error:
                broken[str(path.relative_to(SOURCE))] = str(error).splitlines()
        assert broken == {}

    test.__name__, test.__doc__ = rule.__name__, rule.__doc__
    return test


def _nodes(path: Path, *kinds: type) -> Iterator[ast.AST]:
    return (node for node in NODES[path] if isinstance(node, kinds))


def _name(node: ast.expr) -> str:
    """A dotted name as written, "" for anything else; a call or subscript counts as what it is of."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{_name(value)}.{attribute}"
        case ast.Call(func=called) | ast.Subscript(value=called):
            return _name(called)
    return ""


def _is_translator(path: Path) -> bool:
    file = path.relative_to(SOURCE)
    return bool(TRANSLATORS & {file.parts[0], file.as_posix()})


@every_file
def test_no_function_is_long(path: Path) -> None:
    long = {}
    for node in _nodes(path, ast.FunctionDef, ast.AsyncFunctionDef):
        assert isinstance(node, Function)
        docstring = len((ast.get_docstring(node, clean=False) or "").splitlines())
        lines = (node.end_lineno or 0) - node.lineno + 1 - docstring
        if lines > MAX_FUNCTION_LINES:
            long[node.name] = lines
    assert long == {}


@every_file
def test_nothing_loads_or_runs_what_a_file_says(path: Path) -> None:
    imported = {alias.name.split(".")[0] for node in _nodes(path, ast.Import) for alias in node.names}
    imported |= {(node.module or "").split(".")[0] for node in _nodes(path, ast.ImportFrom)}
    called = {_name(node.func) for node in _nodes(path, ast.Call)}
    set_to = {
        f"{word.arg}={word.value.value}"
        for node in _nodes(path, ast.Call)
        for word in node.keywords
        if isinstance(word.value, ast.Constant)
    }
    known = (
        {"joblib"} if path == SOURCE / "setup" / "jobs.py" else set()
    )  # which runs blocks, and loads nothing
    assert (imported - known) & LOADERS_THAT_RUN_CODE == set()
    assert called & {"eval", "exec", "compile", "__import__", "torch.load", "torch.jit.load"} == set()
    assert set_to & {"allow_pickle=True", "weights_only=False", "shell=True"} == set()


@every_file
def test_imports_are_absolute_and_name_the_defining_file(path: Path) -> None:
    packages = {".".join(p.parent.relative_to(SOURCE.parent).parts) for p in FILES}
    for node in _nodes(path, ast.ImportFrom):
        assert node.level == 0, f"line {node.lineno}: a relative import"
        package = SOURCE.parent.joinpath(*(node.module or "").split("."))
        names = {alias.name for alias in node.names}
        whole = node.module in packages and not names <= {file.stem for file in package.glob("*.py")}
        assert not whole, f"line {node.lineno}: imports from the package {node.module}, not from a file"


def test_packages_hold_a_docstring_and_nothing_else() -> None:
    rooms = {SOURCE, *(SOURCE / name for name in OFFERING_OR_REFUSING)}
    packages = [path for path in FILES if path.name == "__init__.py" and path.parent not in rooms]
    assert [str(p) for p in packages if len(TREES[p].body) != 1 or not ast.get_docstring(TREES[p])] == []


@every_file
def test_imports_stand_at_the_top(path: Path) -> None:
    inside = [
        node.lineno
        for function in _nodes(path, ast.FunctionDef, ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import)
        or (isinstance(node, ast.ImportFrom) and node.module not in SLOW_TO_IMPORT)
    ]
    assert _is_translator(path) or inside == []


@every_file
def test_choices_are_objects(path: Path) -> None:
    """Outside the translators nothing asks what an object has, sets what it finds or takes any keyword."""
    if _is_translator(path):
        return
    called = {_name(node.func) for node in _nodes(path, ast.Call)}
    assert called & {"hasattr", "setattr", "globals", "locals", "vars"} == set()
    functions = list(_nodes(path, ast.FunctionDef, ast.AsyncFunctionDef))
    assert [node.name for node in functions if node.args.kwarg] == []
    compared = [
        node.lineno
        for node in _nodes(path, ast.Compare)
        if any(
            isinstance(side, ast.Constant) and isinstance(side.value, str) and side.value
            for side in _sides(node)
        )
        and any(isinstance(side, ast.Name) and side.id in _arguments(path) for side in _sides(node))
    ]
    assert compared == [], "an argument is compared with a string: make it an object"


def _sides(node: ast.Compare) -> list[ast.expr]:
    return [node.left, *node.comparators]


def _arguments(path: Path) -> set[str]:
    public = (f for f in _nodes(path, ast.FunctionDef) if not f.name.startswith("_"))
    return {
        argument.arg for function in public for argument in [*function.args.args, *function.args.kwonlyargs]
    }


@every_file
def test_classes_are_abstract_or_final(path: Path) -> None:
    ends = ("Error", "Exception", "Warning", "Interrupt", "Enum", "Protocol", "Directive", "ABC")
    loose = []
    for node in _nodes(path, ast.ClassDef):
        bases = [_name(base) for base in node.bases]
        marks = {_name(mark) for mark in node.decorator_list}
        if not (marks & {"final"} or any(base.endswith(ends) for base in bases)):
            loose.append(node.name)
    assert loose == []


@every_file
def test_dataclasses_are_frozen(path: Path) -> None:
    marks = {
        node.name: ast.unparse(mark)
        for node in _nodes(path, ast.ClassDef)
        for mark in node.decorator_list
        if _name(mark) == "dataclass"
    }
    assert [name for name, mark in marks.items() if "frozen=True" not in mark] == []


def _public(path: Path) -> Iterator[tuple[str, ast.ClassDef | Function]]:
    """The public classes, functions and methods of a file; overriding methods speak through their base."""
    for node in TREES[path].body:
        if isinstance(node, ast.ClassDef | Function) and not node.name.startswith("_"):
            yield node.name, node
            if isinstance(node, ast.ClassDef):
                for inner in node.body:
                    if isinstance(inner, Function) and not inner.name.startswith("_"):
                        marks = {_name(mark) for mark in inner.decorator_list}
                        if not marks & {"override", "overload"}:
                            yield f"{node.name}.{inner.name}", inner


def _section(docstring: str, title: str) -> str:
    """The indented lines under "Args:" and the like."""
    found = re.search(rf"^{title}:[^\n]*\n((?:[ \t]+\S.*\n?|\n)*)", docstring, re.MULTILINE)
    return found.group(1) if found else ""


@every_file
def test_every_public_name_has_a_docstring(path: Path) -> None:
    assert ast.get_docstring(TREES[path]), "the file itself"
    assert [name for name, node in _public(path) if not ast.get_docstring(node)] == []


@every_file
def test_documented_arguments_are_the_arguments(path: Path) -> None:
    """What users build or call lists its fields or arguments; no list anywhere is out of date."""
    wrong = {}
    for name, node in _public(path):
        if isinstance(node, ast.ClassDef):
            annotated = [item for item in node.body if isinstance(item, ast.AnnAssign)]
            have = [item.target.id for item in annotated if isinstance(item.target, ast.Name)]
            if name not in USED_BY_NAME and not {_name(base) for base in node.bases} & FAMILIES:
                needed = False
            else:
                needed = bool(have)
            if any(isinstance(i, Function) and i.name == "__init__" for i in node.body):
                continue
        else:
            arguments = node.args.posonlyargs + node.args.args + node.args.kwonlyargs
            have = [
                a.arg for a in [*arguments, *filter(None, [node.args.vararg])] if a.arg not in ("self", "cls")
            ]
            needed = name in USED_BY_NAME and bool(have)
        section = _section(ast.get_docstring(node) or "", "Args")
        told = re.findall(r"^    \*?(\w+)(?:, |:)", section, re.MULTILINE)
        if (needed or section) and set(told) != {field for field in have if not field.startswith("_")}:
            wrong[name] = {"documented": told, "there": have}
    assert wrong == {}


@every_file
def test_what_a_public_function_raises_is_documented(path: Path) -> None:
    silent = []
    for name, node in _public(path):
        if isinstance(node, ast.ClassDef):
            continue
        raised = {
            _name(inner.exc)
            for inner in ast.walk(node)
            if isinstance(inner, ast.Raise) and inner.exc is not None and _name(inner.exc) in OUR_ERRORS
        }
        if not all(error in _section(ast.get_docstring(node) or "", "Raises") for error in raised):
            silent.append((name, sorted(raised)))
    assert silent == []


def test_scripts_import_what_files_define() -> None:
    missing = []
    scripts = [
        path for folder in ("examples", "experiments", "benchmarks") for path in (ROOT / folder).rglob("*.py")
    ]
    for path in scripts:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.ImportFrom) or (node.module or "").partition(".")[0] != "onlyif":
                continue
            file = SOURCE.parent.joinpath(*node.module.split(".")).with_suffix(".py")
            known = (
                _defined(file)
                if file in TREES
                else {other.stem for other in file.with_suffix("").glob("*.py")}
            )
            offering = file not in TREES and file.with_suffix("").name in {"onlyif", *OFFERING_OR_REFUSING}
            lost = set() if offering else {alias.name for alias in node.names} - known
            missing += [f"{path.name}: {name} of {node.module}" for name in sorted(lost)]
    assert missing == []


def _defined(path: Path) -> set[str]:
    """The names that a file defines or imports."""
    names = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("folder", ["src", "tests", "examples", "experiments", "benchmarks", "docs"])
def test_no_path_of_one_machine_and_no_bare_suppression(folder: str) -> None:
    found = []
    for path in (ROOT / folder).rglob("*.py"):
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            if re.search(r"[\"'](/tmp|/root|/home|/work|C:)[/\\]", line):
                found.append(f"{path.name}:{number} names a path of one machine")
            if re.search(r"#\s*(type: ignore(?!\[)|noqa(?!:))", line):
                found.append(f"{path.name}:{number} a suppression without its rule")
    assert found == []
