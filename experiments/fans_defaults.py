"""How many maps of a confident network are constant, with and without the second ascent that `FANS` makes.

A convolutional network is trained for two epochs on the first 12,000 MNIST training images, which makes it
confident. Players are the 784 pixels, E is the image and three copies with noise of .01, b is Scott's, c = .1
on the probability of the predicted class, x' one draw of uniform noise. The share of steps over which c falls
was chosen with `--chosen-on train`, training images from number 50,000 on; what is reported is on the first
test images. PNS is measured with fresh random numbers.

    python experiments/fans_defaults.py --data DIR [--images 20] [--chosen-on train]

Writes defaults_test.csv and defaults_test.md (or _train).
"""

import argparse
import warnings
from pathlib import Path

import torch
from fans_common import Subjects, pixel_players, said, set_pns, table, write_page
from images import add_data_argument, read_images
from outputs import save_rows
from torch import Tensor, nn

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import TargetChange, predicted_targets
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.errors import OnlyIfWarning
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import recommended_settings
from onlyif.searches.mask_shapes import top_players

SIZES, EASINGS = (40, 80, 160, 320), (0.0, 0.25, 0.5, 0.9)
KEPT_APART, TRAINED_ON, CONSTANT = 50_000, 12_000, 1e-5


def confident_network(x: Tensor, y: Tensor, seed: int) -> nn.Module:
    """Two epochs of Adam; some .98 of test digits right, most with a probability near 1."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(1568, 64), nn.ReLU(), nn.Linear(64, 10)),
        )
        adam = torch.optim.Adam(net.parameters(), 2e-3)
        for _ in range(2):
            for rows in torch.randperm(len(x)).split(64):
                adam.zero_grad()
                nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
                adam.step()
    return net.eval()


def subjects_of(given: argparse.Namespace) -> Subjects:
    """The digits, the network and the test of them."""
    train = read_images(given.data, "mnist", "train")
    net = confident_network(train.x[:TRAINED_ON], train.labels[:TRAINED_ON], given.seed)
    predictor = differentiable_module(net, nn.Softmax(dim=1), "probability")
    x = train.x[KEPT_APART:] if given.chosen_on == "train" else read_images(given.data, "mnist", "test").x
    x, sample = x[: given.images], NoisySample(4, 0.01)
    events = SoftEvents(scott_boundary(4, 784), 0.1)
    baseline = torch.from_numpy(uniform_baseline((1, 28, 28), seed=given.seed))
    test = DualStageTest(
        predictor, pixel_players(), sample, baseline, Neighbourhood(events), max_rows=512, seed=given.seed
    )
    return Subjects(predictor, x, test, TargetChange(predicted_targets(predictor, x)))


def row_of(subjects: Subjects, easing: float) -> dict:
    """Constant maps, PNS of the top pixels and model rows of one setting."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OnlyIfWarning)
        found = ascend(
            subjects.predictor,
            subjects.test,
            subjects.x,
            subjects.change,
            settings=recommended_settings(784, n_inputs=1, easing=easing),
        )
    subsets = torch.cat([top_players(found.scores, size) for size in SIZES], dim=1)
    pns = set_pns(subjects.fresh(32), subjects.x, subsets, subjects.change)
    constant = int((found.scores.amax(1) - found.scores.amin(1) < CONSTANT).sum())
    name = "one ascent" if not easing else f"and a second, c falling over {easing:g} of the steps"
    measured = {f"PNS of {size}": said(pns[:, i]) for i, size in enumerate(SIZES)}
    return (
        {"ascent": name, "constant maps": f"{constant} of {len(subjects.x)}"}
        | measured
        | {"model rows": round(found.model_rows)}
    )


def main() -> None:
    """Every setting on the same images."""
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add_data_argument(parser)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "fans_defaults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--images", type=int, default=20)
    parser.add_argument("--chosen-on", choices=("train", "test"), default="test", help="which images")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    subjects = subjects_of(given)
    rows = [row_of(subjects, easing) for easing in EASINGS]
    save_rows(given.out / f"defaults_{given.chosen_on}.csv", rows)
    parts = [
        f"First {given.images} images ({given.chosen_on}), seed {given.seed}; ± over images.",
        table(rows),
    ]
    write_page(given.out, f"defaults_{given.chosen_on}", ["# Maps of a confident network", *parts])


if __name__ == "__main__":
    main()
