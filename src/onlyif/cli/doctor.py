"""`onlyif doctor`: what is installed here, in which versions, and what can be explained with it."""

import importlib.metadata
import json
import os
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import final

from onlyif.explanation.layout import aligned
from onlyif.version import __version__

# What each extra is good for. Which packages it brings, and in which versions, says the package itself.
PURPOSES = {
    "torch": "torch networks; images, masks and metrics",
    "pandas": "tables of pandas; CSV, Parquet and Feather files",
    "polars": "tables of polars",
    "excel": ".xlsx files",
    "sklearn": "models and pipelines of scikit-learn",
    "xgboost": "models of XGBoost, .json and .ubj files",
    "lightgbm": "models of LightGBM, .txt files",
    "onnx": "models of any library, exported to .onnx files",
    "skops": ".skops files of scikit-learn models",
    "plots": "pictures, --plots",
    "captum": "masks with Captum's conventions",
    "quantus": "metrics with Quantus' conventions",
    "shap": "SHAP's explanation objects",
    "shapiq": "games and approximators of shapiq",
    "jobs": "several processes, --jobs",
    "superpixels": "superpixels of images",
    "graphs": "graphs of torch_geometric",
    "notebook": "coloured tables in notebooks",
    "completion": "scripts by which shells complete onlyif",
}
_NEED = re.compile(r"^([A-Za-z0-9._-]+)\s*(?:\[[^]]*\])?\s*([^;]*?)\s*(?:;\s*(.*))?$")
_EXTRA = re.compile(r"extra\s*==\s*['\"]([^'\"]+)['\"]")
_LEAST = re.compile(r">=\s*([0-9][0-9.]*)")
# The same library under another name, without code for GPUs.
_LIKE = {"xgboost": ("xgboost-cpu",)}


@final
@dataclass(frozen=True)
class Need:
    """One package that an extra brings.

    Args:
        extra: The extra; "" where onlyif itself needs the package.
        package: The name of its distribution.
        least: The lowest version that will do; "" for any.
        version: The version that is installed; "" where none is.
    """

    extra: str
    package: str
    least: str
    version: str

    @property
    def fault(self) -> str:
        """What is wrong: "missing", "too old", or "" for nothing."""
        if not self.version:
            return "missing"
        return "too old" if _numbers(self.version) < _numbers(self.least) else ""


def needs() -> list[Need]:
    """All packages that onlyif and its extras need, as its own metadata says."""
    found = []
    for text in importlib.metadata.requires("onlyif") or []:
        parsed = _NEED.match(text)
        if parsed is None:
            continue
        package, bounds, marker = parsed[1], parsed[2], parsed[3] or ""
        extra, least = _EXTRA.search(marker), _LEAST.search(bounds)
        name = "" if extra is None else extra[1]
        if package != "onlyif" and (not name or name in PURPOSES):
            found.append(Need(name, package, "" if least is None else least[1], _version(package)))
    return found


def doctor_report(*, as_json: bool) -> str:
    """The whole answer, as text or as strict JSON.

    Args:
        as_json: Whether it is for a program.
    """
    found = needs()
    system = {
        "onlyif": __version__,
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count() or 0,
        "stdout": sys.stdout.encoding or "unknown",
    }
    if as_json:
        packages = [asdict(need) | {"fault": need.fault} for need in found]
        known = {need.extra for need in found}
        able = {extra: not _faults(found, extra) if extra in known else None for extra in PURPOSES}
        return json.dumps({"system": system, "packages": packages, "can": able}, indent=1)
    lines = [f"{name:<11} {value}" for name, value in system.items()]
    return "\n".join(
        [*lines, "", *_core(found), "What can be explained here, and with what:", *_extras(found)]
    )


def _core(found: list[Need]) -> Iterator[str]:
    """What onlyif itself lacks, which is an installation that is broken."""
    for need in found:
        if not need.extra and need.fault:
            least = f", {need.least} or newer is needed" if need.least else ""
            yield f"! {need.package} is {need.fault}{least}: pip install --upgrade onlyif"


def _extras(found: list[Need]) -> list[str]:
    rows = []
    for extra, purpose in PURPOSES.items():
        held = [need for need in found if need.extra == extra]
        faults = _faults(found, extra)
        told = ", ".join(f"{need.package} {need.version}" for need in held if need.version)
        advice = f"{', '.join(faults)}: pip install 'onlyif[{extra}]'"
        if held:
            rows.append(("no" if faults else "yes", purpose, advice if faults else told))
        else:
            rows.append(("?", purpose, "onlyif was installed before it knew of this: install it again"))
    return aligned(("here", "what", "with"), rows)


def _faults(found: list[Need], extra: str) -> list[str]:
    return [f"{need.package} {need.fault}" for need in found if need.extra == extra and need.fault]


def _version(package: str) -> str:
    for name in (package, *_LIKE.get(package, ())):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version, as 2.13.0 of "2.13.0+cpu"."""
    return tuple(int(part) for part in re.match(r"[0-9.]*", version)[0].split(".") if part)  # type: ignore[index]
