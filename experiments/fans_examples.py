"""The paper's two examples, and one person of Adult for newcomers.

Example 1: PNS of all single players and pairs, by the boundary b. Example 2: vacuous at the printed
threshold, and not below .009. The person: PNS of every column alone, and the best sets of 1 to 4
columns with PN and PS, exact given E: all 16,384 sets of columns are compared.

    python experiments/fans_examples.py --data DIR [--person 0]

Writes example1.csv, example2.csv, person.csv, person.png and examples.md.
"""

from itertools import combinations

import numpy as np
import torch
from fans_common import Subjects, arguments, table, write_page
from fans_people import Adult, people, read_adult
from matplotlib.figure import Figure
from outputs import save_figure, save_rows

from onlyif.causation.change import NormChange
from onlyif.causation.dual_stage import DualStageTest
from onlyif.causation.neighbourhood import Events, HardEvents, Neighbourhood, SoftEvents
from onlyif.causation.probabilities import Probabilities
from onlyif.core.players import column_players
from onlyif.models.base import Predictor
from onlyif.models.function import FunctionPredictor
from onlyif.samples.background import PopulationSample

GRID = torch.cartesian_prod(*[torch.arange(3.0, dtype=torch.float64)] * 3)
SETS = (*combinations(range(3), 1), *combinations(range(3), 2))
STEP = FunctionPredictor(lambda rows: (rows[:, 0] - rows[:, 1] > 1).double())
SQUASHED = FunctionPredictor(lambda rows: torch.sigmoid(rows[:, 0] * rows[:, 1]))
BOUNDARIES = (0.5, 0.9, 1.0, 1.4, 2**0.5, 2.0, 10.0)
SIZES = (1, 2, 3, 4)


def example_test(predictor: Predictor, rows: torch.Tensor, events: Events) -> DualStageTest:
    """The test of a finite population with x' = 0."""
    d = rows.shape[1]
    players = column_players([f"x{i + 1}" for i in range(d)])
    return DualStageTest(predictor, players, PopulationSample(rows), torch.zeros(1, d), Neighbourhood(events))


def example_1() -> list[dict]:
    """PNS of singles and pairs of f = 1[x1 - x2 > 1] at (1, 1, 1), hard and soft, c = .5."""
    subset = np.array([[[i in s for i in range(3)] for s in SETS]])
    rows = []
    for kind in (HardEvents, SoftEvents):
        for b in BOUNDARIES:
            test = example_test(STEP, GRID, kind(b, 0.5))
            found = test.measure(torch.ones(1, 3).double(), subset, NormChange())
            values = zip(SETS, found.pns[0].tolist(), strict=True)
            named = {"".join(f"x{i + 1}" for i in s): round(value, 6) for s, value in values}
            rows.append({"events": kind.__name__, "b": round(b, 4), **named})
    return rows


def example_2() -> list[dict]:
    """The largest PNS of any set, for c as printed and below the largest change there is."""
    grid, rows = GRID[:, :2].unique(dim=0) * 0.1, []
    for c in (0.1, 0.0101, 0.0099, 0.0089, 0.005):
        found = example_test(SQUASHED, grid, HardEvents(1.0, c)).table(grid[-1:], NormChange())
        largest = {"largest PNS": float(found.pns.max()), "largest PS": float(found.ps.max())}
        rows.append({"c": c} | {name: round(value, 6) for name, value in largest.items()})
    return rows


def person_rows(adult: Adult, subjects: Subjects) -> tuple[list[dict], Probabilities]:
    """PNS of every column alone, then the best set of each size."""
    found = subjects.test.table(subjects.x, subjects.change)
    d = len(adult.names)
    size = ((torch.arange(2**d).unsqueeze(1) >> torch.arange(d)) & 1).sum(1)
    pns = torch.from_numpy(found.pns[0])
    best = [int(torch.where(size == wanted, pns, -1.0).argmax()) for wanted in SIZES]
    codes = [(f"{adult.names[i]} alone", 1 << i) for i in pns[1 << torch.arange(d)].sort(descending=True)[1]]
    codes += [
        (f"best {k}: " + ", ".join(members(adult, code)), code) for k, code in zip(SIZES, best, strict=True)
    ]
    return [{"columns": name, **numbers(found, code)} for name, code in codes], found


def members(adult: Adult, code: int) -> list[str]:
    """The columns of a bit code."""
    return [name for i, name in enumerate(adult.names) if code >> i & 1]


def numbers(found: Probabilities, code: int) -> dict:
    """PNS with what it is made of, and the error over E."""
    of = found.values
    named = {"PNS": of.pns, "PN": of.pn, "P(A,B)": of.p_changed, "PS": of.ps, "P(A',B')": of.p_unchanged}
    values = {name: round(float(numbers[0, code]), 4) for name, numbers in named.items()}
    effective = [round(float(sizes[0, code]), 1) for sizes in (found.effective_pn, found.effective_ps)]
    error = round(float(found.sample_stderr.pns[0, code]), 4)
    return {**values, "error over E": error, "effective inputs": "{} and {}".format(*effective)}


def picture(path, rows: list[dict], title: str) -> None:
    """Bars of PNS, its two parts on top of one another."""
    figure = Figure(figsize=(7.2, 4.6), layout="constrained")
    axes = figure.subplots()
    names = [row["columns"] for row in rows][::-1]
    necessary = [row["PN"] * row["P(A,B)"] for row in rows][::-1]
    sufficient = [row["PS"] * row["P(A',B')"] for row in rows][::-1]
    axes.barh(names, necessary, color="#D55E00", label="necessary: PN · P(A,B)")
    axes.barh(names, sufficient, left=necessary, color="#0072B2", label="sufficient: PS · P(A',B')")
    axes.axhline(len(SIZES) - 0.5, color="#8C8C8C", lw=0.8)
    axes.set(xlabel="PNS, between 0 and 2")
    figure.suptitle(title, fontsize=10)
    axes.tick_params(axis="y", labelsize=8)
    axes.legend(fontsize=8, frameon=False, loc="center right")
    save_figure(path, figure, dpi=150)


def main() -> None:
    """The examples, then the person."""
    given = arguments(__doc__.splitlines()[0], "fans_examples", person=0, background=100)
    torch.set_num_threads(1)
    first, second = example_1(), example_2()
    save_rows(given.out / "example1.csv", first)
    save_rows(given.out / "example2.csv", second)
    adult = read_adult(given)
    subjects = people(adult, given.person + 1, given.background, given.seed)
    subjects = subjects.take(slice(given.person, given.person + 1))
    rows, _ = person_rows(adult, subjects)
    save_rows(given.out / "person.csv", rows)
    values = adult.frame.iloc[24_000 + given.person].to_dict()
    p = float(subjects.predictor.predict(subjects.x)[0, 1])
    typical = float(subjects.predictor.predict(subjects.test.baseline)[0, 1])
    told = f"P(income > 50K) = {p:.2f}; for the typical person x' it is {typical:.2f}"
    picture(given.out / "person.png", rows, told)
    events = subjects.test.neighbourhood.events
    parts = [
        "# Examples",
        "## Example 1: f = 1[x1 - x2 > 1], x = (1, 1, 1), x' = 0, uniform on {0, 1, 2}³, c = .5",
        table(first),
        "## Example 2: f = σ(x1 x2) on {0, .1, .2}², x = (.2, .2), x' = 0, b = 1",
        table(second),
        f"## A person: {told}",
        ", ".join(f"{name}: {value}" for name, value in values.items()),
        f"|E| = {given.background + 1}, b = {events.b:.3f} (half the median distance), c = {events.c}, "
        f"accuracy {adult.accuracy:.3f}, seed {given.seed}. Exact given E.",
        table(rows),
    ]
    write_page(given.out, "examples", parts)


if __name__ == "__main__":
    main()
