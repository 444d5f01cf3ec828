"""Models from files that can be read without running code from them.

| suffix | holds | read by |
|---|---|---|
| .onnx | any model, exported | onnxruntime |
| .json, .ubj | XGBoost, by `save_model` | xgboost, after a check of every tree |
| .txt | LightGBM, by `Booster.save_model` | lightgbm, after a check of every tree |
| .skops | scikit-learn, XGBoost, LightGBM | skops, types on an allow-list and trees checked |

Pickles of any kind and torch files can run code when they are loaded: they are
refused, with the way to convert them.
"""

import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from onlyif.core.errors import OnlyIfError, SettingError, StorageError
from onlyif.core.extras import missing
from onlyif.files.onnx_graph import read_graph

_PICKLES = frozenset({".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill", ".sav", ".p", ".pkl.gz", ".z"})
_TORCH = frozenset({".pt", ".pth", ".pt2", ".ckpt", ".torchscript", ".ptl", ".jit"})
# zlib, gzip, bzip2, xz, lzma and lz4: how joblib compresses a pickle.
_PACKED = re.compile(rb"\x78[\x01\x5e\x9c\xda]|\x1f\x8b|BZh|\xfd7zXZ|\x5d\x00\x00|\x04\"M\x18|ZF\d")
# Protocols 2 and up start with their number, 0 and 1 with an opcode and a module's name.
_PICKLED = re.compile(rb"\x80[\x02-\x09]|\(?[ci][A-Za-z_][\w.]*\n[A-Za-z_]\w*\n|[(\]}]\.?[lpqKMU(\x00-\x08]")

_PICKLE_WORDS = (
    "a pickle can run any code when it is loaded, so it is refused; load it where you trust it and save the "
    "model as skops (skops.io.dump(model, 'model.skops')), as XGBoost or LightGBM "
    "(booster.save_model('model.json' or 'model.txt')) or as ONNX (skl2onnx.to_onnx), "
    "or name it with --model-from package.module:function"
)
_TORCH_WORDS = (
    "the loader of torch files can run code, so they are refused; export the module to ONNX "
    "(torch.onnx.export), or name it with --model-from package.module:function"
)

Reader = Callable[[Path, Sequence[str]], Any]
_KINDS: Mapping[str, str] = {
    ".onnx": "onnx",
    ".json": "xgboost",
    ".ubj": "xgboost",
    ".txt": "lightgbm",
    ".skops": "skops",
}
_SUFFIX = {"onnx": ".onnx", "xgboost": "XGBoost", "lightgbm": "LightGBM", "skops": ".skops"}


def read_model(path: str | Path, trust: Sequence[str] = ()) -> Any:
    """The model in a file: an ONNX session, a Booster, or a scikit-learn estimator.

    Args:
        path: The file; its suffix and its content must agree.
        trust: Types that a .skops file may hold beside those on the allow-list.

    Raises:
        StorageError: if the file is missing, empty, damaged, of no known kind, or could run code.
        SettingError: if a type is trusted that the file does not hold.
        ExtraError: if the package that reads it is not installed.
    """
    file = Path(path)
    start = _start(file)
    _refuse_code(file, start)
    named, found = _KINDS.get(file.suffix.lower()), _content(file, start)
    if named is None and found is None:
        raise StorageError(f"{file.name} is no model file of a known kind; need {', '.join(_KINDS)}")
    if named is not None and found not in {None, named}:
        raise StorageError(
            f"{file.name} bears the suffix of a model of {named}, but holds one of {found}: rename it"
        )
    return _read(file, named or found or "", trust)


def model_parts(path: str | Path) -> tuple[Path, ...]:
    """Every file that a model consists of, the one that is named first.

    An ONNX file may keep its numbers in files beside it; all other models are one file.

    Args:
        path: The file of the model.

    Raises:
        StorageError: if it is damaged, or names files outside its own folder.
    """
    file = Path(path)
    if _KINDS.get(file.suffix.lower()) != "onnx":
        return (file,)
    _start(file)
    return file, *(file.parent / name for name in read_graph(file).files_beside())


def _read(file: Path, kind: str, trust: Sequence[str]) -> Any:
    """The model; what is wrong with it is said with the file's name, which the checks do not know.

    A damaged file may make any library raise anything: here, and nowhere else, all of it is
    one error.
    """
    if kind != "skops" and trust:
        raise SettingError(
            f"{file.name} is a model of {kind}, which holds no types to trust; got --trust {', '.join(trust)}"
        )
    try:
        return _READERS[kind](file, trust)
    except StorageError as error:
        if file.name in str(error):
            raise
        raise StorageError(f"{file.name}: {error}") from error
    except OnlyIfError:
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise StorageError(
            f"{file.name} is cut short, damaged or no {_SUFFIX[kind]} file ({reason})"
        ) from error


def _start(file: Path) -> bytes:
    if file.is_dir():
        raise StorageError(f"{file} is a folder; need the file of a model")
    try:
        with file.open("rb") as stream:
            start = stream.read(4096)
    except FileNotFoundError as error:
        raise StorageError(f"there is no file {file}; need the file of a model") from error
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror}") from error
    if not start:
        raise StorageError(f"{file} is empty; need the file of a model")
    return start


def _refuse_code(file: Path, start: bytes) -> None:
    suffix = file.suffix.lower()
    if suffix in _TORCH or (start.startswith(b"PK") and _is_torch(file)):
        raise StorageError(f"{file.name} is a torch file: {_TORCH_WORDS}")
    if suffix in _PICKLES or _PICKLED.match(start):
        raise StorageError(f"{file.name} is a pickle (joblib, cloudpickle): {_PICKLE_WORDS}")
    if _PACKED.match(start):
        raise StorageError(f"{file.name} is compressed, as joblib compresses pickles: {_PICKLE_WORDS}")


def _is_torch(file: Path) -> bool:
    names = _members(file)
    return "schema.json" not in names and any(
        name.endswith(("data.pkl", "constants.pkl", "archive_format")) or "/code/" in name for name in names
    )


def _members(file: Path) -> list[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return []


def _content(file: Path, start: bytes) -> str | None:
    """The kind of model that the first bytes show, or None when they do not tell."""
    if start.startswith(b"PK"):
        return "skops"
    if start.startswith(b"tree\nversion="):
        return "lightgbm"
    if re.match(rb'\{(?:\s*"|L\x00)', start) or start.startswith(b"{}"):
        return "xgboost"
    return None


def _read_onnx(file: Path, trust: Sequence[str]) -> Any:
    return _reader("onnx", "onnxruntime", "onnx").read_onnx(file)


def _read_xgboost(file: Path, trust: Sequence[str]) -> Any:
    return _reader("xgboost", "xgboost", "xgboost").read_xgboost(file)


def _read_lightgbm(file: Path, trust: Sequence[str]) -> Any:
    return _reader("lightgbm", "lightgbm", "lightgbm").read_lightgbm(file)


def _read_skops(file: Path, trust: Sequence[str]) -> Any:
    return _reader("skops", "skops", "skops").read_skops(file, trust)


_READERS: Mapping[str, Reader] = {
    "onnx": _read_onnx,
    "xgboost": _read_xgboost,
    "lightgbm": _read_lightgbm,
    "skops": _read_skops,
}


def _reader(file: str, package: str, extra: str) -> Any:
    try:
        return import_module(f"onlyif.files.{file}")
    except ModuleNotFoundError as error:
        raise missing(package, extra, "reading this model file") from error
