"""Every predictor keeps the contract of its base class, on rows and on the kinds of model it is made for."""

import importlib
import pkgutil
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

import onlyif.models
from onlyif.core.progress import Meter, meter_of
from onlyif.modalities.table import fit_schema
from onlyif.modalities.table_forms import BatchForm
from onlyif.modalities.table_tensor import TensorForm
from onlyif.models.base import Meaning, Predictor
from onlyif.models.checked import CheckedPredictor, checked
from onlyif.models.decided import DecidedPredictor
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.models.formed import FormedPredictor
from onlyif.models.function import FunctionPredictor, predictor_of
from onlyif.models.metered import MeteredPredictor, TalliedPredictor
from onlyif.models.outputs import ProbabilityOutput
from onlyif.models.squared import SquaredPredictor
from onlyif.models.torch_module import module_form, module_heads
from onlyif.testing.predictors import check_predictor

ROWS = np.arange(15.0).reshape(5, 3) % 7
TENSOR = torch.from_numpy(ROWS)
FRAME = pd.DataFrame({"a": [0.0, 1.0, 2.0], "city": ["Rome", None, "Oslo"], "n": [3, 1, 2]})
SCHEMA = fit_schema(FRAME)
CODES = SCHEMA.encode(FRAME)


def _module():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 2))
    return predictor_of(module_heads(net), ProbabilityOutput(), module_form(net))


def _differentiable_module():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout(), nn.Linear(4, 2))
    return differentiable_module(net, nn.Softmax(dim=1), "probability")


def _of_frames():
    return FunctionPredictor(lambda frame: frame["a"] + (frame["city"] == "Rome"), SCHEMA.form)


def _of_batches():
    return FunctionPredictor(lambda batch: torch.cumsum(batch, 1))


def _one_output():
    described = Meaning("a machine", "margin", ("yes",), threshold=6.5)
    return FunctionPredictor(lambda batch: batch.sum(1), described=described)


MEMBERS = {
    FunctionPredictor: [
        (lambda: FunctionPredictor(lambda batch: batch.cumsum(1)), ROWS),
        (lambda: FunctionPredictor(lambda batch: batch.cumsum(1)), TENSOR),
        (lambda: FunctionPredictor(lambda batch: batch.sum((1, 2))), TENSOR.view(5, 3, 1).float()),
        (_of_frames, CODES),
        (_module, ROWS),
        (_module, TENSOR),
    ],
    MeteredPredictor: [
        (lambda: MeteredPredictor(_of_frames(), Meter()), CODES),
        (lambda: MeteredPredictor(_of_frames(), meter_of(1e9)), CODES),
    ],
    TalliedPredictor: [(lambda: TalliedPredictor(_of_frames(), Meter()), CODES)],
    SquaredPredictor: [
        (lambda: SquaredPredictor(_of_frames()), CODES),
        (lambda: SquaredPredictor(_module()), ROWS),
    ],
    CheckedPredictor: [
        (lambda: checked(FunctionPredictor(lambda batch: batch.cumsum(1)), ROWS), ROWS),
        (lambda: CheckedPredictor(_of_frames()), CODES),
    ],
    DecidedPredictor: [
        (lambda: DecidedPredictor(FunctionPredictor(lambda batch: np.sin(batch.cumsum(1)))), ROWS),
        (lambda: DecidedPredictor(FunctionPredictor(lambda batch: batch.cumsum(1).sin())), TENSOR),
        (lambda: DecidedPredictor(_one_output()), ROWS),
    ],
    FormedPredictor: [
        (lambda: FormedPredictor(DecidedPredictor(_of_batches()), TensorForm(torch.float64)), ROWS),
        (lambda: FormedPredictor(_of_batches(), BatchForm()), TENSOR),
    ],
    DifferentiablePredictor: [
        (lambda: DifferentiablePredictor(lambda batch: batch.square().sum(1)), TENSOR.float()),
        (_differentiable_module, TENSOR.float()),
    ],
}
CASES = [(make, rows) for cases in MEMBERS.values() for make, rows in cases]


@pytest.mark.parametrize(("make", "rows"), CASES)
def test_every_member_keeps_the_contract(make, rows):
    check_predictor(make(), rows)


def test_no_member_is_missing():
    for module in pkgutil.iter_modules(onlyif.models.__path__):
        importlib.import_module(f"onlyif.models.{module.name}")
    found = {one for one in Predictor.__subclasses__() if one.__module__.startswith("onlyif.")}
    assert found == set(MEMBERS)


def _nan(answer, batch):
    answer[-1, -1] = torch.nan
    return answer


def _drawing(draw):
    def predict(answer, batch):
        draw()
        return answer

    return predict


def _changing(answer, batch):
    batch += 1
    return answer


WRONG = {
    "rows": lambda answer, batch: answer[1:],
    "dimensions": lambda answer, batch: answer.flatten(),
    "none": lambda answer, batch: answer[:, :0],
    "nan": _nan,
    "whole": lambda answer, batch: answer.long(),
    "gradients": lambda answer, batch: answer.requires_grad_(True),
    "others": lambda answer, batch: answer + batch.mean(),
    "place": lambda answer, batch: answer + torch.arange(len(batch)).unsqueeze(1),
    "count": lambda answer, batch: answer + len(batch),
    "changes": _changing,
    "shares": lambda answer, batch: batch[:, :2],
    "draws": _drawing(lambda: torch.rand(1)),
    "numpy": _drawing(np.random.random),
    "constant": lambda answer, batch: torch.ones_like(answer),
}


@dataclass(frozen=True)
class _Broken(Predictor):
    """Right unless told to be wrong, to see each check fail."""

    wrong: str = ""

    def predict(self, batch):
        answer = batch.sum(1, keepdim=True).expand(-1, 2).clone()
        if self.wrong in WRONG:
            return WRONG[self.wrong](answer, batch)
        return answer

    @property
    def meaning(self):
        labels = {"labels": ("a", "b", "c"), "twice": ("a", "a")}.get(self.wrong, ("a", "b"))
        return Meaning("" if self.wrong == "nameless" else "a model", "value", labels)


SAID = {
    "rows": "need one output a row: 5 rows, got 4",
    "dimensions": "must be \\(rows, outputs\\)",
    "none": "at least one output",
    "nan": "must be finite",
    "whole": "must be floating",
    "gradients": "must not require gradients",
    "others": "rows (apart|beside others) must have equal answers",
    "place": "another order must have equal answers",
    "count": "rows (apart|beside others) must have equal answers",
    "changes": "batch must not be changed",
    "shares": "not share memory",
    "draws": "random states",
    "numpy": "random states",
    "constant": "different answers",
    "labels": "2 outputs have the labels",
    "twice": "labels must be distinct",
    "nameless": "must name the model",
}


@pytest.mark.parametrize("wrong", SAID)
def test_a_broken_predictor_is_found_out(wrong):
    with pytest.raises(AssertionError, match=SAID[wrong]):
        check_predictor(_Broken(wrong), TENSOR.clone())


def test_the_right_one_passes():
    check_predictor(_Broken(), TENSOR.clone())
