"""What an ONNX file holds beside its numbers: its steps, its loops and the files it needs.

onnxruntime proves that operators and types fit. What it does not ask is how long a graph runs and how
much it makes out of nothing: a loop may have no end, a function may stand for a million others, and
twelve bytes may ask for a tensor of terabytes. That is asked here, off the bytes, before it is built.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias, final

import numpy as np

from onlyif.core.errors import StorageError
from onlyif.files.protobuf import Value, fields, varints

MAX_BYTES = 2**31 - 1  # of a file of Protocol Buffers
MAX_DEPTH = 48
MAX_STEPS = 2 * 10**5
MAX_ELEMENTS = 2**26

# The fields that are looked into and what they hold, by the numbers of onnx.proto; others are passed over.
_HELD: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {1: "bytes", 7: "node", 10: "bytes", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {1: "bytes", 2: "bytes", 4: "bytes", 5: "attribute", 7: "bytes"},
    "attribute": {
        **{1: "bytes", 5: "tensor", 6: "graph", 8: "number", 10: "tensor", 11: "graph"},
        **{22: "sparse", 23: "sparse"},
    },
    "sparse": {1: "tensor", 2: "tensor", 3: "number"},
    "tensor": {
        **{1: "number", 2: "number", 4: "bytes", 5: "number", 7: "number", 8: "bytes", 9: "bytes"},
        **{10: "bytes", 13: "entry"},
    },
    "entry": {1: "bytes", 2: "bytes"},
}
# Runs of numbers and names in an attribute, as the nodes of a forest have by the million.
_DULL = re.compile(
    rb"(?:\x3d.{4})++|(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]){64,}+|(?:\x4a(?:\x04LEAF|\x0aBRANCH_[A-Z]{3}))++",
    re.DOTALL,
)
# Number of a type -> the field and kind of its numbers, where they are not raw.
_NUMBERS = {1: (4, "<f4"), 6: (5, "<i4"), 7: (7, "<i8"), 11: (10, "<f8")}
_FEW = 64
# Operators whose output is as large as some of their inputs say.
_SIZED_BY = {
    **{"ConstantOfShape": (0,), "Expand": (1,), "Tile": (1,), "OneHot": (1,), "Pad": (1,)},
    **{"Resize": (2, 3), "Upsample": (1,), "Range": (0, 1, 2)},
}

_DEFAULT = {"ai.onnx": ""}

Message: TypeAlias = dict[int, list[Any]]
Name: TypeAlias = tuple[str, str]
Known: TypeAlias = Mapping[str, np.ndarray]


@final
@dataclass(frozen=True, eq=False)
class OnnxGraph:
    """The skeleton of an ONNX file.

    Args:
        model: Its messages, by the number of the field.
    """

    model: Message

    def files_beside(self) -> tuple[str, ...]:
        """The files of numbers that the file names, relative to its folder, each once.

        Raises:
            StorageError: if one of them lies outside that folder.
        """
        entries = [each for tensor in _all(self.model, "model", "tensor") for each in tensor.get(13, ())]
        named = [_text(entry, 2) for entry in entries if _text(entry, 1) == "location"]
        for location in named:
            path = PurePosixPath(location.replace("\\", "/"))
            if path.is_absolute() or {"..", "*"} & set(path.parts) or ":" in location or not path.parts:
                raise StorageError(f"the ONNX file takes numbers from {location!r}, outside its own folder")
        return tuple(dict.fromkeys(named))

    def check(self) -> None:
        """The graph ends, and makes nothing out of all proportion.

        Raises:
            StorageError: otherwise.
        """
        for sparse in _all(self.model, "model", "sparse"):
            _need_size(math.prod(sparse.get(3, ())), "a sparse tensor")
        bodies: dict[Name, list[Message]] = {}
        for function in self.model.get(25, ()):
            bodies.setdefault(_name(function, 10, 1), []).extend(function.get(7, ()))
        steps = _Steps(bodies)
        for graph in self.model.get(7, ()):
            steps.of_graph(graph, {}, ())


def read_graph(path: Path) -> OnnxGraph:
    """The skeleton of a file: of its tensors only names, shapes and a few whole numbers.

    Raises:
        StorageError: if it is too large, cut short or no such file.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise StorageError(f"{path.name} has {size} bytes; an ONNX file has at most {MAX_BYTES}")
    return OnnxGraph(_decoded(memoryview(path.read_bytes()), "model", 0))


def _decoded(view: memoryview, kind: str, depth: int) -> Message:
    if depth > MAX_DEPTH:
        raise StorageError(f"the ONNX file nests deeper than {MAX_DEPTH} levels")
    found: Message = {}
    for number, value in fields(view, _DULL if kind == "attribute" else None):
        held = _HELD[kind].get(number)
        if held == "number":
            long = not isinstance(value, int) and kind == "tensor" and len(value) > 10 * _FEW
            found.setdefault(number, []).extend(() if long else _whole(value))
        elif isinstance(value, int):
            if held is not None:
                raise StorageError("the ONNX file has a number where none belongs; it is damaged")
        elif held is not None:
            found.setdefault(number, []).append(
                value if held == "bytes" else _decoded(value, held, depth + 1)
            )
    return found


def _whole(value: Value) -> Iterable[int]:
    return [value] if isinstance(value, int) else varints(value)


def _all(message: Message, kind: str, wanted: str) -> Iterator[Message]:
    for number, held in _HELD[kind].items():
        for inner in message.get(number, ()) if held in _HELD else ():
            if held == wanted:
                yield inner
            yield from _all(inner, held, wanted)


def _text(message: Message, number: int) -> str:
    """A text, by its last mention, as readers of the format take it."""
    values = message.get(number)
    return bytes(values[-1]).decode("utf-8", "replace") if values else ""


def _name(message: Message, domain: int, name: int) -> Name:
    """The default domain has two spellings."""
    return _DEFAULT.get(_text(message, domain), _text(message, domain)), _text(message, name)


@final
@dataclass(frozen=True, eq=False)
class _Steps:
    """How many steps a graph runs, loops and functions counted as often as they run."""

    bodies: Mapping[Name, list[Message]]
    counted: dict[Name, int] = field(default_factory=dict)

    def of_graph(self, graph: Message, outer: Known, within: tuple[Name, ...]) -> int:
        stored = {_text(tensor, 8): _values(tensor) for tensor in graph.get(5, ())}
        return self.of_nodes(graph.get(1, ()), {**outer, **_only_known(stored)}, within)

    def of_nodes(self, nodes: Iterable[Message], outer: Known, within: tuple[Name, ...]) -> int:
        known, total = dict(outer), 0
        for node in nodes:
            known.update(_constants(node))
            _check_made(node, known)
            total += self.of_node(node, known, within)
            if total > MAX_STEPS:
                raise StorageError(f"the ONNX model runs more than {MAX_STEPS} steps a call; need fewer")
        return total

    def of_node(self, node: Message, known: Known, within: tuple[Name, ...]) -> int:
        attributes = node.get(5, ())
        graphs = [graph for each in attributes for graph in (*each.get(6, ()), *each.get(11, ()))]
        inner = sum(self.of_graph(graph, known, within) for graph in graphs)
        times = _trips(node, known) if _text(node, 4) == "Loop" else 1
        return 1 + times * inner + self.of_function(_name(node, 7, 4), within)

    def of_function(self, name: Name, within: tuple[Name, ...]) -> int:
        if name not in self.bodies:
            return 0
        if name in within:
            raise StorageError(f"the function {name[1]!r} of the ONNX model is made of itself")
        if name not in self.counted:
            self.counted[name] = self.of_nodes(self.bodies[name], {}, (*within, name))
        return self.counted[name]


def _trips(loop: Message, known: Known) -> int:
    """How often a loop runs at most."""
    limit = _input(loop, 0, known)
    if limit is None or limit.size != 1:
        raise StorageError(
            "the ONNX model has a loop whose number of rounds is not written in the file, so that it may "
            "never end; export it with a fixed number, or load it where you trust it and pass the session"
        )
    return max(0, int(limit.ravel()[0]))


def _check_made(node: Message, known: Known) -> None:
    """What a step makes is in proportion, where its size is written in the file."""
    name = _text(node, 4)
    told = [_input(node, i, known) for i in _SIZED_BY.get(name, ())]
    if name == "Range":
        if all(each is not None and each.size == 1 for each in told):
            start, limit, step = (float(each.ravel()[0]) for each in told if each is not None)
            _need_size(abs((limit - start) / step) if step else math.inf, "a range")
        return
    if name in {"RandomNormal", "RandomUniform"}:
        told = [np.array(each[8]) for each in node.get(5, ()) if _text(each, 1) == "shape" and 8 in each]
    for sizes in told:
        if sizes is not None:
            _need_size(math.prod(max(1.0, abs(float(size))) for size in sizes.ravel()), f"what {name} makes")


def _need_size(elements: float, what: str) -> None:
    if not elements <= MAX_ELEMENTS:
        raise StorageError(
            f"{what} of the ONNX model has {elements:.3g} numbers; need {MAX_ELEMENTS} or fewer"
        )


def _input(node: Message, place: int, known: Known) -> np.ndarray | None:
    names = node.get(1, [])
    return known.get(bytes(names[place]).decode("utf-8", "replace")) if place < len(names) else None


def _constants(node: Message) -> Known:
    """The few numbers that a node of the kind Constant gives."""
    if _text(node, 4) != "Constant":
        return {}
    tensors = [tensor for each in node.get(5, ()) for tensor in each.get(5, ())]
    return _only_known({_text(node, 2): _values(tensors[-1]) if tensors else None})


def _only_known(stored: Mapping[str, np.ndarray | None]) -> Known:
    return {name: values for name, values in stored.items() if values is not None and name}


def _values(tensor: Message) -> np.ndarray | None:
    """The numbers of a small tensor; None where they are many, of another type or beside the file."""
    kind = tensor.get(2, [0])[-1]
    if kind not in _NUMBERS or 13 in tensor:
        return None
    number, code = _NUMBERS[kind]
    raw = b"".join(bytes(part) for part in tensor.get(9, ())[-1:] if len(part) <= 8 * _FEW)
    held = tensor.get(number, [])[: _FEW + 1]
    if raw or not held:
        return np.frombuffer(raw[: len(raw) // np.dtype(code).itemsize * np.dtype(code).itemsize], code)
    if isinstance(held[0], int):
        whole = [value - 2**64 if value >> 63 else value for value in held]
        return np.array(whole, dtype=np.int64)
    joined = b"".join(bytes(part) for part in held)
    return np.frombuffer(joined[: len(joined) // np.dtype(code).itemsize * np.dtype(code).itemsize], code)
