"""Every exception and warning of onlyif.

A message says what was got and what was needed. All errors but an interrupt
derive from `OnlyIfError`, so one `except` catches what this library raises.
"""

from typing_extensions import override

from onlyif.core.visible import visible


class OnlyIfError(Exception):
    """Base of every error that onlyif raises on purpose."""

    @override
    def __str__(self) -> str:
        # Names from a data file must not steer the terminal that shows the error.
        return visible(super().__str__())


class SettingError(OnlyIfError, ValueError):
    """An argument is out of its range or does not fit another one."""


class AbsentError(SettingError, AttributeError):
    """A result was asked for something that explanations of its criterion do not have."""


class InputError(OnlyIfError, ValueError):
    """A table, row or background cannot be used as it is."""


class ModelError(OnlyIfError, RuntimeError):
    """The user's model raised, or answered something that is no prediction."""


class LimitError(OnlyIfError, MemoryError):
    """The work asked for would exceed a limit of memory or model rows."""


class StorageError(OnlyIfError, OSError):
    """A file is missing, cut short, of an unknown format or not to be trusted."""


class ExtraError(OnlyIfError, ImportError):
    """An optional package is needed and not installed."""


class OnlyIfWarning(UserWarning):
    """Something the reader of a result should know."""


class Interrupted(KeyboardInterrupt):
    """The user pressed Ctrl-C; what was finished is in `finished`.

    It is no `OnlyIfError`, so that `except Exception` does not swallow it.

    Args:
        finished: The results that were whole when the interrupt came.
    """

    def __init__(self, finished: object) -> None:
        super().__init__("interrupted; the finished rows are in the attribute 'finished'")
        self.finished = finished
