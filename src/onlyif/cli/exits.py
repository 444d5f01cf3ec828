"""Exit codes: what a script can learn from a run."""

from collections.abc import Mapping

from onlyif.core.errors import (
    ExtraError,
    InputError,
    LimitError,
    ModelError,
    SettingError,
    StorageError,
)

OK, UNEXPECTED, OUT_OF_TIME, INTERRUPTED, PIPE_CLOSED = 0, 1, 8, 130, 141
EXIT_CODES: Mapping[type[BaseException], int] = {
    SettingError: 2,
    InputError: 3,
    ModelError: 4,
    StorageError: 5,
    ExtraError: 6,
    LimitError: 7,
    OSError: 5,
    MemoryError: 7,
}
# What kinds of errors are called in JSON, by their codes.
KINDS: Mapping[int, str] = {
    UNEXPECTED: "unexpected",
    2: "arguments",
    3: "data",
    4: "model",
    5: "files",
    6: "package",
    7: "limit",
    INTERRUPTED: "interrupted",
}
EXIT_TEXT = """\
exit codes:
  0 done            1 unexpected error (please report it)
  2 arguments       3 data          4 model       5 files
  6 a package is missing            7 too large   8 rows left out at --time-limit
  130 interrupted (Ctrl-C)"""


def exit_code(error: BaseException) -> int:
    """The exit code for an error.

    Example:
        >>> exit_code(InputError("no rows")), exit_code(ZeroDivisionError())
        (3, 1)
    """
    for kind, code in EXIT_CODES.items():
        if isinstance(error, kind):
            return code
    return UNEXPECTED
