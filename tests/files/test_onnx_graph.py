"""ONNX files: which files they consist of, and that their graphs end and stay in proportion."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from onlyif.core.errors import StorageError
from onlyif.files.models import model_parts, read_model
from onlyif.files.protobuf import fields

X = helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, 4])
Y = helper.make_tensor_value_info("Y", TensorProto.FLOAT, None)
VERSIONS = [helper.make_opsetid("", 15), helper.make_opsetid("own", 1)]
VALUES = np.arange(8, dtype=np.float32).reshape(2, 4)


def model(nodes, stored=(), functions=()):
    graph = helper.make_graph(nodes, "g", [X], [Y], list(stored))
    return helper.make_model(graph, opset_imports=VERSIONS, functions=list(functions), ir_version=8)


def tensor(values, name):
    return numpy_helper.from_array(np.array(values), name)


def loop(rounds, *, as_node=False):
    """Adds 1 to X, as often as is said; for ever where nothing is said."""
    say = helper.make_tensor_value_info
    inner = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Add", ["a", "one"], ["b"])],
        "body",
        [say("i", TensorProto.INT64, []), say("go", TensorProto.BOOL, []), say("a", TensorProto.FLOAT, None)],
        [say("on", TensorProto.BOOL, []), say("b", TensorProto.FLOAT, None)],
    )
    held = [tensor(True, "true"), tensor(np.float32(1), "one")]
    nodes, name = [], ""
    if rounds is not None:
        name = "rounds"
        number = tensor(np.int64(rounds), name)
        if as_node:
            nodes.append(helper.make_node("Constant", [], [name], value=number))
        else:
            held.append(number)
    return model([*nodes, helper.make_node("Loop", [name, "true", "X"], ["Y"], body=inner)], held)


@pytest.mark.parametrize("as_node", [True, False])
def test_a_loop_of_a_fixed_number_of_rounds_is_read(tmp_path, as_node):
    onnx.save(loop(5, as_node=as_node), tmp_path / "m.onnx")
    session = read_model(tmp_path / "m.onnx")
    np.testing.assert_array_equal(session.run(None, {"X": VALUES})[0], VALUES + 5)


@pytest.mark.parametrize(("rounds", "said"), [(None, "may never end"), (2**62, "steps"), (10**6, "steps")])
def test_a_loop_without_an_end_is_refused(tmp_path, rounds, said):
    onnx.save(loop(rounds), tmp_path / "m.onnx")
    with pytest.raises(StorageError, match=said):
        read_model(tmp_path / "m.onnx")


def test_a_loop_inside_a_branch_is_found(tmp_path):
    inner = loop(None).graph
    branch = helper.make_graph([inner.node[-1]], "branch", [], [Y], list(inner.initializer))
    truth = [tensor(True, "true"), tensor(np.float32(1), "one")]
    chosen = helper.make_node("If", ["true"], ["Y"], then_branch=branch, else_branch=branch)
    onnx.save(model([chosen], truth), tmp_path / "m.onnx")
    with pytest.raises(StorageError, match="may never end"):
        read_model(tmp_path / "m.onnx")


def function(name, called):
    steps = [
        helper.make_node(called, ["x"], ["z"], domain="own"),
        helper.make_node(called, ["z"], ["y"], domain="own"),
    ]
    return helper.make_function("own", name, ["x"], ["y"], steps, VERSIONS)


@pytest.mark.parametrize(
    ("functions", "said"),
    [
        ([function("f0", "f0")], "made of itself"),
        ([function("f0", "f1"), function("f1", "f0")], "made of itself"),
        ([function(f"f{i}", f"f{i + 1}") for i in range(30)], "steps"),
    ],
)
def test_functions_that_stand_for_too_much_are_refused(tmp_path, functions, said):
    whole = model([helper.make_node("f0", ["X"], ["Y"], domain="own")], functions=functions)
    onnx.save(whole, tmp_path / "m.onnx")
    with pytest.raises(StorageError, match=said):
        read_model(tmp_path / "m.onnx")


@pytest.mark.parametrize(
    ("operator", "stored", "more"),
    [
        ("ConstantOfShape", [np.array([2**20, 2**20])], {}),
        ("Expand", [np.array([2**40, 1, 4])], {}),
        ("Tile", [np.array([2**40, 1])], {}),
        ("Range", [np.float32(0), np.float32(1), np.float32(1e-12)], {}),
        ("Range", [np.int64(0), np.int64(2**60), np.int64(1)], {}),
        ("RandomNormal", [], {"shape": [2**20, 2**20]}),
    ],
)
def test_tensors_out_of_proportion_are_refused(tmp_path, operator, stored, more):
    held = [tensor(value, f"s{i}") for i, value in enumerate(stored)]
    names = [each.name for each in held]
    inputs = ["X", *names] if operator in {"Expand", "Tile"} else names
    onnx.save(model([helper.make_node(operator, inputs, ["Y"], **more)], held), tmp_path / "m.onnx")
    with pytest.raises(StorageError, match=r"numbers; need \d+ or fewer"):
        read_model(tmp_path / "m.onnx")


def stored_beside(folder):
    product = model(
        [helper.make_node("MatMul", ["X", "W"], ["Y"])], [tensor(np.ones((4, 1), np.float32), "W")]
    )
    onnx.save_model(
        product, folder / "m.onnx", save_as_external_data=True, location="w.bin", size_threshold=0
    )
    return folder / "m.onnx"


def test_a_model_names_all_of_its_files(tmp_path):
    path = stored_beside(tmp_path)
    assert model_parts(path) == (path, tmp_path / "w.bin")
    assert read_model(path).run(None, {"X": VALUES})[0].ravel().tolist() == [6.0, 22.0]
    (tmp_path / "m.txt").write_text("tree\n")
    assert model_parts(tmp_path / "m.txt") == (tmp_path / "m.txt",)


@pytest.mark.parametrize("place", ["../w.bin", "/w.bin", "a/../../w.bin", "*/_ORT_MEM_ADDR_/*", "D:\\w.bin"])
def test_numbers_outside_the_folder_are_refused(tmp_path, place):
    path = stored_beside(tmp_path)
    changed = onnx.load(path, load_external_data=False)
    for entry in changed.graph.initializer[0].external_data:
        if entry.key == "location":
            entry.value = place
    path.write_bytes(changed.SerializeToString())
    for read in (read_model, model_parts):
        with pytest.raises(StorageError, match="outside its own folder"):
            read(path)


@pytest.mark.parametrize("data", [b"\x80" * 11, b"\x0a\x05ab", b"\x0b", b"\x0d\x01", b"\x3a"])
def test_damaged_messages(tmp_path, data):
    with pytest.raises(StorageError):
        list(fields(memoryview(data)))
    (tmp_path / "m.onnx").write_bytes(data)
    with pytest.raises(StorageError, match=r"m\.onnx"):
        read_model(tmp_path / "m.onnx")
