"""Results and methods in other libraries' own conventions; each file is loaded when it is first named."""

from importlib import import_module
from typing import Any

_FILES = ("captum", "mlflow", "pyg", "quantus_functions", "shapiq")
__all__ = sorted(_FILES)  # noqa: PLE0605 - one list of names


def __getattr__(name: str) -> Any:
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(f"{__name__}.{name}")


def __dir__() -> list[str]:
    return __all__
