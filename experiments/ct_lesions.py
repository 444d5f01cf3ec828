"""Which bleeds on head CT slices sufficient, necessary and unified masks touch.

SNE's figure 2b as numbers. No trained network for CT slices is to be had, and lesions marked pixel by
pixel neither, so both are made: a ResNet-18 of width 8 learns to tell simulated slices with one to four
synthetic bleeds from slices without (lesions.py), and masks for α = 1, 0 and .5 explain slices with one
to four lesions that it calls bleeding: most simulated, some real slices with synthetic bleeds.

A network that has seen whole slices only may well call the mean slice, which stands for what is hidden,
a bleed. So half of the training slices have had a random part replaced by the mean slice before lesions
were drawn on them; `--plain` leaves that out.

    python experiments/ct_lesions.py --models DIR --out DIR [--data DIR] [--per-count N]
        [--real-per-count N] [--plain]

The network is trained into `--models` once. Writes ct_lesions_sets.csv (a row an image and α),
ct_lesions_touched.csv (a row a lesion and α), ct_lesions_network.csv, ct_lesions.png (simulated slices
alone, as the real ones are not to be passed on), ct_lesions_case.png and ct_lesions.md.
"""

import argparse
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import torch

mpl.use("Agg")
from images import Images, Slices, add_data_argument, read_slices
from lesions import MOST, SIDE, Heads, Lesioned, partly_mean, real_heads, simulated_heads, with_lesions
from matplotlib.figure import Figure
from networks import Architecture, build_network, load_network, network_record, save_network
from outputs import save_figure, save_frame, save_text
from torch import Tensor, nn
from torch.nn import functional
from train_networks import Recipe, batches

from onlyif.core.seeds import child_seed
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import variation_at
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.explanations import Explanations
from onlyif.models.differentiable import differentiable_module
from onlyif.plots import style
from onlyif.plots.image import plot_masks
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.soft import SoftRestriction
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_settings import recommended_settings

NAME, PLAIN, BLEEDING = "ct_lesions_resnet18", "ct_lesions_plain_resnet18", 1
RECIPE = Recipe("ct_lesions", "resnet18", epochs=10, shift=2, flip=True, stride=2, peak=0.1, batch=64)
WIDTH, N_TRAIN, N_TEST = 8, 4000, 400
ALPHAS = (1.0, 0.0, 0.5)
SETS = {1.0: "sufficient", 0.0: "necessary", 0.5: "unified"}
COLOURS = {1.0: style.SUFFICIENT, 0.0: style.NECESSARY, 0.5: style.UNIFIED}
SHARES = (0.1, 0.25, 0.5)
TOUCHED = 0.25
HIGH_START = 0.9
SEED = 0


@dataclass(frozen=True, eq=False)
class Cases:
    """Slices to explain.

    Args:
        slices: Slices with their lesions.
        background: "simulated" or "real" of each.
    """

    slices: Lesioned
    background: list[str]


def slices_of(heads: Heads, use: str) -> Lesioned:
    """Half of the slices without, the others with one to four lesions in turn."""
    number = torch.arange(len(heads.x))
    counts = torch.where(number % 2 == 0, 0, 1 + number // 2 % MOST)
    return with_lesions(heads, counts, child_seed(SEED, use))


def labelled(slices: Lesioned) -> Images:
    """The slices as a network learns them."""
    return Images(slices.x, (slices.counts > 0).long(), ("no bleed", "bleed"))


def train(images: Images) -> tuple[nn.Module, Architecture]:
    """The network after the last epoch, in evaluation mode."""
    wanted = Architecture("resnet18", 1, 2, SIDE, WIDTH, RECIPE.stride)
    spread, mean = torch.std_mean(images.x, (0, 2, 3))
    network = build_network(wanted, mean, spread, RECIPE.seed).train()
    optimiser = torch.optim.SGD(
        network.parameters(), RECIPE.peak, momentum=0.9, nesterov=True, weight_decay=RECIPE.decay
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser,
        RECIPE.peak,
        epochs=RECIPE.epochs,
        steps_per_epoch=len(images.x) // RECIPE.batch,
        pct_start=0.25,
    )
    for epoch in range(RECIPE.epochs):
        losses = []
        for x, labels in batches(RECIPE, images, epoch):
            loss = functional.cross_entropy(network(x), labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses.append(loss.item())
        print(f"  epoch {epoch + 1}: mean loss {sum(losses) / len(losses):.4f}", flush=True)
    return network.eval(), wanted


def bleeding(network: nn.Module, x: Tensor) -> Tensor:
    """The probability of a bleed."""
    with torch.no_grad():
        return torch.cat([network(part).softmax(1)[:, BLEEDING] for part in x.split(256)])


def assessed(network: nn.Module, tests: dict[str, Lesioned]) -> dict[str, float]:
    """Accuracy on slices that it never saw, by background and number of lesions."""
    found: dict[str, float] = {}
    for name, slices in tests.items():
        right = (bleeding(network, slices.x) > 0.5) == (slices.counts > 0)
        found[f"{name}_accuracy"] = right.double().mean().item()
        for count in range(MOST + 1):
            found[f"{name}_{count}"] = right[slices.counts == count].double().mean().item()
    return found


def classifier(models: Path, name: str, train_slices: Lesioned, tests: dict[str, Lesioned]) -> nn.Module:
    """The trained network; made and kept in `models` unless it is there."""
    path = models / f"{name}.safetensors"
    if not path.is_file():
        models.mkdir(parents=True, exist_ok=True)
        started = time.process_time()
        network, wanted = train(labelled(train_slices))
        record = {
            "epochs": RECIPE.epochs,
            "n_train": len(train_slices.counts),
            "n_test": N_TEST,
            "train_s": round(time.process_time() - started),
            **assessed(network, tests),
        }
        save_network(path, network, wanted, record)
    return load_network(models, name)


def chosen(network: nn.Module, slices: Lesioned, per_count: int) -> Lesioned:
    """The first slices of each number of lesions that the network calls bleeding."""
    found = bleeding(network, slices.x) > 0.5
    rows = [((slices.counts == count) & found).nonzero()[:per_count] for count in range(1, MOST + 1)]
    return slices.take(torch.cat(rows).flatten())


def cases_of(network: nn.Module, real: Slices, given: argparse.Namespace) -> Cases:
    """New slices: none of them was seen in training or in the test of the network."""
    parts = []
    for name, n in (("simulated", given.per_count), ("real", given.real_per_count)):
        many = 4 * MOST * max(n, 2)
        heads = (
            simulated_heads(many, child_seed(SEED, "heads to explain"))
            if name == "simulated"
            else real_heads(real, many, child_seed(SEED, "real heads to explain"))
        )
        # Real slices come in turn, so that counts that change after every turn meet each of them.
        counts = 1 + (torch.arange(many) // len(real.x)) % MOST
        slices = with_lesions(heads, counts, child_seed(SEED, f"lesions to explain, {name}"))
        parts.append((name, chosen(network, slices, n)))
    fields = ("clean", "layers", "density", "counts")
    both = Lesioned(*(torch.cat([getattr(slices, field) for _, slices in parts]) for field in fields))
    return Cases(both, [name for name, slices in parts for _ in slices.counts])


def masks_of(network: nn.Module, mean: Tensor, x: Tensor) -> tuple[Explanations, Explanations]:
    """Masks of all slices and α from the paper's start, and the better of these and of a second start.

    Where one lesion of several is enough, hiding some of them changes nothing: from masks near .5 the
    penalties may empty the mask before Δnec answers. The second descent starts from .9 everywhere.
    """
    predictor = differentiable_module(network, nn.Softmax(dim=1), "probability")
    reference = BaselineReference(mean, "the mean training slice")
    soft = SoftObjective(SoftRestriction(predictor, reference, max_rows=256, seed=SEED))
    question = MaskQuestion(ALPHAS, 2.0, variation_at(SIDE), n_fresh=100)
    search = RelaxedSearch(soft, recommended_settings(), seed=SEED)
    target = torch.full((len(x),), BLEEDING)
    first = find_masks(search, x, target, question)
    second = find_masks(search, x, target, question, torch.full((len(first), SIDE, SIDE), HIGH_START))
    better = (min(pair, key=objective) for pair in zip(first, second, strict=True))
    return first, Explanations(tuple(better))


def objective(item: Explanation) -> float:
    """What the descent made small, on fresh draws."""
    return item.measures["objective"].value


def start_table(first: Explanations, best: Explanations) -> pd.DataFrame:
    """What the second start changed."""
    lines = []
    for alpha in ALPHAS:
        pairs = list(zip(first.at_alpha(alpha), best.at_alpha(alpha), strict=True))
        won = [(one, two) for one, two in pairs if one is not two]
        gain = pd.Series(
            [objective(one) - objective(two) for one, two in won],
            dtype=float,
        )
        lines.append(
            {
                "set": SETS[alpha],
                "slices": str(len(pairs)),
                "second start better": str(len(won)),
                "by more than .1": str((gain > 0.1).sum()),
                "objective, first start": with_error(pd.Series([objective(one) for one, _ in pairs])),
                "objective, better of both": with_error(pd.Series([objective(two) for _, two in pairs])),
                "empty sets, first start": str(sum(one.unified.size == 0 for one, _ in pairs)),
                "empty sets, better of both": str(sum(two.unified.size == 0 for _, two in pairs)),
            }
        )
    return pd.DataFrame(lines)


def touched_rows(cases: Cases, masks: Explanations, network: nn.Module) -> pd.DataFrame:
    """One row a lesion and α: the share of its pixels in the set, and in the sets of other slices."""
    alone = answers_alone(network, cases.slices)
    hard = {alpha: torch.from_numpy(masks.at_alpha(alpha).hard()) for alpha in ALPHAS}
    lines = []
    for i, count in enumerate(cases.slices.counts.tolist()):
        for j in range(count):
            pixels = cases.slices.pixels[i, j]
            for alpha in ALPHAS:
                shares = hard[alpha][:, pixels].double().mean(1)
                others = shares[torch.arange(len(shares)) != i]
                line: dict[str, Any] = {
                    "image": i,
                    "background": cases.background[i],
                    "lesions": count,
                    "lesion": j,
                    "pixels": int(pixels.sum()),
                    "density": cases.slices.density[i, j].item(),
                    "f alone": alone[i, j].item(),
                    "alpha": alpha,
                    "covered": shares[i].item(),
                }
                line |= {f"by others {share:g}": (others >= share).double().mean().item() for share in SHARES}
                lines.append(line)
    return pd.DataFrame(lines)


def answers_alone(network: nn.Module, slices: Lesioned) -> Tensor:
    """The probability of a bleed where one lesion is there and no other."""
    each = torch.eye(MOST, dtype=torch.bool)
    return torch.stack([bleeding(network, slices.showing(one.expand_as(slices.density))) for one in each], 1)


def set_rows(cases: Cases, masks: Explanations, network: nn.Module, touched: pd.DataFrame) -> pd.DataFrame:
    """One row an image and α: the set's size, its gaps, and the lesions that it touches and misses."""
    slices, lines = cases.slices, []
    clean = bleeding(network, slices.clean)
    covered = {key: part["covered"].to_numpy() for key, part in touched.groupby(["image", "alpha"])}
    for item in masks:
        i, count = item.row, int(slices.counts[item.row])
        hit = torch.from_numpy(covered[i, item.alpha] >= TOUCHED)
        missed = torch.zeros(1, MOST, dtype=torch.bool)
        missed[0, :count] = ~hit
        left = slices.take(torch.tensor([i])).showing(missed)
        lesion = slices.pixels[i].any(0)
        lines.append(
            {
                "background": cases.background[i],
                "lesions": count,
                **{**Explanations((item,)).rows()[0], "image": i},
                "lesion area": lesion.double().mean().item(),
                "in lesions": (item.hard & lesion.numpy()).sum() / max(1, item.unified.size),
                "touched": int(hit.sum()),
                "f without lesions": clean[i].item(),
                "f with the missed alone": bleeding(network, left).item(),
            }
        )
    return pd.DataFrame(lines)


def with_error(values: pd.Series, digits: int = 3) -> str:
    """Mean and standard error."""
    kept = values.dropna()
    if len(kept) < 2:
        return f"{kept.mean():.{digits}f}" if len(kept) else "none"
    return f"{kept.mean():.{digits}f} ± {kept.std() / len(kept) ** 0.5:.{digits}f}"


def touched_table(touched: pd.DataFrame) -> pd.DataFrame:
    """The share of lesions that each kind of set touches, over all lesions, errors by slices."""
    lines = []
    for (background, alpha), some in touched.groupby(["background", "alpha"], sort=False):
        n_slices = some["image"].nunique()
        line = {"slices": f"{n_slices} {background}", "set": SETS[alpha], "lesions": str(len(some))}
        for share in SHARES:
            hit = some["covered"] >= share
            line[f"touched, {share:.0%}"] = share_by_slice(some, hit)
            line[f"by others' sets, {share:.0%}"] = f"{some[f'by others {share:g}'].mean():.2f}"
        line["not at all"] = f"{(some['covered'] == 0).mean():.2f}"
        lines.append(line)
    return pd.DataFrame(lines)


def share_by_slice(some: pd.DataFrame, hit: pd.Series) -> str:
    """A share of lesions with its standard error, lesions of one slice taken as dependent."""
    share = hit.mean()
    by_slice = (hit - share).groupby(some["image"]).sum()
    n = len(by_slice)
    error = (n / max(1, n - 1) * (by_slice**2).sum()) ** 0.5 / len(hit)
    return f"{share:.2f} ± {error:.2f}"


def count_table(sets: pd.DataFrame) -> pd.DataFrame:
    """Lesions touched by their number, and how often it is all of them, or one alone."""
    lines = []
    for (alpha, count), some in sets.groupby(["alpha", "lesions"], sort=False):
        lines.append(
            {
                "set": SETS[alpha],
                "lesions": str(count),
                "slices": str(len(some)),
                "touched, mean": with_error(some["touched"], 2),
                "none": str((some["touched"] == 0).sum()),
                "one": str((some["touched"] == 1).sum()),
                "all": str((some["touched"] == count).sum()),
                "pixels in the set": with_error(some["hard_size"] * SIDE**2, 0),
                "pixels of lesions": with_error(some["lesion area"] * SIDE**2, 0),
            }
        )
    return pd.DataFrame(lines)


def gap_table(sets: pd.DataFrame) -> pd.DataFrame:
    """Sizes and gaps, means over slices with standard errors."""
    columns = {
        "hard_size": "size of the set",
        "in lesions": "of it in lesions",
        "hard_sufficiency": "Δsuf of the set",
        "hard_necessity": "Δnec of the set",
        "soft_sufficiency": "Δsuf of the mask",
        "soft_necessity": "Δnec of the mask",
        "objective": "objective",
    }
    lines = []
    for (background, alpha), some in sets.groupby(["background", "alpha"], sort=False):
        line = {"slices": f"{len(some)} {background}", "set": SETS[alpha]}
        line |= {label: with_error(some[name]) for name, label in columns.items()}
        lines.append(line | {"empty sets": str((some["hard_size"] == 0).sum())})
    return pd.DataFrame(lines)


def saturation_rows(touched: pd.DataFrame, sets: pd.DataFrame) -> dict[str, str]:
    """Why it comes out so: what one lesion alone does to the network."""
    first = touched[touched["alpha"] == 1.0]
    several = first[first["lesions"] > 1]
    best = several.groupby("image")["f alone"].max()
    necessary = sets[(sets["alpha"] == 0.0) & (sets["touched"] < sets["lesions"])]
    missed = touched[(touched["alpha"] == 0.0) & (touched["covered"] < TOUCHED)]
    hit = touched[(touched["alpha"] == 0.0) & (touched["covered"] >= TOUCHED)]
    strong = {
        f"{SETS[alpha]} sets touch of the lesions with f > .5 alone": touched_of(some[some["f alone"] > 0.5])
        for alpha, some in touched.groupby("alpha", sort=False)
    }
    return {
        "f(x), mean": with_error(sets[sets["alpha"] == 1.0]["prediction"]),
        "f of the mean training slice, f_0": f"{sets['base'].iloc[0]:.4f}",
        "f of the same slices without lesions, mean": with_error(
            sets[sets["alpha"] == 1.0]["f without lesions"]
        ),
        "lesions with f > .5 alone on their slice": f"{(first['f alone'] > 0.5).sum()} of {len(first)}",
        "lesions with f > .95 alone": f"{(first['f alone'] > 0.95).sum()} of {len(first)}",
        "slices with several lesions, the strongest of which alone gives f > .95": (
            f"{(best > 0.95).sum()} of {len(best)}"
        ),
        "f alone of lesions that necessary sets touch": with_error(hit["f alone"]),
        "f alone of lesions that necessary sets miss": with_error(missed["f alone"]),
        "slices of which the necessary set misses a lesion": str(len(necessary)),
        "f with the missed lesions alone there": with_error(necessary["f with the missed alone"]),
        **strong,
    }


def touched_of(some: pd.DataFrame) -> str:
    """How many lesions are touched, and of how many."""
    return f"{(some['covered'] >= TOUCHED).sum()} of {len(some)}"


def example(sets: pd.DataFrame) -> int | None:
    """The simulated slice with most lesions of which only the sufficient set misses some."""
    wide = sets[sets["background"] == "simulated"].pivot_table("touched", ["image", "lesions"], "alpha")
    wide = wide.reset_index().sort_values(["lesions", "image"], ascending=[False, True])
    fits = wide[(wide[1.0] < wide["lesions"]) & (wide[0.0] == wide["lesions"]) & (wide[1.0] > 0)]
    return int(fits["image"].iloc[0]) if len(fits) else None


def picture(cases: Cases, masks: Explanations, path: Path) -> None:
    """Two simulated slices of each number of lesions: outlines of lesions, and the three sets."""
    counts, simulated = cases.slices.counts.tolist(), cases.background
    rows = [
        i
        for count in range(1, MOST + 1)
        for i in [k for k, one in enumerate(counts) if one == count and simulated[k] == "simulated"][:2]
    ]
    n_down = -(-len(rows) // 2)
    figure = Figure(figsize=(12, 1.62 * n_down + 0.4), layout="constrained")
    axes = figure.subplots(n_down, 8, squeeze=False)
    for place, i in enumerate(rows):
        panels = axes[place // 2][4 * (place % 2) : 4 * (place % 2) + 4]
        draw_row(panels, cases, masks.of_row(i), i)
    for j in range(8):
        axes[0][j].set_title(("slice", *SETS.values())[j % 4], fontsize=9)
    for panel in axes.flat:
        panel.set_axis_off()
    save_figure(path, figure, dpi=110)


def draw_row(panels: Any, cases: Cases, items: Explanations, i: int) -> None:
    """One slice with its sets, lesions outlined in yellow."""
    x, lesions = cases.slices.x[i, 0], cases.slices.pixels[i].any(0)
    panels[0].imshow(x, cmap="gray", vmin=0, vmax=1)
    for panel, item in zip(panels[1:], items, strict=True):
        panel.imshow(x, cmap="gray", vmin=0, vmax=1)
        if item.hard.any() and not item.hard.all():
            panel.contour(item.hard, [0.5], colors=[COLOURS[item.alpha]], linewidths=1.2)
    for panel in panels:
        panel.contour(lesions.numpy(), [0.5], colors=["gold"], linewidths=0.6)


def case_picture(cases: Cases, items: Explanations, path: Path) -> None:
    """The library's own picture of one slice."""
    by_alpha: dict[float, Explanation] = {item.alpha: item for item in items}
    figure = Figure(figsize=(9, 3.4))
    ax = figure.add_axes((0.02, 0.02, 0.96, 0.86))
    plot_masks(cases.slices.x[items.items[0].row], by_alpha[1.0], by_alpha[0.0], by_alpha[0.5], ax)
    save_figure(path, figure, dpi=120, bbox_inches="tight")


def case_sentence(sets: pd.DataFrame, touched: pd.DataFrame, image: int | None) -> str:
    """The chosen slice in words."""
    if image is None:
        return "There is no slice of which the sufficient set misses a lesion and the necessary one none."
    mine = sets[sets["image"] == image].set_index("alpha")
    lesions = touched[(touched["image"] == image) & (touched["alpha"] == 1.0)]
    alone = ", ".join(f"{value:.3f}" for value in lesions["f alone"])
    parts = [
        f"the {SETS[alpha]} set touches {row['touched']} of them with {row['hard_size'] * SIDE**2:.0f} "
        f"pixels (Δsuf {row['hard_sufficiency']:.3f}, Δnec {row['hard_necessity']:.3f})"
        for alpha, row in mine.to_dict("index").items()
    ]
    return (
        f"Slice {image} has {mine.loc[1.0, 'lesions']} lesions; f(x) = {mine.loc[1.0, 'prediction']:.3f}, "
        f"with each of them alone {alone}: {'; '.join(parts)}."
    )


def markdown(table: pd.DataFrame) -> str:
    """A table in markdown."""
    lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
    lines += [" | ".join(str(value) for value in row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)


def network_table(record: dict[str, Any]) -> pd.DataFrame:
    """Accuracy on held-out slices."""
    lines = []
    for name in ("simulated", "real"):
        accuracy = record[f"{name}_accuracy"]
        error = (accuracy * (1 - accuracy) / record["n_test"]) ** 0.5
        line = {"held-out slices": f"{record['n_test']} {name}", "accuracy": f"{accuracy:.3f} ± {error:.3f}"}
        line |= {f"right, {count} lesions": f"{record[f'{name}_{count}']:.2f}" for count in range(MOST + 1)}
        lines.append(line)
    return pd.DataFrame(lines)


def report(
    out: Path,
    record: dict[str, Any],
    tables: dict[str, pd.DataFrame | str],
    masks: Explanations,
    seconds: float,
) -> None:
    """The markdown page."""
    origin = masks.items[0].provenance
    head = (
        "# Bleeds on CT slices: which lesions masks touch\n\n"
        f"Classifier: ResNet-18 of width {record['width']}, {SIDE} × {SIDE}, {record['epochs']} epochs of "
        f"{record['n_train']} simulated slices, half with one to four lesions. Size of this run: "
        f"{len(masks) // len(ALPHAS)} slices × {len(ALPHAS)} α = {len(masks)} pairs, all called bleeding by "
        f"the network, each from two starts, N(.5, 1/36) and {HIGH_START} everywhere, of which the lower "
        f"objective on fresh draws is kept; {origin.search}; sets: {origin.cut}; hidden pixels: "
        f"{origin.reference}; gaps of masks on {origin.n_fresh} fresh draws, of sets exact; seed {SEED}; "
        f"{seconds:.0f} s of one CPU thread, and {record['train_s']} s for training the network once. A set "
        "touches a lesion if it holds at least 25 % of the lesion's pixels (10 % and 50 % beside it). Means "
        "± standard errors over slices; *by others' sets* is the same share for the sets of other slices, "
        "that is by chance.\n"
    )
    body = [
        f"## {title}\n\n{part if isinstance(part, str) else markdown(part)}\n"
        for title, part in tables.items()
    ]
    save_text(out / "ct_lesions.md", "\n".join([head, *body]))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    add_data_argument(parser)
    parser.add_argument("--models", type=Path, required=True, help="folder of trained networks")
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--per-count", type=int, default=3, help="simulated slices a number of lesions")
    parser.add_argument("--real-per-count", type=int, default=1, help="real slices a number of lesions")
    parser.add_argument("--plain", action="store_true", help="train on whole slices only")
    return parser.parse_args()


def main() -> None:
    """Network, masks, tables and pictures."""
    torch.set_num_threads(1)
    given = arguments()
    given.out.mkdir(parents=True, exist_ok=True)
    real = read_slices(given.data, SIDE)
    heads = simulated_heads(N_TRAIN, SEED)
    train_slices = slices_of(heads if given.plain else partly_mean(heads, SEED), "training")
    tests = {
        "simulated": slices_of(simulated_heads(N_TEST, SEED + 1), "simulated test"),
        "real": slices_of(real_heads(real, N_TEST, SEED + 1), "real test"),
    }
    name = PLAIN if given.plain else NAME
    network = classifier(given.models, name, train_slices, tests)
    record, begun = network_record(given.models, name), time.process_time()
    print(json.dumps(record), flush=True)
    cases = cases_of(network, real, given)
    first, masks = masks_of(network, train_slices.x.mean(0), cases.slices.x)
    print(f"masks: {time.process_time() - begun:.0f} s", flush=True)
    write(given.out, cases, (first, masks), network, (real, record, begun))
    print((given.out / "ct_lesions.md").read_text("utf-8"))


def write(
    out: Path,
    cases: Cases,
    masks: tuple[Explanations, Explanations],
    network: nn.Module,
    run: tuple[Slices, dict[str, Any], float],
) -> None:
    """All tables and pictures."""
    first, best = masks
    real, record, begun = run
    touched = touched_rows(cases, best, network)
    sets = set_rows(cases, best, network, touched)
    found, accuracies = example(sets), network_table(record)
    bleeds = ", ".join(f"{p:.3f}" for p in bleeding(network, real.x).tolist())
    why = "\n".join(f"- {name}: {value}" for name, value in saturation_rows(touched, sets).items())
    tables: dict[str, pd.DataFrame | str] = {
        "Network": f"{markdown(accuracies)}\n\nf of the real slices as they are, with bleeds: {bleeds}.",
        "Share of lesions that sets touch": touched_table(touched),
        "Lesions touched, by their number": count_table(sets),
        "Sizes and gaps": gap_table(sets),
        "The two starts": start_table(first, best),
        "What one lesion alone does": why,
        "One slice with several lesions": case_sentence(sets, touched, found),
    }
    save_frame(out / "ct_lesions_sets.csv", sets, float_format="%.6g")
    save_frame(out / "ct_lesions_touched.csv", touched, float_format="%.6g")
    save_frame(out / "ct_lesions_network.csv", accuracies)
    picture(cases, best, out / "ct_lesions.png")
    if found is not None:
        case_picture(cases, best.of_row(found), out / "ct_lesions_case.png")
    report(out, record, tables, best, time.process_time() - begun)


if __name__ == "__main__":
    main()
