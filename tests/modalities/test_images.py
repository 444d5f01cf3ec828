"""Images whose players are patches or superpixels, through `onlyif.explain`."""

import numpy as np
import pytest
import torch
from torch import nn

import onlyif
from onlyif import Images
from onlyif.core.seeds import generator
from onlyif.modalities.images import ImageModality
from onlyif.references.baseline import BaselineReference
from onlyif.references.blur import BlurReference
from onlyif.references.gaussian import fit_gaussian
from onlyif.references.replacement import ReplacementReference
from onlyif.testing.modalities import check_modality

MADE = torch.Generator().manual_seed(0)
IMAGES = torch.rand(5, 3, 8, 8, generator=MADE)
REGIONS = torch.arange(8)[:, None] // 4 * 2 + torch.arange(8) // 4


def network(dtype=torch.float32):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        layers = (nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(4 * 36, 3))
        return nn.Sequential(*layers).to(dtype)


def by_hand(net, image, fillings, regions, target):
    """f_S of all subsets in plain loops: the mean over what hidden pixels are taken from."""
    net.eval()
    table = []
    for code in range(2 ** (int(regions.max()) + 1)):
        keep = (
            torch.tensor([code >> int(region) & 1 for region in regions.flatten()]).bool().view(regions.shape)
        )
        with torch.no_grad():
            table.append(net(torch.where(keep, image[None], fillings))[:, target].double().mean().item())
    net.train()
    return np.array(table)


def check_tables(found, net, images, fillings, regions):
    for i, item in enumerate(found):
        own = regions if regions.ndim == 2 or len(regions) != len(images) else regions[i]
        replaced = fillings if len(fillings) != len(images) else fillings[i][None]
        np.testing.assert_allclose(item.table, by_hand(net, images[i], replaced, own, item.target), atol=1e-6)


@pytest.mark.parametrize(
    "players", [4, REGIONS, REGIONS.numpy(), REGIONS.tolist()], ids=lambda p: type(p).__name__
)
def test_patches_and_superpixels_hidden_in_the_mean_image(players):
    net = network()
    found = onlyif.explain(net, IMAGES[:2], background=IMAGES, modality=Images(players), keep_table=True)
    check_tables(found, net, IMAGES[:2], IMAGES.mean(0, keepdim=True), REGIONS)
    assert net.training
    first = "patch (0, 0)" if isinstance(players, int) else "region 0"
    assert found[0].names[0] == first
    assert found[0].provenance.reference.startswith(
        "Hidden pixels are replaced by the mean of 5 background images"
    )
    alone = onlyif.explain(net, IMAGES[:1], background=IMAGES[1:2], modality=Images(players))
    assert alone[0].provenance.reference.startswith("Hidden pixels are replaced by the background image,")


def test_hidden_in_the_same_place_of_a_background_image():
    net = network()
    settings = {"background": IMAGES, "modality": Images(4), "keep_table": True, "max_rows": 7}
    found = onlyif.explain(net, IMAGES[:2], reference="marginal", **settings)
    check_tables(found, net, IMAGES[:2], IMAGES, REGIONS)


def test_hidden_in_the_blurred_image():
    net, blur = network(), BlurReference(1.5)
    found = onlyif.explain(net, IMAGES, reference=blur, modality=Images(4), keep_table=True)
    check_tables(found, net, IMAGES, blur._blurred(IMAGES), REGIONS)


def test_each_image_has_superpixels_of_its_own():
    net = network()
    maps = torch.stack([(torch.arange(64).view(8, 8) + 5 * i) // 24 % 3 for i in range(5)])
    settings = {"reference": BaselineReference(IMAGES[0] * 0, "black"), "keep_table": True}
    found = onlyif.explain(net, IMAGES, modality=Images(maps), **settings)
    check_tables(found, net, IMAGES, IMAGES[:1] * 0, maps)
    # Of other numbers of players too, in the order of the images.
    maps[1] = REGIONS
    found = onlyif.explain(net, IMAGES, modality=Images(maps), **settings)
    assert [len(item.names) for item in found] == [3, 4, 3, 3, 3]
    assert [item.row for item in found] == [0, 1, 2, 3, 4]
    check_tables(found, net, IMAGES, IMAGES[:1] * 0, maps)


def test_entries_of_all_axes_are_players_where_the_map_says_so():
    regions = torch.arange(3)[:, None, None].expand(3, 8, 8)
    net = network()
    found = onlyif.explain(net, IMAGES[:2], background=IMAGES, modality=Images(regions), keep_table=True)
    check_tables(found, net, IMAGES[:2], IMAGES.mean(0, keepdim=True), regions)


def test_numpy_images_and_a_function():
    images = IMAGES.double().numpy()
    found = onlyif.explain(
        lambda batch: batch[:, :, :4, :4].mean((1, 2, 3)), images[:1], background=images, modality=Images(4)
    )
    assert found[0].sufficient.names == found[0].necessary.names == ("patch (0, 0)",)


def test_a_batch_is_its_images():
    settings = {"background": IMAGES, "modality": Images(4), "output": "probability", "keep_table": True}
    together = onlyif.explain(
        network(torch.float64), IMAGES.double(), **{**settings, "background": IMAGES.double()}
    )
    for i, item in enumerate(together):
        alone = onlyif.explain(
            network(torch.float64), IMAGES[i : i + 1].double(), **{**settings, "background": IMAGES.double()}
        )[0]
        np.testing.assert_allclose(alone.table, item.table, atol=1e-12)


def test_causes_in_an_image():
    found = onlyif.explain(
        lambda batch: batch[:, :, :4, :4].mean((1, 2, 3)),
        IMAGES[:2],
        background=IMAGES * 0,
        modality=Images(4),
        criterion=onlyif.PNS(c=0.1),
        size=1,
    )
    assert [item.cause.names for item in found] == [("patch (0, 0)",)] * 2
    assert [item.row for item in found] == [0, 1]


def test_players_hidden_by_draws_of_their_own():
    """Rows whose players are hidden by several draws, which E of a dual-stage test has."""
    fillings = torch.rand(1, 4, 3, 8, 8, generator=MADE)
    modality = Images(REGIONS).of(IMAGES, fillings, "Pixels are others.")
    assert isinstance(modality, ImageModality)
    check_modality(modality, range(5), lambda batch: batch.mean((1, 2, 3)))
    random = generator(0, "test")
    shown, draw = random.random((9, 4)) < 0.4, random.integers(0, 4, (9, 4))
    which = random.integers(0, 5, 9)
    rendered = modality.render(onlyif.Queries(range(5), which, shown, draw))
    for row in range(9):
        for region in range(4):
            place = region == REGIONS
            source = IMAGES[which[row]] if shown[row, region] else fillings[0, draw[row, region]]
            assert torch.equal(rendered[row][:, place], source[:, place])


BLACK = BaselineReference(IMAGES[0] * 0, "black")
SETTING, INPUT = onlyif.SettingError, onlyif.InputError


@pytest.mark.parametrize(
    ("x", "settings", "error", "said"),
    [
        (IMAGES, {"modality": Images(4)}, SETTING, "need a background: images like those"),
        (
            IMAGES,
            {"modality": Images(9), "reference": BLACK},
            onlyif.SettingError,
            "side of a patch must be 1 to 8",
        ),
        (IMAGES, {"modality": Images(0), "reference": BLACK}, SETTING, "side of a patch"),
        (
            IMAGES,
            {"modality": Images(2.5), "reference": BLACK},
            onlyif.SettingError,
            "side of square patches",
        ),
        (IMAGES, {"modality": Images(REGIONS + 1), "reference": BLACK}, SETTING, "none left out"),
        (
            IMAGES,
            {"modality": Images(REGIONS[:4]), "reference": BLACK},
            onlyif.InputError,
            "the regions have shape",
        ),
        (
            IMAGES[:3],
            {"modality": Images(IMAGES[0].long()), "reference": BLACK},
            onlyif.InputError,
            "may be one map",
        ),
        (IMAGES[0], {"modality": Images(4), "background": IMAGES}, INPUT, r"one image is X\[None\]"),
        (IMAGES[0], {"size": 0.1, "background": IMAGES}, INPUT, r"one image is X\[None\]"),
        (IMAGES[0], {"size": 0.1}, INPUT, r"one image is X\[None\]"),
        (IMAGES[0, 0], {"modality": Images(4), "reference": BLACK}, INPUT, "one image is"),
        (
            (IMAGES * 255).byte(),
            {"modality": Images(4), "reference": BLACK},
            onlyif.InputError,
            "floating-point",
        ),
        (IMAGES / 0, {"modality": Images(4), "reference": BLACK}, INPUT, "infinite"),
        (list(IMAGES), {"modality": Images(4), "reference": BLACK}, INPUT, "one array or tensor"),
        (
            IMAGES,
            {"modality": Images(4), "background": IMAGES[:, :1]},
            onlyif.InputError,
            "background's images",
        ),
        (
            IMAGES,
            {"modality": Images(4), "background": IMAGES, "reference": "gaussian"},
            onlyif.SettingError,
            "mean",
        ),
        (
            IMAGES,
            {"modality": Images(4), "background": IMAGES, "groups": {"a": ["x"]}},
            onlyif.SettingError,
            "groups",
        ),
    ],
)
def test_bad_images_are_refused(x, settings, error, said):
    with pytest.raises(error, match=said):
        onlyif.explain(network(), x, **settings)


def test_references_that_draw_by_what_is_kept_are_refused():
    def noise(x, keep, n, seed):
        return np.zeros((n, *x.shape))

    with pytest.raises(SETTING, match="finitely many draws"):
        onlyif.explain(
            network(), IMAGES, modality=Images(4), reference=ReplacementReference(noise, "Pixels are noise.")
        )
    flat = IMAGES.double().numpy().reshape(5, -1)
    with pytest.raises(SETTING, match="finitely many draws"):
        onlyif.explain(network(), IMAGES, modality=Images(4), reference=fit_gaussian(flat[:, :4]))
