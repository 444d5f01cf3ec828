"""Ascent of PNS on LeNet-5 and MNIST: speed against the model's own time, rows against PNS, memory.

    python benchmarks/fans.py [--parts PART ...] [--data DATA] [--models MODELS] [--out OUT]

The floor is the model's own time: a loop over finished batches with as many forwards and backwards
of the same network, at its best batch size. Everything runs on one thread; times are CPU seconds of
this process, minima of alternating runs. Networks come from experiments/train_networks.py. Tables are
written to OUT as CSV, and all of them as one page.
"""

import argparse
import csv
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
from fans_common import by_player, digits, integrated_gradients, mean_error, pixel_players, set_pns, table
from images import read_images
from networks import load_network

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.change import TargetChange, predicted_targets
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Neighbourhood, SoftEvents
from onlyif.core.players import Players
from onlyif.models.differentiable import DifferentiablePredictor, differentiable_module
from onlyif.references.baseline import uniform_baseline
from onlyif.samples.noisy import NoisySample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import paper_settings, recommended_settings
from onlyif.searches.mask_shapes import top_players

RESULTS = Path(__file__).parents[1] / "experiments" / "results"
SIZES = (40, 80, 160, 320)
BATCHES = (256, 512, 1024, 2048, 4096)
SOFTMAX = nn.Softmax(1)


class Clock:
    """CPU seconds inside a model's forward and backward, by the times at which its ends are reached."""

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


def question(x, predictor, seed=0):
    """The dual-stage test and the change of the predicted class, of images on any device."""
    entries = x[0].numel()
    shape = tuple(x.shape[1:])
    players = (
        pixel_players(shape[-1])
        if shape[0] == 1
        else Players(np.arange(entries).reshape(shape), tuple(f"e{i}" for i in range(entries)))
    )
    events = SoftEvents(scott_boundary(4, entries), 0.1)
    baseline = torch.from_numpy(uniform_baseline(shape, seed=seed))
    test = DualStageTest(predictor, players, NoisySample(4, 0.01), baseline, Neighbourhood(events), seed=seed)
    return test, TargetChange(predicted_targets(predictor, x, 1024))


def test_digits(args, n):
    return read_images(args.data, "mnist", "test").sample(n, args.seed).x


def lenet(args):
    return load_network(args.models, "mnist_lenet5").requires_grad_(False)


def ascent_seconds(predictor, x, settings, repeats_of_x=1, max_rows=512):
    """CPU seconds of an ascent, and the rows that it asks for and differentiates."""
    test, change = question(x, predictor)
    begun, rows = time.process_time(), 0.0
    for _ in range(repeats_of_x):
        found = ascend(predictor, test, x, change, settings=settings, max_rows=max_rows)
        rows += found.model_rows * len(x)
    return time.process_time() - begun, rows


def floor_seconds(module, rows, batch):
    """CPU seconds a row of the network's forward and backward, in batches of one size."""
    finished = torch.rand(batch, 1, 28, 28).requires_grad_()
    n = max(1, round(rows / batch))
    begun = time.process_time()
    for _ in range(n):
        torch.autograd.grad(SOFTMAX(module(finished)).square().sum(), finished)
    return (time.process_time() - begun) / (n * batch)


def shared_time(module, x, settings):
    clock = Clock(module)
    predictor = DifferentiablePredictor(clock)
    test, change = question(x, predictor)
    clock.inside, begun = 0.0, time.process_time()
    ascend(predictor, test, x, change, settings=settings)
    return clock.inside / (time.process_time() - begun)


def part_speed(args):
    """Ours at b = 64 and b = 1 and the floor, in alternation; steps are cut, all of them cost the same."""
    module, x = lenet(args), test_digits(args, 64)
    predictor = differentiable_module(module, SOFTMAX, "probability")
    cases = (
        ("recommended", recommended_settings(n_inputs=1), recommended_settings(steps=args.steps, n_inputs=1)),
        ("paper", paper_settings(), paper_settings(steps=args.steps)),
    )
    floors = {batch: [] for batch in BATCHES}
    many, one = {case[0]: [] for case in cases}, {case[0]: [] for case in cases}
    # Once unmeasured: the allocator keeps the memory that it has had.
    for batch in BATCHES:
        floor_seconds(module, batch, batch)
    for _ in range(args.repeats):
        for name, _, cut in cases:
            many[name].append(ascent_seconds(predictor, x, cut))
            one[name].append(ascent_seconds(predictor, x[:1], cut, 4))
            for batch in BATCHES:
                floors[batch].append(floor_seconds(module, args.floor_rows, batch))
    best = min(BATCHES, key=lambda batch: min(floors[batch]))
    rows = []
    for name, whole, cut in cases:
        ours, alone = (min(s / asked for s, asked in found[name]) for found in (many, one))
        asked = ascent_seconds(predictor, x[:1], whole)[1]
        rows.append(
            {
                "setting": name,
                "steps": whole.schedule.steps,
                "rows an image": round(asked),
                "ms a row, b = 64": round(1000 * ours, 4),
                "ms a row, floor": round(1000 * min(floors[best]), 4),
                "best batch of the floor": best,
                "ours / floor": round(ours / min(floors[best]), 3),
                "share in forward and backward": round(shared_time(module, x, cut), 3),
                "images/s, b = 64": round(1 / (ours * asked), 3),
                "images/s, b = 1": round(1 / (alone * asked), 3),
                "b = 64 / b = 1": round(alone / ours, 2),
            }
        )
    return rows


def part_rows(args):
    """PNS of the subsets found, fresh draws, at equal sizes, against the rows that they took."""
    given = argparse.Namespace(data=args.data, models=args.models, seed=args.seed)
    subjects = digits(given, args.images)
    gradients = by_player(
        integrated_gradients(subjects, torch.zeros(1, 1, 28, 28)).abs(), subjects.test.players
    )
    gradients = gradients / gradients.amax(1, keepdim=True)
    cases = [
        (f"recommended, {n} steps", recommended_settings(steps=n, n_inputs=1), None)
        for n in (16, 30, 60, 200)
    ]
    cases += [
        ("paper", paper_settings(), None),
        ("paper, from Integrated Gradients", paper_settings(), gradients),
        ("Integrated Gradients itself", None, gradients),
    ]
    if args.long_steps:
        cases.append(
            (f"paper, lr .1, {args.long_steps} steps", paper_settings(steps=args.long_steps, rate=0.1), None)
        )
    rows, found = [], {}
    for name, settings, start in cases:
        scores, asked = start, 0.0
        if settings:
            run = ascend(
                subjects.predictor, subjects.test, subjects.x, subjects.change, settings=settings, start=start
            )
            scores, asked = run.scores, run.model_rows
        subsets = torch.cat([top_players(scores, size) for size in SIZES], 1)
        found[name] = set_pns(subjects.fresh(64), subjects.x, subsets, subjects.change)
        row = {"setting": name, "rows an image": round(asked)}
        for size, values in zip(SIZES, found[name].unbind(1), strict=True):
            row[f"PNS of {size}"] = "{:.3f} ± {:.3f}".format(*mean_error(values))
        row["mean"] = round(float(found[name].mean()), 4)
        rows.append(row)
        print(row, flush=True)
    ours = found["recommended, 60 steps"].mean(1)
    for row in rows:
        mean, error = mean_error(ours - found[row["setting"]].mean(1))
        row["60 steps minus this, paired"] = f"{mean:.4f} ± {error:.4f}"
    return rows


MEMORY = """
import sys; sys.path[:0] = [{benchmarks!r}]
import argparse, pathlib, torch
torch.set_num_threads(1)
import fans
args = argparse.Namespace(data=pathlib.Path({data!r}), models=pathlib.Path({models!r}), seed=0)
x = fans.test_digits(args, 256)[:{b}].clone()
predictor = fans.differentiable_module(fans.lenet(args), fans.SOFTMAX, "probability")
fans.ascent_seconds(predictor, x, fans.{setting}_settings(steps=2), 1, {max_rows})
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def part_memory(args):
    """Peak resident memory of fresh processes: it follows `max_rows`, not the number of images."""
    rows = []
    for setting, b, max_rows in (
        ("recommended", 1, 64),
        ("recommended", 64, 1024),
        ("recommended", 256, 1024),
        ("recommended", 64, 4096),
        ("recommended", 256, 4096),
        ("paper", 64, 1024),
        ("paper", 256, 1024),
    ):
        code = MEMORY.format(
            benchmarks=str(Path(__file__).parent),
            data=str(args.data),
            models=str(args.models),
            setting=setting,
            b=b,
            max_rows=max_rows,
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        mib = int(done.stdout.split()[-1]) / 1024
        rows.append({"setting": setting, "images": b, "max_rows": max_rows, "peak MiB": round(mib)})
        rows[-1]["above one image"] = round(mib - rows[0]["peak MiB"])
    return rows


def part_batch(args):
    """Largest difference between the maps of a batch and of its images alone, at one seed."""
    module, x = lenet(args), test_digits(args, 5)
    predictor, rows = differentiable_module(module, SOFTMAX, "probability"), []
    for settings in (recommended_settings(n_inputs=1), paper_settings(steps=20)):
        test, change = question(x, predictor)
        whole = ascend(predictor, test, x, change, settings=settings).scores
        alone = torch.cat(
            [
                ascend(predictor, test, x[i : i + 1], change.take(np.array([i])), settings=settings).scores
                for i in range(len(x))
            ]
        )
        split = ascend(predictor, test, x, change, settings=settings, max_rows=50).scores
        rows.append(
            {
                "setting": settings.name,
                "steps": settings.schedule.steps,
                "largest difference, batch and single": f"{float((whole - alone).abs().max()):.1e}",
                "largest difference, max_rows 512 and 50": f"{float((whole - split).abs().max()):.1e}",
                "same 80 players": f"{_same(whole, alone):.3f}",
            }
        )
    return rows


def _same(one, other):
    return float((top_players(one, 80) & top_players(other, 80)).sum((1, 2)).float().mean() / 80)


def part_cuda(args):
    """Images a second on a GPU, by wall clock."""
    if not torch.cuda.is_available():
        return [{"network": "none", "skipped": "torch sees no CUDA device"}]
    rows = []
    for name, data, b, max_rows in (
        ("mnist_lenet5", "mnist", 1024, 65_536),
        ("cifar10_resnet18", "cifar10", 256, 16_384),
    ):
        module = load_network(args.models, name).requires_grad_(False).cuda()
        x = read_images(args.data, data, "test").sample(b, args.seed).x.cuda()
        predictor = differentiable_module(module, SOFTMAX, "probability")
        test, change = question(x, predictor)
        times = []
        for _ in range(3):
            torch.cuda.synchronize()
            begun = time.perf_counter()
            ascend(predictor, test, x, change, max_rows=max_rows)
            torch.cuda.synchronize()
            times.append(time.perf_counter() - begun)
        peak = torch.cuda.max_memory_allocated() / 2**20
        rows.append({"network": name, "images": b, "images/s": round(b / min(times), 1), "MiB": round(peak)})
    return rows


PARTS = {
    "speed": part_speed,
    "rows": part_rows,
    "memory": part_memory,
    "batch": part_batch,
    "cuda": part_cuda,
}


def page(args):
    """All tables that are there, with what they are of."""
    text = [
        "# Ascent of PNS: benchmark",
        "Printed by `benchmarks/fans.py`; LeNet-5 on MNIST test images, 784 pixels as players, E of the "
        "image and three noisy copies, c = .1. One thread.",
    ]
    for name, work in PARTS.items():
        path = args.out / f"{name}.csv"
        if path.is_file():
            with path.open(newline="") as file:
                text += [f"## {name}", work.__doc__.split("\n")[0], table(list(csv.DictReader(file)))]
    (args.out / "fans_benchmark.md").write_text("\n\n".join(text) + "\n")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("ONLYIF_DATA", "data")))
    parser.add_argument("--models", type=Path, default=Path("models"), help="from train_networks.py")
    parser.add_argument("--out", type=Path, default=RESULTS / "fans_benchmark")
    parser.add_argument("--images", type=int, default=16, help="of the table of rows")
    parser.add_argument(
        "--long-steps", type=int, default=500, help="of the paper's setting with lr .1; 0: none"
    )
    parser.add_argument("--steps", type=int, default=8, help="of the timed runs")
    parser.add_argument("--repeats", type=int, default=3, help="of the timed runs")
    parser.add_argument("--floor-rows", type=int, default=8192, help="of each timed floor")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    for part in args.parts:
        begun = time.process_time()
        rows = PARTS[part](args)
        with (args.out / f"{part}.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        print(f"\n{part}, {time.process_time() - begun:.0f} CPU s\n{table(rows)}", flush=True)
    page(args)


if __name__ == "__main__":
    main()
