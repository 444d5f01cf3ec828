"""Every kind of explanation, handed to everything that takes one: the right thing or a clear error."""

import numpy as np
import pytest
import torch
from matplotlib.axes import Axes

import onlyif
from onlyif.causation.change import TargetChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.players import column_players
from onlyif.explanation.pixels import PixelNames
from onlyif.models.differentiable import DifferentiablePredictor
from onlyif.plots.causes import plot_causes, plot_path
from onlyif.plots.continuum import plot_continuum
from onlyif.plots.image import plot_mask_montage, plot_masks
from onlyif.plots.plane import plot_plane
from onlyif.plots.summary import plot_summary
from onlyif.plots.tabular import plot_explanation
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_explanations import ascended_explanations
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.testing.causes import example_causes
from onlyif.testing.explanations import example_explanations
from onlyif.testing.masks import example_masks


def ascended(pixels=None):
    x = torch.tensor([[1.0, 0.5, 0.0, 2.0], [0.5, 1.0, 1.5, 0.25]], dtype=torch.float64)
    predictor = DifferentiablePredictor(
        lambda b: torch.sigmoid(b @ torch.tensor([[2.0], [1.0], [0.0], [0.0]]).double()), dtype=torch.float64
    )
    test = DualStageTest(
        predictor,
        column_players(("a", "b", "c", "d")),
        NoisySample(4, 0.05),
        torch.zeros(1, 4).double(),
        Neighbourhood(SoftEvents(1.0, 0.1)),
        seed=3,
    )
    change = TargetChange(np.zeros(2, dtype=np.int64))
    risen = ascend(predictor, test, x, change, settings=recommended_settings(steps=6))
    return risen, predictor, x, ascended_explanations(risen, test, x, (0, 0), pixels)


SCORES = ascended()[3]


def test_scores_of_an_ascent_say_how_many_rows_the_model_received():
    for item in SCORES:
        assert item.asked_rows == item.model_rows > 0


WORLDS = {
    "sets": example_explanations(),
    "causes": example_causes(),
    "masks": example_masks(),
    "scores": SCORES,
    "scores of pixels": ascended(PixelNames(2, 2))[3],
}
IMAGE = np.random.default_rng(0).random((1, 2, 4))
# Which worlds each picture draws; all others it refuses.
PICTURES = {
    plot_explanation: ("sets", "causes", "scores"),
    plot_continuum: ("sets",),
    plot_plane: ("sets",),
    plot_causes: ("causes",),
    plot_path: ("causes",),
    plot_summary: ("sets", "causes"),
}


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_is_told_summed_up_laid_out_sliced_and_saved(world, tmp_path):
    found = WORLDS[world]
    text = onlyif.explanation_text(found[0])
    assert str(found[0].row) in text and found[0].provenance.predictor in text
    assert str(onlyif.summary(found)).startswith(f"{len(found)} row")
    assert len(found.to_frame()) == len(found.rows()) >= len(found)
    assert found[:1][0] is found[0] and len(repr(found).splitlines()) == 2 + len(found)
    loaded = onlyif.load(onlyif.save(found, tmp_path / "x"))
    assert onlyif.explanation_text(loaded[0]) == text
    assert loaded.rows() == found.rows() or "nan" in str(found.rows())
    for name, array in found[0].scores.items():
        assert np.array_equal(loaded[0].scores[name], array) and loaded[0].scores[name].dtype == array.dtype


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.__name__)
def test_a_picture_draws_its_worlds_and_names_what_draws_the_others(world, picture):
    item = WORLDS[world] if picture is plot_summary else WORLDS[world][0]
    if world in PICTURES[picture]:
        assert isinstance(picture(item), Axes)
    else:
        with pytest.raises(onlyif.SettingError, match=r"use |of pixels"):
            picture(item)


@pytest.mark.parametrize("world", WORLDS)
def test_pictures_of_masks_take_masks_alone(world):
    found = WORLDS[world]
    one = found.of_row(found[0].row)
    if world == "masks":
        assert isinstance(plot_masks(IMAGE, one[0], one[1], one[2]), Axes)
        assert isinstance(plot_mask_montage(IMAGE, one), Axes)
    else:
        with pytest.raises(onlyif.SettingError):
            plot_masks(IMAGE, one[0], one[0], one[0])
        with pytest.raises(onlyif.SettingError):
            plot_mask_montage(IMAGE, one)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("frame", ["continuum_frame", "path_frame", "players_frame"])
def test_frames_are_of_what_there_is(world, frame):
    holds = {
        "continuum_frame": ("sets",),
        "path_frame": ("causes",),
        "players_frame": ("sets", "causes", "scores"),
    }
    if world in holds[frame]:
        assert len(getattr(WORLDS[world], frame)())
    else:
        with pytest.raises(onlyif.AbsentError):
            getattr(WORLDS[world], frame)()


def test_two_worlds_do_not_join():
    with pytest.raises(onlyif.SettingError, match="one criterion, got 'sne' and 'pns'"):
        WORLDS["sets"] + WORLDS["causes"]
    assert len(onlyif.Explanations(()) + WORLDS["masks"]) == 3


def test_scores_are_those_of_the_ascent_beside_the_models_answers():
    risen, predictor, x, found = ascended()
    assert np.array_equal(np.stack([item.scores["ascended"] for item in found]), risen.scores.numpy())
    assert [item.prediction for item in found] == predictor.predict(x)[:, 0].tolist()
    assert found[0].base == 0.5 and found[0].values == ("1", "0.5", "0", "2")
    assert [item.measures["score"].value for item in found] == risen.trace[:, -1].tolist()
    with pytest.raises(onlyif.SettingError, match="need a target for each of 2 instances"):
        ascended(PixelNames(3, 3))
