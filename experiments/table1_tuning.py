"""Chooses the settings of Table 1 on training images, each method by the same budget of model rows.

    python -m experiments.table1_tuning --data DIR --dataset mnist --budget 40000

A method tries all its settings of `table1_methods.candidates` on as many of the same images as the budget
pays for, at most `--images`. Chosen is the setting with the best mean rank, among the method's own, of PNS,
both gaps and IROF, of those that have a map on the most images; of equal ones the first. A constant map is
measured as any other. Where the budget does not pay for three images of each setting, the first is kept.
Nothing of a test image is looked at.

Writes `experiments/table1_settings/DATASET.json`; what is finished is kept in WORK, as for the table.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from experiments.images import add_data_argument, read_images
from experiments.outputs import save_text
from experiments.table1 import HERE, NETWORKS, SEED, Plan, folder_of, scene_of
from experiments.table1_blocks import USELESS, Explainer, Method, block
from experiments.table1_measures import COLUMNS, Scene
from experiments.table1_methods import candidates
from experiments.table1_page import mean_error
from tqdm import tqdm

# Fewer images say nothing about settings.
LEAST = 3
NO_MAP = "no map"
BY = ("PNS", "Δsuf", "Δnec", "IROF")
HIGHER = {column.name: column.higher for column in COLUMNS}


def scores(method: Method, scene: Scene, folder: Path, n: int, size: int) -> tuple[dict[str, float], float]:
    """The means of the measures over n images, on how many there is no map, and rows an image."""
    parts = [
        block(method, scene.take(slice(k, min(k + size, n))), folder / str(n), k // size, moving=False)
        for k in range(0, n, size)
    ]
    found = {NO_MAP: float(sum(np.isin(part["state"], USELESS).sum() for part in parts))}
    for name in BY:
        values = [part.get(name, np.full(len(part["state"]), np.nan)) for part in parts]
        found[name] = mean_error(np.concatenate(values))[1]
    return found, float(np.concatenate([part["rows"] for part in parts]).mean())


def best_of(tried: dict[str, dict[str, float]]) -> str:
    """Of the settings with the fewest images without a map the one with the best mean rank, or the first."""
    least = min(own[NO_MAP] for own in tried.values())
    ranked = {label: own for label, own in tried.items() if own[NO_MAP] == least}

    def place(own: dict[str, float], name: str) -> int:
        sign = 1 if HIGHER[name] else -1
        return sum(sign * other[name] > sign * own[name] for other in ranked.values())

    places = {label: np.mean([place(own, name) for name in BY]) for label, own in ranked.items()}
    return min(places, key=lambda label: places[label])


def choose(  # noqa: PLR0917  # of one use
    name: str, settings: dict[str, Explainer], scene: Scene, folder: Path, budget: int, size: int
) -> dict[str, object]:
    """The setting of one method, and what was tried; where there is one setting, nothing is."""
    if len(settings) == 1:
        return {"setting": next(iter(settings)), "images": 0, "tried": {}}
    methods = {
        label: Method(f"{name}, {label}", explain, repr(explain), "development")
        for label, explain in settings.items()
    }
    rows = [scores(method, scene, folder, 1, size)[1] for method in methods.values()]
    n = min(len(scene.x), int(budget // max(1.0, sum(rows))))
    if n < LEAST:
        return {"setting": next(iter(settings)), "images": 0, "tried": {}}
    tried = {label: scores(method, scene, folder, n, size)[0] for label, method in methods.items()}
    shown = {label: {key: round(value, 6) for key, value in found.items()} for label, found in tried.items()}
    return {"setting": best_of(tried), "images": n, "tried": shown}


def main(arguments: list[str] | None = None) -> None:
    """Everything."""
    parser = argparse.ArgumentParser(
        prog="python -m experiments.table1_tuning", description=__doc__.splitlines()[0]
    )
    add_data_argument(parser)
    parser.add_argument("--dataset", choices=list(NETWORKS), default="mnist")
    parser.add_argument("--budget", type=int, default=40_000, help="model rows a method")
    parser.add_argument("--images", type=int, default=20, help="most images a method")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--work", type=Path, default=Path("table1_work"))
    parser.add_argument("--out", type=Path, default=HERE / "table1_settings")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    train = read_images(given.data, given.dataset, "train")
    mean_image, development = train.x.mean(0), train.sample(given.images, SEED + 1)
    del train
    scene = scene_of(given.models, given.dataset, development, mean_image)
    plan = Plan(given.images, 0, 0, 0)
    folder = folder_of(given.work, f"{given.dataset}-development", scene, plan)
    found = {}
    for name, settings in tqdm(candidates(mean_image).items(), disable=None):
        found[name] = choose(name, settings, scene, folder, given.budget, plan.size)
        print(name, found[name]["setting"], found[name]["images"], flush=True)
    chosen = {name: one["setting"] for name, one in found.items() if one["images"]}
    told = {"images": given.images, "budget": given.budget, "chosen": chosen, "how": found}
    given.out.mkdir(parents=True, exist_ok=True)
    save_text(given.out / f"{given.dataset}.json", json.dumps(told, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
