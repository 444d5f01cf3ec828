"""A run's options as a TOML file: read with --config, and written beside the results as `run.toml`.

A file becomes arguments, in front of those of the command line, so that one parser says what is allowed and
what is wrong, and the command line has the last word.
"""

import json
import re
import tomllib
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from onlyif.core.errors import SettingError, StorageError
from onlyif.version import __version__

RUN_CONFIG = "run.toml"
# What belongs to one call and not to the run that it makes.
_OF_A_CALL = frozenset(
    {
        *("command", "config", "out", "resume", "json", "details", "quiet", "debug", "estimate", "jobs"),
        *("time_limit", "results", "told"),
    }
)
_HEAD = f"""\
# What made these results (onlyif {__version__}). To make them again, begin in the same folder:
#   onlyif explain --config THIS_FILE --out OTHER_FOLDER
"""
_BARE = re.compile(r"[\w-]+", re.ASCII)


def arguments_of(path: str) -> tuple[str | None, list[str]]:
    r"""The model that a file names, or None, and its other options as arguments.

    Args:
        path: A TOML file with names of options of `onlyif explain`, without their dashes, and their values.

    Raises:
        StorageError: if there is no such file.
        SettingError: if it is no TOML, or a value is none of an option.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "run.toml"
        ...     _ = file.write_text('model = "m.onnx"\ndrop = ["id"]\nsize = 2\ncosts = {age = 2}')
        ...     arguments_of(str(file))
        ('m.onnx', ['--drop=id', '--size=2', '--costs=age=2'])
    """
    try:
        held = tomllib.loads(Path(path).read_text("utf-8"))
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # no TOML, or no UTF-8
        raise SettingError(f"--config needs a TOML file; {path}: {error}") from error
    model = held.pop("model", None)
    if not (model is None or isinstance(model, str)):
        raise SettingError(f"{path}: model needs the name of a file, got {model!r}")
    if "config" in held:
        raise SettingError(f"{path}: config names another file; put all options into one")
    return model, [text for name, value in held.items() for text in _texts(path, name, value)]


def _texts(path: str, name: str, value: Any) -> Iterator[str]:
    option = f"--{name.replace('_', '-')}"
    match value:
        case bool():
            # Only pictures can be turned off; what else is off is left out.
            if value or name == "plots":
                yield option if value else option.replace("--", "--no-", 1)
        case str() | int() | float():
            yield f"{option}={value}"
        case list():
            for each in value:
                yield from _texts(path, name, each)
        case dict():
            for player, told in value.items():
                for each in told if isinstance(told, list) else [told]:
                    yield f"{option}={player}={each}"
        case _:
            raise SettingError(f"{path}: {name} needs text, a number, true, false or a list, got {value!r}")


def config_text(arguments: Namespace, defaults: Namespace) -> str:
    """The options of a run as the text of a TOML file.

    Args:
        arguments: The arguments of the run.
        defaults: Those of a run without options.
    """
    lines = [_HEAD]
    for name, value in vars(arguments).items():
        if name in _OF_A_CALL or value == getattr(defaults, name, None):
            continue
        told = "all" if name == "background_rows" and value == -1 else value
        lines.append(f"{name.replace('_', '-')} = {_toml(told)}\n")
    return "".join(lines)


def _toml(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return repr(value)
        case Mapping():
            return "{ " + ", ".join(f"{_key(key)} = {_toml(each)}" for key, each in value.items()) + " }"
        case list() | tuple():
            return f"[{', '.join(map(_toml, value))}]"
        case _:
            # JSON's strings are TOML's, but for one character that JSON leaves as it is.
            text = str(value).encode("utf-8", "backslashreplace").decode("utf-8")
            return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key, ensure_ascii=False)
