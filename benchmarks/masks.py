"""Masks: where the time goes, the recommended setting against the paper's, the optimum, and sets by size.

    python benchmarks/masks.py [--parts PART ...] [--data DATA --models MODELS] [--out OUT]

Everything runs on one thread. `paper` and `rows` need the data sets and the networks of
experiments/train_networks.py; the rest needs neither. Tables are written to OUT as CSV.
"""

import argparse
import csv
import io
import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from sklearn.datasets import load_digits
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
from images import read_images
from networks import Normalise, ResNet18, load_network

from onlyif.core.subsets import subset_sizes
from onlyif.core.whole_files import write_whole
from onlyif.criteria.blended import blended_gaps
from onlyif.criteria.distances import AbsoluteDistance
from onlyif.criteria.soft import SoftObjective
from onlyif.criteria.soft_weights import equal_weights, variation_at
from onlyif.criteria.unified import Unified
from onlyif.modalities.grids import SuperpixelGrid, image_players
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.models.readouts import TargetReadout
from onlyif.references.baseline import BaselineReference
from onlyif.restrictions.enumerated import EnumeratedRestriction
from onlyif.restrictions.set_function import SetFunction
from onlyif.restrictions.soft import SoftRestriction
from onlyif.searches.exhaustive import ExhaustiveSearch
from onlyif.searches.relaxed import RelaxedSearch
from onlyif.searches.relaxed_cuts import ThresholdCut
from onlyif.searches.relaxed_masks import MaskQuestion, find_masks
from onlyif.searches.relaxed_settings import paper_settings, recommended_settings
from onlyif.searches.sized import SizedSearch, highest, pixel_settings, region_settings

ALPHAS = (0.0, 0.5, 1.0)
SOFTMAX = nn.Softmax(1)
# 1, 2, 5, 10 and 20 % of 32 x 32 pixels.
SIZES = (10, 20, 51, 102, 205)


class Clock:
    """Seconds inside a model's forward and backward, by the times at which its ends are reached."""

    def __init__(self, module):
        self.module, self.inside, self.begun, self.rows = module, 0.0, 0.0, 0

    def __call__(self, batch):
        self.rows += len(batch)
        begun = time.process_time()
        outputs = SOFTMAX(self.module(batch))
        self.inside += time.process_time() - begun
        if outputs.requires_grad:
            outputs.register_hook(self._start)
            batch.register_hook(self._stop)
        return outputs

    def _start(self, _):
        self.begun = time.process_time()

    def _stop(self, _):
        self.inside += time.process_time() - self.begun


def resnet(width, seed=0):
    torch.manual_seed(seed)
    plain = Normalise((0.5,) * 3, (0.25,) * 3)
    return ResNet18(plain, 3, 10, width, 1).eval().requires_grad_(False)


def small_net():
    torch.manual_seed(0)
    layers = (nn.Conv2d(3, 6, 5, 2), nn.ReLU(), nn.Conv2d(6, 16, 5, 2), nn.ReLU(), nn.Flatten())
    return nn.Sequential(*layers, nn.Linear(400, 10)).eval().requires_grad_(False)


def short(steps):
    """The recommended setting, cut short: every step costs the same."""
    settings = recommended_settings()
    return replace(settings, schedule=replace(settings.schedule, steps=steps), compare_ends=0)


def share_of_time(name, module, b, steps):
    clock = Clock(module)
    x = torch.rand(b, 3, 32, 32)
    restriction = SoftRestriction(DifferentiablePredictor(clock), BaselineReference(x.mean(0)), max_rows=512)
    objective = SoftObjective(restriction)
    problem = objective.pose(x, 0, equal_weights(torch.full((b,), 0.5), 2.0, variation_at(32)))
    list(RelaxedSearch(objective, short(1)).run(problem))
    clock.inside, clock.rows, begun = 0.0, 0, time.process_time()
    list(RelaxedSearch(objective, short(steps)).run(problem))
    whole = time.process_time() - begun
    return {
        "network": name,
        "images": b,
        "model rows": clock.rows,
        "seconds": round(whole, 3),
        "in forward and backward": round(clock.inside / whole, 4),
        "ms a row": round(1000 * whole / clock.rows, 3),
    }


def part_share(_):
    cases = [
        ("ResNet-18, width 16", resnet(16), 64, 3),
        ("ResNet-18, width 16", resnet(16), 1, 100),
        ("small convolutional net", small_net(), 64, 20),
        ("small convolutional net", small_net(), 1, 300),
        ("ResNet-18, width 64", resnet(64), 64, 1),
        ("ResNet-18, width 64", resnet(64), 1, 15),
    ]
    rows = []
    for case in cases:
        rows.append(share_of_time(*case))
        print(rows[-1], flush=True)
    return rows


def sized_share(name, module, b, steps, rounds):
    """The same for sets by size: regions of five sizes at α = 1/2."""
    clock = Clock(module)
    x = torch.rand(b, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    gaps = blended_gaps(
        DifferentiablePredictor(clock), x, x.mean(0)[None, None], torch.zeros(b, dtype=torch.int64), 512
    )
    usual = region_settings()
    schedule, jumps = replace(usual.schedule, steps=steps), usual.swaps.jumps * rounds // usual.swaps.rounds
    swaps = replace(usual.swaps, rounds=rounds, jumps=jumps)
    search = SizedSearch(gaps, SIZES, replace(usual, schedule=schedule, swaps=swaps))
    numbers, alpha = torch.arange(b), torch.full((b,), 0.5)
    search.run(numbers[:1], alpha[:1])
    clock.inside, clock.rows, begun = 0.0, 0, time.process_time()
    search.run(numbers, alpha)
    whole = time.process_time() - begun
    return {
        "network": name,
        "images": b,
        "model rows": clock.rows,
        "seconds": round(whole, 3),
        "over forward and backward": round(whole / clock.inside, 3),
        "ms a row": round(1000 * whole / clock.rows, 3),
    }


def part_sized(_):
    cases = [
        ("ResNet-18, width 16", resnet(16), 64, 2, 1),
        ("ResNet-18, width 16", resnet(16), 1, 30, 20),
        ("small convolutional net", small_net(), 64, 60, 40),
        ("small convolutional net", small_net(), 1, 60, 40),
    ]
    rows = []
    for case in cases:
        rows.append(sized_share(*case))
        print(rows[-1], flush=True)
    return rows


def part_rows(args):
    """Model rows of sets by size that reach the gap of masks by λ at the size that each of these comes to."""
    tables = []
    for data, name in (("mnist", "mnist_lenet5"), *((d, f"{d}_resnet18") for d in args.sets)):
        if not (args.models / f"{name}.safetensors").exists():
            continue
        objective, problem = task(args, data, name)
        parts = list(RelaxedSearch(objective, recommended_settings()).run(problem))
        masks = torch.cat([part.masks for part in parts]).flatten(1)
        sizes = masks.sum(1).round().clamp(1, masks.shape[1] - 1).long().tolist()
        restriction, images, alphas = objective.restriction, problem.images, problem.weights.alpha
        fillings = restriction.reference.value[None, None]
        gaps = blended_gaps(restriction.predictor, images.x, fillings, images.target, 512)
        cut = torch.stack([highest(m[None], (k,))[0, 0] for m, k in zip(masks, sizes, strict=True)])
        every = torch.arange(len(masks))
        by_weight = gaps.unified(every, alphas, cut[:, None].to(masks)).squeeze(1).mean().item()
        rows = torch.cat([part.model_rows for part in parts]).double().mean().item()
        for kind, usual in (("regions", region_settings()), ("pixels", pixel_settings())):
            for share in (0.05, 0.1, 0.2, 0.4, 1.0):
                gap, asked = [], []
                for i, size in enumerate(sizes):
                    sides = 1 if float(alphas[i]) in {0.0, 1.0} else 2
                    how = usual.within(max(2 * sides, int(share * usual.rows(1, sides))), 1, sides)
                    found = SizedSearch(gaps, (size,), how).run(every[i : i + 1], alphas[i : i + 1])
                    gap.append(gaps.unified(every[i : i + 1], alphas[i : i + 1], found.sets.to(masks)).item())
                    asked.append(int(found.model_rows[0]))
                tables.append({
                    "data": data, "sets": kind, "searches": len(sizes),
                    "mean size": round(sum(sizes) / len(sizes)), "rows, λ": round(rows),
                    "gap, λ, cut": round(by_weight, 4), "rows, by size": round(sum(asked) / len(asked)),
                    "gap, by size": round(sum(gap) / len(gap), 4),
                })  # fmt: skip
                print(tables[-1], flush=True)
    return tables


def task(args, data, name):
    """Objective and problem for test images, three α each; tuning used training images."""
    network = load_network(args.models, name).requires_grad_(False)
    predictor = differentiable_module(network, SOFTMAX, "probability")
    mean = read_images(args.data, data, "train").x.mean(0)
    images = read_images(args.data, data, "test").sample(args.images, args.seed).x
    restriction = SoftRestriction(
        predictor, BaselineReference(mean, "the mean training image"), seed=args.seed
    )
    objective, n = SoftObjective(restriction), len(ALPHAS)
    target = predictor.predict(images).argmax(1).repeat_interleave(n)
    weights = equal_weights(torch.tensor(ALPHAS).repeat(args.images), 2.0, variation_at(images.shape[-1]))
    return objective, objective.pose(images.repeat_interleave(n, 0), target, weights)


def solved(objective, problem, settings):
    begun = time.process_time()
    parts = list(RelaxedSearch(objective, settings).run(problem))
    seconds = time.process_time() - begun
    masks, rows = torch.cat([p.masks for p in parts]), torch.cat([p.model_rows for p in parts])
    fresh = SoftObjective(replace(objective.restriction, seed=objective.restriction.seed + 1))
    return fresh.estimate(problem, masks.flatten(1), 200).value, rows.double(), seconds


def part_paper(args):
    tables = []
    for data in args.sets:
        name = f"{data}_resnet18"
        if not (args.models / f"{name}.safetensors").exists():
            continue
        objective, problem = task(args, data, name)
        ours = solved(objective, problem, recommended_settings())
        paper = solved(objective, problem, paper_settings())
        for alpha in (None, *ALPHAS):
            chosen = torch.ones_like(problem.full, dtype=torch.bool)
            if alpha is not None:
                chosen = problem.weights.alpha == alpha
            tables.append(compared(data, alpha, [(v, r, s, chosen) for v, r, s in (ours, paper)]))
        print(tables[-4:], flush=True)
    return tables


def compared(data, alpha, both):
    (ours, our_rows, our_s, chosen), (paper, paper_rows, paper_s, _) = both
    less = (ours.objective - paper.objective)[chosen]
    share = chosen.double().mean().item()
    return {
        "data": data,
        "alpha": "all" if alpha is None else alpha,
        "pairs": int(chosen.sum()),
        "objective, paper": round(paper.objective[chosen].mean().item(), 4),
        "objective, recommended": round(ours.objective[chosen].mean().item(), 4),
        "difference": round(less.mean().item(), 4),
        "its standard error": round((less.std() / len(less) ** 0.5).item(), 4),
        "lower or equal": f"{int((less <= 1e-9).sum())}/{len(less)}",
        "rows a pair, paper": round(paper_rows[chosen].mean().item()),
        "rows a pair, recommended": round(our_rows[chosen].mean().item()),
        "times fewer rows": round((paper_rows[chosen].mean() / our_rows[chosen].mean()).item(), 1),
        "seconds, paper": round(paper_s * share, 1),
        "seconds, recommended": round(our_s * share, 1),
    }


def digits_net():
    images, labels = load_digits(return_X_y=True)
    x = torch.tensor(images / 16).float().view(-1, 1, 8, 8)
    y = torch.tensor(labels)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(576, 10))
    adam = torch.optim.Adam(net.parameters(), 3e-3)
    for step in range(600):
        rows = torch.randint(1500, (64,), generator=torch.Generator().manual_seed(step))
        adam.zero_grad()
        nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
        adam.step()
    net.eval().requires_grad_(False)
    accuracy = (net(x[1500:]).argmax(1) == y[1500:]).double().mean().item()
    return net, x[:1500].mean(0), x[1500:], accuracy


def part_optimum(args):
    net, mean, images, accuracy = digits_net()
    predictor = differentiable_module(net, SOFTMAX, "probability")
    reference, x = BaselineReference(mean), images[: args.digits]
    regions = (torch.arange(8) // 2).view(-1, 1) * 4 + torch.arange(8) // 2
    target = predictor.predict(x).argmax(1)
    players = image_players(regions, (1, 8, 8))
    function = SetFunction(
        EnumeratedRestriction(predictor, reference, players),
        x,
        TargetReadout(target.cpu().numpy()),
        players.count,
    )
    clouds = ExhaustiveSearch().compare(Unified(function, AbsoluteDistance()), 16, 20).clouds
    sizes = subset_sizes(16)
    search = RelaxedSearch(
        SoftObjective(SoftRestriction(predictor, reference)), recommended_settings(), SuperpixelGrid(regions)
    )
    rows = []
    for weight in (0.1, 0.5):
        question = MaskQuestion(ALPHAS, weight, 0.0, ThresholdCut(0.5))
        masks = find_masks(search, x, target, question)
        for alpha in ALPHAS:
            excess, worse, same = [], [], 0
            for item, cloud in zip(masks.at_alpha(alpha), clouds, strict=True):
                gaps = alpha * cloud.parts[:, 0] + (1 - alpha) * cloud.parts[:, 1]
                got = item.unified.unified(alpha)
                size = item.unified.size // 4
                whole = got + weight * size / 16 - (gaps + weight * sizes / 16).min().item()
                excess.append(whole)
                same += whole < 1e-5
                worse.append(got - gaps[sizes <= size].min().item())
            rows.append(distribution((alpha, weight, accuracy), excess, worse, same))
    return rows


def distribution(case, excess, worse, same):
    alpha, weight, accuracy = case
    at = torch.tensor([0.5, 0.9, 1.0], dtype=torch.float64)
    objective, gap = (torch.tensor(v, dtype=torch.float64).quantile(at).tolist() for v in (excess, worse))
    return {
        "alpha": alpha,
        "lambda_1": weight,
        "images": len(excess),
        "test accuracy": round(accuracy, 3),
        "optimum found": f"{same}/{len(excess)}",
        **{
            f"excess objective, {n}": round(v, 4)
            for n, v in zip(("median", "90 %", "most"), objective, strict=True)
        },
        **{f"excess gap, {n}": round(v, 4) for n, v in zip(("median", "90 %", "most"), gap, strict=True)},
    }


def peak(b):
    """Peak memory of a search over b images in this process, in MiB, and before the search."""
    objective = SoftObjective(
        SoftRestriction(
            differentiable_module(small_net(), SOFTMAX),
            BaselineReference(torch.zeros(3, 32, 32)),
            max_rows=64,
        )
    )
    problem = objective.pose(torch.rand(b, 3, 32, 32), 0, equal_weights(torch.full((b,), 0.5), 2.0, 1.0))
    for _ in RelaxedSearch(objective, short(2)).run(problem):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def part_memory(_):
    rows = []
    for b in (8, 64, 512):
        command = [sys.executable, __file__, "--peak", str(b)]
        answer = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        rows.append({"images": b, "max_rows": 64, "peak MiB": round(float(answer.split()[-1]))})
    return rows


def part_batch(_):
    rows = []
    for dtype in (torch.float64, torch.float32):
        net = small_net().to(dtype)
        net[-1].weight.mul_(30)  # answers that depend on the image
        predictor = differentiable_module(net, SOFTMAX)
        x = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(dtype)
        objective = SoftObjective(SoftRestriction(predictor, BaselineReference(x.mean(0))))
        found = {}
        for name, parts in (("batch", [x]), ("single", x.split(1))):
            weights = [equal_weights(torch.full((len(p),), 0.5, dtype=dtype), 0.01, 0.01) for p in parts]
            problems = [objective.pose(p, 0, w) for p, w in zip(parts, weights, strict=True)]
            runs = [d for p in problems for d in RelaxedSearch(objective, short(30)).run(p)]
            found[name] = torch.cat([run.masks for run in runs])
        off = (found["batch"] - found["single"]).abs()
        rows.append(
            {
                "dtype": str(dtype),
                "steps": 30,
                "largest difference of a mask": f"{off.max().item():.1e}",
                "mean": f"{off.mean().item():.1e}",
                "standard deviation of the masks": f"{found['batch'].std().item():.2f}",
                "largest gap between two images' masks": f"{found['batch'].diff(dim=0).abs().max():.2f}",
            }
        )
    return rows


PARTS = {
    "share": part_share,
    "paper": part_paper,
    "optimum": part_optimum,
    "memory": part_memory,
    "batch": part_batch,
    "sized": part_sized,
    "rows": part_rows,
}


def show(name, rows, out):
    if not rows:
        print(f"{name}: nothing to measure; are --data and --models given?")
        return
    heads = list(rows[0])
    width = [
        max(len(str(row[head])) for row in [*rows, dict(zip(heads, heads, strict=True))]) for head in heads
    ]
    print(f"\n{name}")
    for row in [dict(zip(heads, heads, strict=True)), *rows]:
        print("  ".join(str(row[head]).rjust(w) for head, w in zip(heads, width, strict=True)))
    if out:
        out.mkdir(parents=True, exist_ok=True)
        held = io.StringIO(newline="")
        writer = csv.DictWriter(held, heads)
        writer.writeheader()
        writer.writerows(rows)
        write_whole(out / f"masks_{name}.csv", held.getvalue().encode("utf-8"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--data", type=Path, default=os.environ.get("ONLYIF_DATA"))
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--images", type=int, default=4, help="test images of `paper`, three alphas each")
    parser.add_argument("--sets", nargs="+", default=["faces_smile", "cifar10"], help="data of `paper`")
    parser.add_argument("--digits", type=int, default=50, help="images of `optimum`")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.peak:
        print(peak(args.peak))
        return
    for name in args.parts:
        show(name, PARTS[name](args), args.out)


if __name__ == "__main__":
    main()
