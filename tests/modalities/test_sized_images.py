"""Sets of pixels of given sizes through `onlyif.explain`: the same answer as a table's row gets."""

import warnings

import jaxtyping
import numpy as np
import pytest
import torch
from torch import nn

import onlyif
from onlyif import Images
from onlyif.core.errors import InputError, ModelError, OnlyIfWarning, SettingError
from onlyif.explanation.status import StatusKind
from onlyif.explanation.text import explanation_text
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.references.baseline import BaselineReference
from onlyif.references.blur import BlurReference
from onlyif.searches.regions import regions
from onlyif.setup.instances import filled_images
from onlyif.setup.options import Options
from onlyif.setup.sized import sizes_of

MADE = torch.Generator().manual_seed(0)
IMAGES = torch.rand(6, 2, 12, 10, generator=MADE)
SHORT = {"background": IMAGES, "budget": 1500}


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        layers = (nn.Conv2d(2, 4, 3), nn.Tanh(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 80, 3))
        net = nn.Sequential(*layers)
        net[-1].weight.data *= 3
        return net


NET = network()


@pytest.fixture(scope="module")
def found():
    return onlyif.explain(NET, IMAGES[:3], size=[0.05, 0.2], epsilon=0.05, **SHORT)


def asked(net, row):
    with torch.no_grad():
        return net.eval()(row[None]).softmax(1)[0]


def test_every_gap_is_what_the_network_says(found):
    hides = IMAGES.mean(0)
    for i, item in enumerate(found):
        full, base = asked(NET, IMAGES[i]), asked(NET, hides)
        assert item.target == int(full.argmax()) and item.prediction == pytest.approx(
            float(full.max()), abs=1e-6
        )
        assert item.base == pytest.approx(float(base[item.target]), abs=1e-6)
        held = item.continua
        sets = [*item.sets.values(), *(held.of(6, exact_size=True).at(a) for a in (0.0, 0.5, 1.0))]
        for chosen in sets:
            keep = torch.from_numpy(chosen.keep.reshape(12, 10))
            kept, hidden = torch.where(keep, IMAGES[i], hides), torch.where(keep, hides, IMAGES[i])
            suf = abs(asked(NET, kept)[item.target] - full[item.target])
            nec = abs(asked(NET, hidden)[item.target] - base[item.target])
            assert chosen.sufficiency.value == pytest.approx(float(suf), abs=1e-6)
            assert chosen.necessity.value == pytest.approx(float(nec), abs=1e-6)


def test_an_image_has_what_a_row_has(found, tmp_path):
    for item in found:
        assert item.criterion == "sne" and item.size == 24 and item.hard.sum() == item.unified.size
        assert item.sufficient.sufficiency.value <= 0.05 and item.necessary.necessity.value <= 0.05
        assert item.at_size(0.05).size == 6 and item.at_size(24, alpha=1.0).size == 24
        assert {kind: score.shape for kind, score in item.scores.items()} == dict.fromkeys(
            ("sufficient", "necessary", "unified"), (12, 10)
        )
        highest = np.sort(item.scores["sufficient"].ravel())[-24]
        kept = torch.from_numpy(item.scores["sufficient"] >= highest)
        assert regions(kept.view(1, -1), (12, 10)).item() <= 5
        assert item.model_rows <= 1500 and item.asked_rows == item.model_rows
        assert "not certified" in explanation_text(item).lower() and "row 0, column" not in explanation_text(
            item
        )
    onlyif.save(found, tmp_path / "images")
    assert onlyif.load(tmp_path / "images") == found
    assert len(found.to_frame()) == 9 and "6" in str(found)


def test_one_image_alone_gets_what_it_gets_among_others_whatever_max_rows_is(found):
    alone = onlyif.explain(NET, IMAGES[1:2], size=[0.05, 0.2], epsilon=0.05, max_rows=16, **SHORT)[0]
    for kind, chosen in found[1].sets.items():
        assert alone.sets[kind].players == chosen.players
    other = onlyif.explain(NET, IMAGES[1:2], size=0.2, seed=1, **SHORT)[0]
    assert other.unified.size <= 24 and NET.training is False


def test_pixels_numpy_functions_and_other_references():
    bright = DifferentiablePredictor(lambda batch: batch[:, :, :4, :3].mean((1, 2, 3)))
    settings = {"modality": Images("pixels"), "size": 12, "budget": 4000}
    x = IMAGES[:1].numpy()
    item = onlyif.explain(
        bright, x, reference=BaselineReference(torch.zeros(2, 12, 10), "black"), **settings
    )[0]
    # Only these twelve pixels count, in both channels.
    assert np.flatnonzero(item.hard.any(1)).tolist() == [0, 1, 2, 3] and item.hard[:4, :3].all()
    assert item.unified.sufficiency.value < 1e-6
    assert "black" in item.provenance.reference
    blurred = onlyif.explain(NET, IMAGES[:1], reference=BlurReference(2.0), size=12, budget=1500)[0]
    assert "blur" in blurred.provenance.reference
    others = onlyif.explain(NET, IMAGES[:1], background=IMAGES, reference="marginal", size=12, budget=6000)[0]
    assert others.model_rows <= 6000 and "background" in others.provenance.reference


def test_time_is_up_and_nothing_to_explain_are_said():
    item = onlyif.explain(NET, IMAGES[:1], size=12, time_limit=1e-9, **SHORT)[0]
    assert StatusKind.TIME in [status.kind for status in item.statuses] and item.at_size(12).size == 12
    with pytest.warns(OnlyIfWarning, match="left out"):
        some = onlyif.explain(NET, IMAGES[:3], size=12, time_limit=1e-9, max_rows=8, background=IMAGES)
    assert len(some) == 1
    same = onlyif.explain(
        NET, IMAGES[:1], reference=BaselineReference(IMAGES[0], "itself"), size=12, budget=1500
    )[0]
    assert same.status.kind is StatusKind.NOTHING
    steps = DifferentiablePredictor(lambda batch: batch.mean((1, 2, 3)).round(decimals=1) + 0 * batch.sum())
    flat = onlyif.explain(steps, IMAGES[:1] + 1, size=12, **SHORT)[0]
    assert StatusKind.NO_SLOPE in [status.kind for status in flat.statuses]


BAD = [
    (IMAGES, {"size": 1.5}, SettingError, "between 0 and 1, got 1.5"),
    (IMAGES, {"size": 0.001}, SettingError, "share of 0.001, 0 pixels"),
    (IMAGES, {"size": 120}, SettingError, "1 to 119 of 120 pixels here, got 120"),
    (IMAGES, {"size": []}, SettingError, "at least one size"),
    (IMAGES, {"size": "all"}, (SettingError, jaxtyping.TypeCheckError), "got 'all'|Type-check error"),
    (IMAGES, {"size": 0.1, "budget": 100}, SettingError, "too small for one step"),
    (IMAGES, {"search": "beam"}, SettingError, "search has no use with sets of pixels"),
    (IMAGES, {"target": "cat"}, SettingError, "no class is called 'cat'"),
    (IMAGES, {"modality": Images(titles=("a",))}, SettingError, "a title for each of 6 images, got 1"),
    (IMAGES, {"reference": "gaussian"}, SettingError, '"noise" or a Reference, got'),
    (IMAGES, {"search": "beam"}, SettingError, "search has no use"),
    (IMAGES, {"keep": ["row 0, column 0"]}, SettingError, "keep has no use"),
    (IMAGES, {"distance": "logit"}, SettingError, "absolute"),
    (IMAGES, {"target": [0, 1]}, SettingError, "one an image"),
    (IMAGES, {"target": 3}, SettingError, "output"),
    (IMAGES, {"against": "other decisions"}, SettingError, "against has no use"),
    (IMAGES, {"background": IMAGES[:, :1]}, InputError, "need the same"),
    (IMAGES * torch.nan, {}, InputError, "finite"),
    ([IMAGES[0], IMAGES[0, :, :4]], {"modality": Images()}, InputError, "one array or tensor"),
]


@pytest.mark.parametrize(("x", "settings", "error", "said"), BAD)
def test_what_cannot_be_is_refused(x, settings, error, said):
    with pytest.raises(error, match=said):
        onlyif.explain(NET, x, **{"background": IMAGES, **settings})


def test_models_without_gradients_and_wrong_names_are_refused():
    for model, error in (
        (DifferentiablePredictor(lambda batch: batch.detach().mean((1, 2, 3))), ModelError),
        (object(), SettingError),
        (
            DifferentiablePredictor(lambda batch: torch.sqrt(batch.abs() - batch.abs()).mean((1, 2, 3))),
            ModelError,
        ),
    ):
        with pytest.raises(error):
            onlyif.explain(model, IMAGES[:1], background=IMAGES)
    with pytest.raises(SettingError, match="regions, pixels"):
        Images("superpixels")
    with pytest.raises(SettingError, match="estimate"):
        onlyif.Explainer(NET, IMAGES, modality=Images()).estimate(IMAGES)


def test_sizes_are_shares_or_pixels_in_any_order_once():
    assert sizes_of((0.2, 3, 0.5, 20), 100) == (3, 20, 50)
    assert sizes_of(np.array([0.1, 0.3]), 10) == (1, 3) and sizes_of(torch.tensor(4), 10) == (4,)
    assert sizes_of(None, 1000) == (10, 20, 50, 100, 200) and sizes_of(None, 3) == (1,)


def test_three_channels_one_channel_and_series():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in ((2, 1, 6, 6), (2, 12, 6, 6), (2, 3, 1, 30), (2, 2, 3, 6, 6)):
            x = torch.rand(shape, generator=MADE)
            mean = DifferentiablePredictor(lambda batch: batch.flatten(1).square().mean(1))
            item = onlyif.explain(mean, x, background=x, size=2, budget=1000)[0]
            assert item.at_size(2).size == 2 and item.names.shape == shape[-2:]


def test_blur_and_noise_by_name_are_what_their_sentences_say():
    blurred = filled_images(IMAGES[:2], None, Options(reference="blur"))
    by_hand = filled_images(IMAGES[:2], None, Options(reference=BlurReference(1.25)))
    assert torch.equal(blurred.fillings, by_hand.fillings)
    # One image of many is rounded otherwise than alone; that is no draw by what is kept.
    many = filled_images(torch.rand(9, 3, 32, 32, generator=MADE), None, Options(reference="blur"))
    assert many.fillings.shape == (9, 1, 3, 32, 32)
    assert blurred.sentence == "Hidden pixels are those of the same image blurred by 1.25 pixels."
    far = torch.cat([IMAGES[:, :1], 5 + 3 * IMAGES[:, 1:]], 1)
    noisy = filled_images(IMAGES[:2], far, Options(reference="noise", seed=3))
    assert noisy.fillings.shape == (1, 8, 2, 12, 10) and "8 draws" in noisy.sentence
    for channel in range(2):
        drawn, wanted = noisy.fillings[0, :, channel], far[:, channel]
        assert drawn.mean().item() == pytest.approx(wanted.mean().item(), abs=0.2 * wanted.std().item())
        assert drawn.std().item() == pytest.approx(wanted.std().item(), rel=0.1)
    same = filled_images(IMAGES[:2], far, Options(reference="noise", seed=3))
    assert torch.equal(noisy.fillings, same.fillings)
    with pytest.raises(InputError, match="needs images as torch tensors"):
        filled_images(IMAGES[:2].numpy(), None, Options(reference="blur"))
    with pytest.raises(SettingError, match="'blur' is of images"):
        onlyif.explain(lambda table: table.sum(1), np.eye(3), background=np.eye(3), reference="blur")


def test_names_of_classes_and_images_are_those_of_patches_too():
    named = Images(6, classes=("cat", "dog", "fox"), titles=("one", "two"))
    found = onlyif.explain(NET, IMAGES[:2], background=IMAGES, modality=named, target="dog")
    assert [item.row for item in found] == ["one", "two"] and found[0].target_label == "dog"
    assert found[0].noun == "patch" and "4 patches" in explanation_text(found[0])
    sized = Images(classes=("cat", "dog", "fox"))
    item = onlyif.explain(NET, IMAGES[:1], size=12, target="dog", modality=sized, **SHORT)[0]
    assert (item.target, item.target_label, item.noun) == (1, "dog", "pixel")
