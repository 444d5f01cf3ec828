"""`import onlyif` is light: nothing optional comes with it, and nothing is left in global state."""

import subprocess
import sys

OPTIONAL = (
    "captum", "joblib", "lightgbm", "matplotlib", "numba", "onnx", "onnxruntime", "pandas", "polars",
    "pyarrow", "ray", "scipy.stats", "shap", "shapiq", "skl2onnx", "sklearn", "skops", "torch",
    "torch_geometric", "xgboost",
)  # fmt: skip


def _run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout


def test_importing_onlyif_loads_nothing_optional() -> None:
    loaded = _run("import sys, onlyif; print('\\n'.join(sys.modules))").split()
    assert "onlyif" in loaded
    assert [name for name in OPTIONAL if name in loaded] == []


def test_importing_onlyif_leaves_torch_as_it_was() -> None:
    state = (
        "(torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled(), torch.initial_seed())"
    )
    kept = _run(
        f"import torch; torch.manual_seed(7); before = {state}; draw = torch.get_rng_state();"
        f"import onlyif; print(before == {state}, torch.equal(draw, torch.get_rng_state()))"
    )
    assert kept.split() == ["True", "True"]


def test_every_public_name_is_there_and_documented() -> None:
    missing = _run(
        "import onlyif\nprint([name for name in onlyif.__all__ if not getattr(onlyif, name).__doc__])"
    )
    assert missing.strip() == "[]"


def test_tab_completion_finds_the_public_names_and_rooms_and_no_internals() -> None:
    told = _run(
        "import onlyif; print(dir(onlyif) == sorted([*onlyif.__all__, *onlyif._LATE, *onlyif._ROOMS]))"
    )
    assert told.strip() == "True"
    told = _run(
        "import sys, onlyif; print('matplotlib' in sys.modules, onlyif.plots.plot_plane.__name__, "
        "dir(onlyif.interop), onlyif.interop.captum.FANS.__name__)"
    )
    assert told.strip() == "False plot_plane ['captum', 'mlflow', 'pyg', 'quantus_functions', 'shapiq'] FANS"
    assert "has no attribute 'wrong'" in _run(
        "import onlyif\ntry: onlyif.wrong\nexcept AttributeError as error: print(error)"
    )
