"""Images on the page: outlines against plain loops, files of pictures, and what fits what."""

import base64
import re
import struct
import zlib

import numpy as np
import pytest

import onlyif
from onlyif.cli.main import main
from onlyif.core.errors import InputError, SettingError, StorageError
from onlyif.explanation.explanations import Explanations
from onlyif.explanation.page.data import row_data
from onlyif.explanation.page.document import page_of
from onlyif.explanation.page.pictures import outline, plane_of, png
from onlyif.explanation.stored import ItemArrays
from onlyif.testing.explanations import GameCase, explanation_of_game
from onlyif.testing.masks import example_masks


def _filled(path, shape):
    """The pixels inside of closed paths by the even-odd rule: a ray to the left of each pixel's middle."""
    edges = []
    for loop in re.findall(r"M(\d+) (\d+)([^z]*)z", path):
        x, y = int(loop[0]), int(loop[1])
        corners = [(x, y)]
        for way, step in re.findall(r"([hv])(-?\d+)", loop[2]):
            x, y = (x + int(step), y) if way == "h" else (x, y + int(step))
            corners.append((x, y))
        edges += zip(corners, [*corners[1:], corners[0]], strict=True)
    inside = np.zeros(shape, dtype=bool)
    for row in range(shape[0]):
        for column in range(shape[1]):
            crossed = [
                x
                for (x, y), (to_x, to_y) in edges
                if x == to_x and x <= column and min(y, to_y) <= row < max(y, to_y)
            ]
            inside[row, column] = len(crossed) % 2
    return inside


@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.8, 1.0])
def test_an_outline_holds_the_set_and_nothing_else(share):
    rng = np.random.default_rng(int(10 * share))
    for shape in ((1, 1), (3, 5), (8, 8)):
        inside = rng.uniform(size=shape) < share
        np.testing.assert_array_equal(_filled(outline(inside), shape), inside)


def test_a_picture_is_read_back_as_it_was():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3)).astype(np.uint8)
    held = png(pixels)
    assert struct.unpack(">II", held[16:24]) == (5, 3)
    length = struct.unpack(">I", held[33:37])[0]
    lines = np.frombuffer(zlib.decompress(held[41 : 41 + length]), np.uint8).reshape(3, 16)
    np.testing.assert_array_equal(lines[:, 1:].reshape(3, 5, 3), pixels)


def test_each_mask_is_drawn_on_its_image_which_is_there_once():
    masks = example_masks()
    image = np.arange(8.0).reshape(1, 1, 2, 4) / 8
    page = page_of(masks.with_images(image).items, "t")
    assert page.count("data:image/png;base64,") == len(masks)
    address = re.search(r"data:image/png;base64,([^\"]+)", page)[1]
    grey = np.round(255 * image[0, 0]).astype(np.uint8)
    assert base64.b64decode(address) == png(np.repeat(grey[..., None], 3, 2))
    for place, item in enumerate(masks):
        section = page[page.index(f'id="row-{place}"') :]
        section = section[: section.index("</section>")]
        # Each section has the strip of all α.
        assert all(outline(one.hard) in section for one in masks)
        assert section.index(outline(item.hard)) < section.index("The best sets over α")
    assert "the image was not kept" in page_of(masks.items, "t")


def test_patches_are_drawn_where_they_lie():
    names = tuple(f"patch ({row}, {column})" for row in range(2) for column in range(2))
    item = explanation_of_game(lambda kept: float(3 in kept), GameCase(names))
    item = Explanations((item,)).with_images(np.zeros((1, 3, 4, 6)), 3)[0]
    plane = plane_of(item, 0)
    held = row_data(item, plane.told)
    np.testing.assert_array_equal(plane.player[0], [0, 0, 0, 1, 1, 1])
    corner = np.zeros((4, 6), dtype=bool)
    corner[3:, 3:] = True
    assert outline(corner) in {one[0] for one in held["sets"]}


def test_images_that_do_not_fit_are_refused():
    masks = example_masks()
    with pytest.raises(SettingError, match="got 2 images and 1 rows"):
        masks.with_images(np.zeros((2, 1, 2, 4)))
    for shape, regions in (((1, 1, 3, 4), None), ((1, 1, 4, 2), None), ((1, 1, 2, 4), 2)):
        with pytest.raises(SettingError, match="8 players"):
            masks.with_images(np.zeros(shape), regions)
    with pytest.raises(InputError):
        masks.with_images(np.zeros((1, 1, 2, 4)), np.zeros((3, 3), int))
    assert len(Explanations(()).with_images([])) == 0


def test_what_is_saved_has_the_pictures_of_the_page_in_the_session(tmp_path):
    x = np.random.default_rng(0).uniform(size=(2, 3, 4, 4))
    found = onlyif.explain(
        lambda batch: batch.mean((1, 2, 3)), x, background=0 * x, modality=onlyif.Images(2), progress=False
    )
    again = onlyif.load(onlyif.save(found, tmp_path / "patches"))
    page = again.page(title="t").html
    assert again == found and page == found.page(title="t").html
    assert page.count("data:image/png;base64,") == 2 and "Image 1: " in page
    np.testing.assert_array_equal(
        found[1].details.picture.regions, np.kron([[0, 1], [2, 3]], np.ones((2, 2)))
    )
    pixels = example_masks().with_images(x[:1, :, :2])
    assert onlyif.load(onlyif.save(pixels, tmp_path / "pixels")) == pixels != example_masks()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"picture.pixels": np.zeros((2, 2), np.uint8)}, "'picture.pixels' must be"),
        ({"picture.pixels": np.zeros((2, 3, 3), np.uint8)}, "does not show 3 players"),
        (
            {
                "picture.pixels": np.zeros((1, 3, 3), np.uint8),
                "picture.regions": np.array([[0, 2, 2]], np.int32),
            },
            "does not show 3 players",
        ),
    ],
)
def test_stored_images_that_do_not_fit_are_refused(arrays, message):
    with pytest.raises(StorageError, match=message):
        ItemArrays(arrays, "", "x").picture(3)


def test_a_report_names_the_files_that_lack_their_images(tmp_path, capsys):
    onlyif.save(example_masks(), tmp_path / "without")
    onlyif.save(example_masks().with_images(np.zeros((1, 1, 2, 4))), tmp_path / "with")
    assert main(["report", str(tmp_path)]) == 0
    told = capsys.readouterr()
    assert "without.onlyif.json: the images of 0: save" in told.err and " with.onlyif.json" not in told.err
    page = (tmp_path / "report.html").read_text("utf-8")
    assert page.count("data:image/png;base64,") == 3 and "the images of 0" in page
