"""One error text for a missing optional package."""

from onlyif.core.errors import ExtraError


def missing(package: str, extra: str, purpose: str) -> ExtraError:
    """The error to raise when an optional package is not installed.

    Args:
        package: The name one imports.
        extra: The extra of onlyif that brings it.
        purpose: What it is needed for, as "reading ONNX files".
    """
    return ExtraError(f"{purpose} needs {package}, which is not installed: pip install 'onlyif[{extra}]'")
