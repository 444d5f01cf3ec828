"""Every exception and warning of onlyif.

A message says what was got and what was needed. All errors but an interrupt
derive from `OnlyIfError`, so one `except` catches what this library raises.
"""

from typing_extensions import override

from onlyif.core.visible import visible


class OnlyIfError(Exception):
    """Base class of the errors of onlyif."""

    @override
    def __str__(self) -> str:
        # Names from a data file must not steer the terminal that shows the error.
        return visible(super().__str__())


class SettingError(OnlyIfError, ValueError):
    """An argument is out of range or contradicts another one."""


class AbsentError(SettingError, AttributeError):
    """Explanations of this criterion do not have the attribute."""


class InputError(OnlyIfError, ValueError):
    """A table, row or background cannot be used as it is."""


class ModelError(OnlyIfError, RuntimeError):
    """The model raised an error, or returned something that is not a prediction."""


class LimitError(OnlyIfError, MemoryError):
    """The work would exceed a limit of memory or model rows."""


class StorageError(OnlyIfError, OSError):
    """A file is missing, truncated, of an unknown format, or cannot be trusted."""


class ExtraError(OnlyIfError, ImportError):
    """An optional package is needed and not installed."""


class OnlyIfWarning(UserWarning):
    """Something the reader of a result should know."""


class Interrupted(KeyboardInterrupt):
    """The user pressed Ctrl-C; what was finished is in `finished`.

    It is not an `OnlyIfError`, so that `except Exception` does not catch it.

    Args:
        finished: The results that were whole when the interrupt came.
    """

    def __init__(self, finished: object) -> None:
        super().__init__("interrupted; the finished rows are in the attribute 'finished'")
        self.finished = finished
