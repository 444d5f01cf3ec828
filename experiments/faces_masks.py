"""Smiling or not: learned masks, where they lie, how good they are, and whether they tell the label.

SNE's CelebA-HQ experiment in small, on 64 x 64 grey faces: a ResNet-18 of width 16
(`train_networks.py`), selectors for α = 0, for α = 1 and conditioned on α, and smiling test faces that
the classifier gets right.

    python experiments/faces_masks.py --models DIR --out DIR [--data DIR] [--steps N] [--only train]

Selectors are trained into `--models` as checkpoints, in rounds; a run that was stopped goes on where it
was, and one that is finished is read. Writes faces_masks_gaps.csv, faces_masks_regions.csv,
faces_masks_leak.csv, faces_masks_training.csv, faces_masks.png and faces_masks.md.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import torch

mpl.use("Agg")
from images import Images, add_data_argument, read_images
from matplotlib.figure import Figure
from networks import load_network, network_record
from outputs import save_figure, save_frame, save_text
from torch import Tensor, nn

from onlyif.amortised.relaxed_lessons import Penalties, RelaxedLessons, masks_of
from onlyif.amortised.search import AmortisedSearch
from onlyif.amortised.selector import Selector, SelectorSettings
from onlyif.amortised.training import fit, fresh
from onlyif.amortised.training_state import Checkpoint, TrainingSettings
from onlyif.amortised.training_storage import SUFFIX, load_checkpoint, save_checkpoint
from onlyif.criteria.soft import SoftErrors, SoftObjective, SoftProblem
from onlyif.metrics.leak import Leak, LeakSettings, label_leak
from onlyif.models.differentiable import differentiable_module
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.restrictions.soft_draws import Relaxation
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_settings import recommended_settings

CLASSIFIER, SMILING, SIDE = "faces_smile_resnet18", 1, 64
PAPER, EVEN = Penalties(), Penalties((1.0, 1.0), (10.0, 10.0))
N_HELD, N_FRESH, SEED = 64, 100, 0
PER_IMAGE = "per image, recommended"
# rows and columns; crops are roughly aligned, so that fixed boxes do
REGIONS = {
    "eyes": ((6, 20, 4, 60),),
    "nose": ((20, 42, 23, 42),),
    "dimples": ((28, 44, 6, 23), (28, 44, 42, 59)),
    "mouth": ((44, 60, 14, 51),),
}


@dataclass(frozen=True)
class Plan:
    """One selector.

    Args:
        name: Of its checkpoint.
        alpha: Its α, or None.
        penalties: Its λ's.
        label: For the tables.
    """

    name: str
    alpha: float | None
    penalties: Penalties
    label: str


PLANS = (
    Plan("faces_smile_sufficient", 1.0, EVEN, "one network for α = 1"),
    Plan("faces_smile_necessary", 0.0, EVEN, "one network for α = 0"),
    Plan("faces_smile_continuum", None, EVEN, "one network for all α"),
    Plan("faces_smile_necessary_paper", 0.0, PAPER, "α = 0 with the paper's λ"),
)


@dataclass(frozen=True, eq=False)
class Setting:
    """What all parts share.

    Args:
        network: The classifier.
        mean: The mean training face.
        models: Folder of checkpoints.
        out: Folder of results.
    """

    network: nn.Module
    mean: Tensor
    models: Path
    out: Path

    def objective(self, n_draws: int, seed: int = SEED) -> SoftObjective:
        """Masks of the probability of a smile, under the mean face."""
        predictor = differentiable_module(self.network, nn.Softmax(dim=1), "probability")
        relaxation = Relaxation(n_draws=n_draws, antithetic=True)
        reference = BaselineReference(self.mean, "the mean training face")
        return SoftObjective(SoftRestriction(predictor, reference, relaxation, max_rows=256, seed=seed))


def balanced(images: Images, n: int, seed: int = SEED) -> Images:
    """n images, half of them smiling."""
    halves = [images.of_class(label).sample(n // 2, seed) for label in (0, 1)]
    rows = torch.stack([torch.arange(n // 2), torch.arange(n // 2) + n // 2], 1).flatten()
    both = replace(
        halves[0],
        x=torch.cat([half.x for half in halves]),
        labels=torch.cat([half.labels for half in halves]),
    )
    return both.take(rows)


def lessons_of(setting: Setting, train: Images, n_train: int, penalties: Penalties) -> RelaxedLessons:
    """Training faces and others to validate on, half of each smiling."""
    chosen = balanced(train, n_train + N_HELD)
    targets = torch.full((len(chosen.x),), SMILING)
    return RelaxedLessons(
        setting.objective(2),
        chosen.x[:n_train],
        targets[:n_train],
        chosen.x[n_train:],
        targets[n_train:],
        penalties,
    )


def trained(plan: Plan, setting: Setting, train: Images, given: argparse.Namespace) -> Checkpoint:
    """The finished checkpoint of one selector; goes on where an earlier run stopped."""
    lessons = lessons_of(setting, train, given.n_train, plan.penalties)
    settings = TrainingSettings(
        learning_rate=3e-3, batch=16, n_steps=given.steps, round_steps=min(100, given.steps), seed=SEED
    )
    path = setting.models / f"{plan.name}{SUFFIX}"
    selector = SelectorSettings(1, alpha=plan.alpha)
    begun = load_checkpoint(path, selector) if path.is_file() else fresh(selector, settings, lessons)
    state, start = replace(begun, training=settings), time.perf_counter()
    for state in fit(state, lessons):  # noqa: B020  # fit asks for its start once
        save_checkpoint(state, path)
        done = state.rounds[-1]
        print(
            f"{plan.name}: step {done.step}, {time.perf_counter() - start:.0f} s, objective "
            f"{done.objective:.3f} ± {done.stderr:.3f}, suf {done.sufficiency:.3f}, "
            f"nec {done.necessity:.3f}, size {done.size:.3f}",
            flush=True,
        )
    return state


@dataclass(frozen=True, eq=False)
class Found:
    """Masks of some faces at some α by one method.

    Args:
        method: For the tables.
        alpha: α of each.
        masks: The masks.
        rows: Model rows asked for each mask, f(x) and f_0 apart.
    """

    method: str
    alpha: Tensor
    masks: Tensor
    rows: float


def smiling_faces(setting: Setting, test: Images, n: int) -> Images:
    """Smiling faces that the classifier gets right."""
    smiling = test.of_class(SMILING).sample(min(4 * n, 700), SEED)
    with torch.no_grad():
        right = setting.network(smiling.x).argmax(1) == SMILING
    return smiling.take(right.nonzero().flatten()[:n])


def posed(setting: Setting, faces: Tensor, alphas: tuple[float, ...], n_draws: int = 4) -> SoftProblem:
    """Every face at every α, face by face of the first α, then of the next."""
    alpha = torch.tensor(alphas).repeat_interleave(len(faces))
    x = faces.repeat(len(alphas), 1, 1, 1)
    return setting.objective(n_draws).pose(x, SMILING, EVEN.weights(alpha, SIDE))


def per_image(setting: Setting, problem: SoftProblem) -> Found:
    """The recommended descent on each image, from random masks."""
    parts = list(RelaxedSearch(setting.objective(4), recommended_settings()).run(problem))
    rows = torch.cat([part.model_rows for part in parts]).double().mean().item()
    return Found(PER_IMAGE, problem.weights.alpha, torch.cat([part.masks for part in parts]), rows)


def learned(
    selectors: dict[float | None, Selector], setting: Setting, problem: SoftProblem
) -> Iterator[Found]:
    """The masks of separate networks and of one for all α, as they are and repaired."""
    alpha, x = problem.weights.alpha, problem.images.x
    apart = torch.zeros(len(alpha), SIDE, SIDE)
    for end in (0.0, 1.0):
        apart[alpha == end] = masks_of(selectors[end], x[alpha == end], alpha[alpha == end])
    yield Found("one network per α", alpha, apart, 0)
    yield Found("one network for all α", alpha, masks_of(selectors[None], x, alpha), 0)
    search = AmortisedSearch(selectors[None], setting.objective(4), n_fresh=2)
    parts = list(search.run(problem))
    rows = torch.cat([part.model_rows for part in parts]).double().mean().item()
    yield Found("one network for all α, repaired", alpha, torch.cat([part.masks for part in parts]), rows)


def cut(masks: Tensor) -> Tensor:
    """As many of the highest pixels as the mask's area; .5 would leave nothing of a mask that stays below."""
    order = masks.flatten(1).argsort(dim=1, descending=True, stable=True)
    places = torch.arange(order.shape[1]).expand_as(order)
    kept = (places < masks.sum((1, 2)).round().unsqueeze(1)).to(masks.dtype)
    return torch.zeros_like(kept).scatter(1, order, kept).view_as(masks)


def judged(setting: Setting, problem: SoftProblem, masks: Tensor) -> tuple[SoftErrors, SoftErrors]:
    """Both gaps of the soft masks and of the sets cut from them, on draws that no search saw."""
    judge = setting.objective(4, seed=SEED + 1)
    with torch.no_grad():
        return judge.estimate(problem, masks.flatten(1), N_FRESH), judge.estimate(
            problem, cut(masks).flatten(1), 1
        )


def gap_rows(setting: Setting, problem: SoftProblem, found: list[Found]) -> pd.DataFrame:
    """One row a face, α and method."""
    tables = []
    for one in found:
        soft, hard = (each.value for each in judged(setting, problem, one.masks))
        columns = {
            "objective": soft.objective,
            "sufficiency": soft.sufficiency,
            "necessity": soft.necessity,
            "size": soft.size,
            "hard sufficiency": hard.sufficiency,
            "hard necessity": hard.necessity,
            "hard size": hard.size,
        }
        table = pd.DataFrame({name: value.double().numpy() for name, value in columns.items()})
        n = len(table) // len(one.alpha.unique())
        table.insert(0, "face", np.arange(len(table)) % n)
        table.insert(0, "alpha", one.alpha.numpy())
        table.insert(0, "method", one.method)
        tables.append(table.assign(rows=one.rows))
    return pd.concat(tables, ignore_index=True)


def with_error(values: pd.Series) -> str:
    """Mean and standard error."""
    kept = values.dropna()
    return f"{kept.mean():.3f} ± {kept.std() / len(kept) ** 0.5:.3f}" if len(kept) > 1 else "none"


def gap_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Means with standard errors over faces, and the paired difference to the per-image search."""
    lines = []
    for (alpha, method), some in rows.groupby(["alpha", "method"], sort=False):
        best = rows[(rows["method"] == PER_IMAGE) & (rows["alpha"] == alpha)].set_index("face")["objective"]
        line = {"α": f"{alpha:g}", "method": method, "model rows": f"{some['rows'].iloc[0]:.0f}"}
        line |= {name: with_error(some[name]) for name in rows.columns[3:-1]}
        line["objective - per image"] = with_error(some.set_index("face")["objective"] - best)
        lines.append(line)
    return pd.DataFrame(lines)


def conditioned_against_separate(rows: pd.DataFrame) -> list[str]:
    """The paired difference of the objectives of the one network and the separate ones."""
    sentences = []
    for alpha, some in rows.groupby("alpha"):
        wide = some.pivot_table(index="face", columns="method", values="objective")
        difference = wide["one network for all α"] - wide["one network per α"]
        sentences.append(f"α = {alpha:g}: {with_error(difference)}")
    return sentences


def region_table(found: list[Found]) -> pd.DataFrame:
    """The share of each mask's area in fixed face regions, and how much of each region is in the mask."""
    boxes = {name: region_box(name) for name in REGIONS}
    boxes["elsewhere"] = 1 - torch.stack(list(boxes.values())).amax(0)
    even = {name: f"{box.mean().item():.3f}" for name, box in boxes.items()}
    lines = [{"α": "", "method": "the region's share of the image", "measure": "share of the area", **even}]
    for one in found:
        for alpha in one.alpha.unique().tolist():
            masks = one.masks[one.alpha == alpha]
            total = masks.sum((1, 2))
            shares = {name: (masks * box).sum((1, 2)) / total for name, box in boxes.items()}
            covered = {name: (masks * box).sum((1, 2)) / box.sum() for name, box in boxes.items()}
            for measure, values in (("share of the area", shares), ("covered", covered)):
                line = {name: with_error(pd.Series(value.numpy())) for name, value in values.items()}
                lines.append({"α": f"{alpha:g}", "method": one.method, "measure": measure, **line})
    return pd.DataFrame(lines)


def region_box(name: str) -> Tensor:
    """1 inside a face region."""
    box = torch.zeros(SIDE, SIDE)
    for top, bottom, left, right in REGIONS[name]:
        box[top:bottom, left:right] = 1.0
    return box


def leak_line(method: str, alpha: float, masks: Tensor, x: Tensor, setting: Setting) -> dict[str, str]:
    """One row of the leak check: the predicted class off masks alone and off masked faces."""
    with torch.no_grad():
        labels = setting.network(x).argmax(1)
    leak: Leak = label_leak(
        cut(masks), x, setting.mean.expand_as(x), labels, LeakSettings(folds=4, epochs=12)
    )
    sizes = [masks[labels == label].mean().item() for label in (0, 1)]
    return {
        "method": method,
        "α": f"{alpha:g}",
        "faces": str(len(x)),
        "masks alone": f"{leak.masks.accuracy:.3f} ± {leak.masks.stderr:.3f}",
        "mask∘x + (1-mask)∘b": f"{leak.masked.accuracy:.3f} ± {leak.masked.stderr:.3f}",
        "chance": f"{leak.chance:.3f}",
        "mask area, not smiling": f"{sizes[0]:.3f}",
        "mask area, smiling": f"{sizes[1]:.3f}",
    }


def leak_table(
    selectors: dict[float | None, Selector], setting: Setting, test: Images, given: argparse.Namespace
) -> pd.DataFrame:
    """Learned masks, and those of the per-image search, which cannot have learned to tell anything."""
    faces = balanced(test, given.leak_faces, SEED + 2).x
    lines = []
    for key, label in (
        (0.0, "one network per α"),
        (1.0, "one network per α"),
        (None, "one network for all α"),
    ):
        for alpha in (0.0, 1.0) if key is None else (key,):
            masks = masks_of(selectors[key], faces, torch.full((len(faces),), alpha))
            lines.append(leak_line(label, alpha, masks, faces, setting))
    some = faces[: given.control_faces]
    control = per_image(setting, posed(setting, some, (1.0,)))
    lines.append(leak_line(control.method, 1.0, control.masks, some, setting))
    same = masks_of(selectors[1.0], some, torch.ones(len(some)))
    lines.append(leak_line("one network per α, the same faces", 1.0, same, some, setting))
    return pd.DataFrame(lines)


def forward_ratios(selectors: dict[float | None, Selector], setting: Setting) -> pd.DataFrame:
    """One forward of g_θ against one of the classifier: medians of the CPU time of interleaved calls."""
    lines = []
    for b in (1, 32):
        x, alpha = torch.rand(b, 1, SIDE, SIDE), torch.ones(b)
        calls: dict[str, Callable[[], object]] = {
            "classifier": partial(setting.network, x),
            "one network per α": partial(selectors[1.0], x, alpha),
            "one network for all α": partial(selectors[None], x, alpha),
        }
        taken: dict[str, list[float]] = {name: [] for name in calls}
        with torch.no_grad():
            for _, (name, call) in product(range(25), calls.items()):
                start = time.process_time()
                call()
                taken[name].append(time.process_time() - start)
        medians = {name: float(np.median(times[3:])) for name, times in taken.items()}
        for name, median in medians.items():
            ratio = f"{median / medians['classifier']:.2f}"
            lines.append({"batch": str(b), "network": name, "ms": f"{1e3 * median:.2f}", "ratio": ratio})
    return pd.DataFrame(lines)


def overlays(
    setting: Setting, faces: Tensor, selectors: dict[float | None, Selector], found: list[Found]
) -> None:
    """Faces with their masks in red: separate networks, the continuum of the one network, per image."""
    search, n = found[0], len(faces)
    shown = min(5, n)
    alphas = (1.0, 0.75, 0.5, 0.25, 0.0)
    columns = {"image": None}
    columns |= {f"α = {a:g}\nown network": found[1].masks[found[1].alpha == a] for a in (1.0, 0.0)}
    columns |= {f"α = {a:g}\nall α": masks_of(selectors[None], faces, torch.full((n,), a)) for a in alphas}
    columns |= {f"α = {a:g}\nper image": search.masks[search.alpha == a] for a in (1.0, 0.0)}
    figure = Figure(figsize=(1.3 * len(columns), 1.4 * shown + 0.4), layout="constrained")
    axes = figure.subplots(shown, len(columns), squeeze=False)
    for j, (title, masks) in enumerate(columns.items()):
        axes[0][j].set_title(title, fontsize=8)
        for i in range(shown):
            axes[i][j].imshow(faces[i, 0], cmap="gray", vmin=0, vmax=1)
            if masks is not None:
                red = torch.zeros(SIDE, SIDE, 4)
                red[..., 0], red[..., 3] = 1.0, 0.55 * masks[i]
                axes[i][j].imshow(red.numpy())
            axes[i][j].set_axis_off()
    save_figure(setting.out / "faces_masks.png", figure, dpi=130)


def training_table(states: dict[Plan, Checkpoint]) -> pd.DataFrame:
    """The validation of every round of every selector."""
    return pd.DataFrame(
        [{"selector": plan.label, **asdict(done)} for plan, state in states.items() for done in state.rounds]
    )


def collapse_rows(setting: Setting, faces: Tensor, selector: Selector) -> pd.DataFrame:
    """α = 0 under the paper's λ: the learned mask beside the empty one, all and the mouth."""
    alpha = torch.zeros(len(faces))
    problem = setting.objective(4).pose(faces, SMILING, PAPER.weights(alpha, SIDE))
    blank = torch.zeros(len(faces), SIDE, SIDE)
    masks = {
        "learned": masks_of(selector, faces, alpha),
        "nothing": blank,
        "everything": blank + 1,
        "mouth": blank + region_box("mouth"),
    }
    lines = []
    for name, each in masks.items():
        value = judged(setting, problem, each)[0].value
        columns = ("objective", "sufficiency", "necessity", "size")
        parts = (value.objective, value.sufficiency, value.necessity, value.size)
        errors = {c: with_error(pd.Series(p.double().numpy())) for c, p in zip(columns, parts, strict=True)}
        lines.append({"mask": name, **errors})
    return pd.DataFrame(lines)


def markdown(table: pd.DataFrame) -> str:
    """A table in markdown."""
    lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
    lines += [" | ".join(str(value) for value in row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def write_report(setting: Setting, given: argparse.Namespace, parts: dict[str, pd.DataFrame | str]) -> None:
    """The markdown page."""
    record = network_record(setting.models, CLASSIFIER)
    head = (
        "# Smiling or not: learned masks\n\n"
        f"Classifier: ResNet-18 of width {record['width']}, test accuracy {record['accuracy']:.3f} ± "
        f"{record['stderr']:.3f}, balanced {record['balanced_accuracy']:.3f}. Size of this run: "
        f"{given.faces} smiling test faces that it gets right × 2 α = {2 * given.faces} pairs; selectors "
        f"trained for at most {given.steps} steps of 16 faces out of {given.n_train} (half smiling), K = 2 "
        "antithetic draws, Adam 3e-3 (the paper: K = 10, batches of 32, 1e-4); reference: the mean "
        f"training face; seed {SEED}. Where not said otherwise λ_1 = 1 and λ_TV = 2.5 (10 at 256 pixels a "
        "side) for every α, the paper's for α = 1. Means ± standard errors over faces; gaps on "
        f'{N_FRESH} fresh draws; "hard" is the set of as many of the highest '
        "pixels as the mask's area, exact.\n"
    )
    body = [
        f"## {title}\n\n{part if isinstance(part, str) else markdown(part)}\n"
        for title, part in parts.items()
    ]
    save_text(setting.out / "faces_masks.md", "\n".join([head, *body]))


def measured(
    setting: Setting, test: Images, states: dict[Plan, Checkpoint], given: argparse.Namespace
) -> dict[str, pd.DataFrame | str]:
    """All tables, and the picture."""
    selectors = {plan.alpha: state.network() for plan, state in states.items() if plan.penalties == EVEN}
    faces = smiling_faces(setting, test, given.faces).x
    problem = posed(setting, faces, (1.0, 0.0))
    found = [per_image(setting, problem), *learned(selectors, setting, problem)]
    rows = gap_rows(setting, problem, found)
    save_frame(setting.out / "faces_masks_gaps.csv", rows)
    overlays(setting, faces, selectors, found)
    paper = next(state for plan, state in states.items() if plan.penalties == PAPER)
    return {
        "Gaps": gap_table(rows),
        "One network for all α against one per α (difference of objectives)": "; ".join(
            conditioned_against_separate(rows)
        ),
        "Where masks lie": region_table(found),
        "Do masks tell the predicted class?": leak_table(selectors, setting, test, given),
        "The paper's λ at α = 0": collapse_rows(setting, faces, paper.network()),
        "Time of one forward": forward_ratios(selectors, setting),
    }


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True, help="networks and checkpoints")
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--steps", type=int, default=800, help="training steps of each selector")
    parser.add_argument("--n-train", type=int, default=1024, help="faces to train on, half smiling")
    parser.add_argument("--faces", type=int, default=25, help="smiling test faces; each at α = 0 and 1")
    parser.add_argument("--control-faces", type=int, default=60, help="faces of the leak check's control")
    parser.add_argument("--leak-faces", type=int, default=300, help="test faces of the leak check")
    parser.add_argument("--only", choices=["train"], help="train the selectors and stop")
    return parser.parse_args()


def main() -> None:
    """All parts in turn."""
    torch.set_num_threads(1)
    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    train = read_images(given.data, "faces_smile", "train")
    network = load_network(given.models, CLASSIFIER)
    setting = Setting(network, train.x.mean(0), given.models, given.out)
    states = {plan: trained(plan, setting, train, given) for plan in PLANS}
    training_table(states).to_csv(given.out / "faces_masks_training.csv", index=False)
    if given.only:
        return
    test = read_images(given.data, "faces_smile", "test")
    parts = measured(setting, test, states, given)
    save_frame(given.out / "faces_masks_regions.csv", parts["Where masks lie"])
    save_frame(given.out / "faces_masks_leak.csv", parts["Do masks tell the predicted class?"])
    write_report(setting, given, parts)
    print((given.out / "faces_masks.md").read_text("utf-8"))


if __name__ == "__main__":
    main()
