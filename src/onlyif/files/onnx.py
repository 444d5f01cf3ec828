"""Models from .onnx files, on the CPU."""

from pathlib import Path
from typing import Any

import onnxruntime

from onlyif.core.errors import StorageError
from onlyif.files.onnx_graph import read_graph

FATAL_ONLY = 4


def read_onnx(path: Path) -> Any:
    """The `onnxruntime.InferenceSession` of a file.

    ONNX holds a graph of known operators and no code; libraries of further
    operators are never loaded. Data beside the file are read from its folder alone.

    Raises:
        StorageError: if the graph may not end or lies outside its folder, or onnxruntime does not accept it.
    """
    graph = read_graph(path)
    graph.files_beside()
    graph.check()
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(str(path), settings, providers=["CPUExecutionProvider"])
    except Exception as error:  # the exceptions of onnxruntime have no common base
        reason = " ".join(str(error).split())[:300]
        raise StorageError(
            f"onnxruntime {onnxruntime.__version__} cannot read {path.name}: {reason}"
        ) from error
