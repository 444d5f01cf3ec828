"""Optional packages: one error text where one is missing, and names that are loaded when they are used."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from onlyif.core.errors import ExtraError


def missing(package: str, extra: str, purpose: str) -> ExtraError:
    """The error to raise when an optional package is not installed.

    Args:
        package: The name one imports.
        extra: The extra of onlyif that brings it.
        purpose: What it is needed for, as "reading ONNX files".
    """
    return ExtraError(f"{purpose} needs {package}, which is not installed: pip install 'onlyif[{extra}]'")


def check_installed(package: str, extra: str, purpose: str) -> None:
    """Refuse to go on without an optional package; it is looked for, not imported.

    Args:
        package: The name one imports.
        extra: The extra of onlyif that brings it.
        purpose: What it is needed for.

    Raises:
        ExtraError: if it is not installed.
    """
    try:
        installed = find_spec(package) is not None
    except ModuleNotFoundError:
        installed = False
    if not installed:
        raise missing(package, extra, purpose)


def public_name(package: str, files: Mapping[str, str], name: str) -> Any:
    """What a package offers by a name, from the file that defines it, which is imported on first use.

    Args:
        package: The package.
        files: The file in it that defines each public name.
        name: The name that is asked for.

    Raises:
        AttributeError: if the package offers no such name.
        ExtraError: if the file needs torch, and torch is not installed.
    """
    if name not in files:
        raise AttributeError(f"module {package!r} has no attribute {name!r}")
    try:
        return getattr(import_module(f"{package}.{files[name]}"), name)
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise missing("torch", "torch", f"{package}.{name}") from error
