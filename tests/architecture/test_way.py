"""What carries a row from `explain` to the model, read off the stack of each call of the model."""

import sys
from dataclasses import is_dataclass

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

import onlyif

ROWS = np.random.default_rng(0).normal(size=(40, 4))
IMAGES = torch.from_numpy(np.random.default_rng(0).random((6, 1, 8, 8)))
# What makes the way: the rooms in which things are put together, not those in which they are used.
ROOMS = ("explain", "explainer", "runs", "setup", "answers")
MADE_IN = ("onlyif.setup.", "onlyif.answers.case", "onlyif.modalities.rendered")


class Watch:
    """The carrying classes on the stack of every call of a model."""

    def __init__(self):
        self.carried = []

    def look(self):
        classes, frame = [], sys._getframe(1)
        while frame:
            code = frame.f_code
            arguments = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            room = frame.f_globals.get("__name__", "").removeprefix("onlyif.").split(".")[0]
            if room in ROOMS:
                # What acts itself, as a setup that makes work, is no carrier.
                passed = set(arguments) & set(frame.f_locals) - {"self"}
                kinds = (type(frame.f_locals[name]) for name in arguments if name in passed)
                classes += [kind.__name__ for kind in kinds if _carries(kind)]
            frame = frame.f_back
        self.carried.append(tuple(dict.fromkeys(reversed(classes))))


def _carries(kind):
    return is_dataclass(kind) and kind.__bases__ == (object,) and kind.__module__.startswith(MADE_IN)


class Network(torch.nn.Module):
    def __init__(self, watch):
        super().__init__()
        self.watch = watch

    def forward(self, x):
        self.watch.look()
        return x.mean((1, 2, 3), dtype=torch.float64)[:, None]


def _function(watch):
    def model(table):
        watch.look()
        return table.sum(1)

    return model, ROWS, {}


def _pipeline(watch):
    def look(table):
        watch.look()
        return table

    steps = FunctionTransformer(look), LogisticRegression()
    return make_pipeline(*steps).fit(ROWS, ROWS[:, 0] > 0), ROWS, {}


def _module(watch):
    return Network(watch), IMAGES, {"modality": onlyif.Images(4)}


@pytest.mark.parametrize("made", [_function, _pipeline, _module])
@pytest.mark.parametrize("criterion", ["sne", "pns"])
def test_few_classes_carry_a_row_to_the_model(made, criterion):
    watch = Watch()
    model, data, settings = made(watch)
    watch.carried.clear()
    onlyif.explain(model, data[:2], background=data, **settings, criterion=criterion)
    first, *_ = watch.carried
    assert {*first} == {"Options", "Source", "Tables", *(("RenderedRows",) if settings else ())}
    assert ("Work", "Case") in [classes[-2:] for classes in watch.carried]
    # The rendered rows of other data are a fifth where c of PNS is chosen by what the model answers.
    assert max(map(len, watch.carried)) <= (5 if settings and criterion == "pns" else 4)
