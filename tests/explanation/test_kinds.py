"""What is of another kind is refused by name, by everything that takes explanations."""

import subprocess
import sys

import pytest
import torch

import onlyif
from onlyif.explanation.layout import share_text
from onlyif.metrics.curves import threshold_curves
from onlyif.metrics.gaps import Hiding
from onlyif.models.function import FunctionPredictor
from onlyif.plots.causes import plot_causes
from onlyif.plots.summary import plot_summary
from onlyif.plots.tabular import plot_explanation
from onlyif.references.baseline import BaselineReference
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import example_explanations

SETS, CAUSES = example_explanations(), example_causes()
# In a process of its own, for here annotations are checked before the library's own checks.
WRONG_KINDS = """
import matplotlib
matplotlib.use("Agg")
import torch
import onlyif
from onlyif.explanation.sentences import Templates
from onlyif.metrics.curves import threshold_curves
from onlyif.plots.causes import plot_causes, plot_path
from onlyif.plots.continuum import plot_continuum
from onlyif.plots.image import plot_mask_montage, plot_masks
from onlyif.plots.plane import plot_plane
from onlyif.plots.summary import plot_summary
from onlyif.plots.tabular import plot_explanation
from onlyif.plots.threshold_curves import plot_threshold_curves
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import example_explanations
from onlyif.testing.masks import example_masks

sets, causes = example_explanations(), example_causes()

def refused(said, take, *given):
    try:
        got = take(*given)
    except onlyif.SettingError as error:
        assert said in str(error), (take, error)
    else:
        raise AssertionError(f"{take} took {given}: {got}")

of_sets, of_causes = (plot_continuum, plot_plane), (plot_causes, plot_path)
masks = example_masks()
for take in (onlyif.explanation_text, plot_explanation, *of_sets, *of_causes):
    for wrong in ("x", None, [], 3, [sets[0]]):
        refused(type(wrong).__name__, take, wrong)
    refused("of 3 rows: choose one", take, sets)
for take in (onlyif.summary, plot_summary):
    for wrong in ("x", None, [], 3, onlyif.Explanations(())):
        refused("", take, wrong)
for take in of_sets:
    refused("'pns'; use plot_causes", take, causes[0])
    refused("'soft sne'; use plot_masks", take, masks[0])
for take in of_causes:
    refused("'sne'; use plot_explanation", take, sets[0])
    refused("'soft sne'; use plot_masks", take, masks[0])
refused("use plot_masks", plot_explanation, masks[0])
refused("summary of pixels or of scores", plot_summary, masks)
refused("'sne'; use plot_explanation", plot_masks, torch.zeros(1, 2, 4), sets[0], sets[0], sets[0])
for width in ("a", None, 80.5, [80]):
    refused("width", onlyif.explanation_text, sets[0], width)
refused("must be a Templates", sets[0].sentences, "analyst", "The decision.")
refused("units must be a text", sets[0].sentences, "analyst", Templates(), {"age": 3})
refused("units must be a text", sets[0].sentences, "analyst", Templates(), ["age"])
refused("a name (analyst, applicant)", sets[0].sentences, 3)
refused("'reasons' must be a text, got 3", lambda text: Templates(reasons=text), 3)
refused("item 1 is a int", onlyif.Explanations, (sets[0], 3))
refused("by one criterion, got 'pns' and 'sne'", onlyif.Explanations, (causes[0], sets[0]))
refused("tuple", plot_mask_montage, torch.zeros(1, 4, 4), (1, 2))
refused("list", plot_threshold_curves, [1])
refused("function", threshold_curves, torch.zeros(1, 4, 4), lambda b: b, torch.zeros(1, 1, 4, 4),
        torch.tensor([0]), None)
"""


def test_other_kinds_are_refused_by_name():
    ended = subprocess.run([sys.executable, "-c", WRONG_KINDS], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def test_explanations_of_one_row_are_drawn_as_that_row():
    assert plot_explanation(SETS[:1]).texts[0].get_text() == plot_explanation(SETS[0]).texts[0].get_text()
    assert plot_causes(CAUSES[:1]).texts[0].get_text() == plot_causes(CAUSES[0]).texts[0].get_text()


def test_a_summary_is_drawn_from_explanations_too():
    drawn = [text.get_text() for text in plot_summary(SETS).texts]
    assert drawn == [text.get_text() for text in plot_summary(onlyif.summary(SETS)).texts]


def test_curves_of_a_module_are_those_of_its_outputs():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3)).train()
    x, scores, target = torch.rand(2, 1, 4, 4), torch.rand(2, 4, 4), torch.tensor([0, 2])
    hiding = Hiding(BaselineReference(torch.zeros(1, 4, 4), "black"))
    found = threshold_curves(scores, net, x, target, hiding, thresholds=(0.0, 0.5, 1.0))
    plain = FunctionPredictor(lambda batch: net(batch.float()))  # without dropout it has no modes
    same = threshold_curves(scores, plain, x, target, hiding, thresholds=(0.0, 0.5, 1.0))
    assert torch.allclose(found.sufficiency.values, same.sufficiency.values, atol=1e-6)
    assert net.training


@pytest.mark.parametrize("n_pixels", [4, 1000, 4096, 224 * 224, 10**9])
def test_only_empty_and_whole_sets_are_called_so(n_pixels):
    said = [share_text(size, n_pixels) for size in (0, 1, 2, n_pixels - 1, n_pixels)]
    assert len(set(said)) == len(said)
    for text, share in zip(said[1:-1], (1 / n_pixels, 2 / n_pixels, 1 - 1 / n_pixels), strict=True):
        assert 0 < float(text.split("%")[0]) < 100
        assert float(text.split("%")[0]) / 100 == pytest.approx(share, rel=0.05)


def test_masks_are_printed_in_a_few_lines():
    from onlyif.searches.relaxed_module import module_masks

    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.AvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(4, 2))
    masks = module_masks(net, torch.rand(1, 1, 8, 8), torch.zeros(1, 8, 8))
    assert len(repr(masks).splitlines()) == 2 + len(masks)
    assert max(map(len, repr(masks).splitlines())) < 120
    assert repr(masks.items[0]).count("\n") == 0
    assert repr(masks.of_row(7)) == "no explanations"
