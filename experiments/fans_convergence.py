"""Loss and PNS over the steps of ascent, for samples E of 20, 200 and 2,000 inputs (Figure 6 of the paper).

E is training images and the explained test digit. Ascents of several lengths stand for the steps: with
the paper's constant rate they are one path, with the recommended falling rate each one is finished. PNS of
the top 160 pixels is measured with fresh random numbers and the same E; n · PNS is what is left when the
1/n of weights that collapse on x alone is taken out. The paper's setting starts from |Integrated Gradients|.

    python experiments/fans_convergence.py --data DIR --models DIR [--images 2] [--large-images 1]

Writes loss.csv, pns.csv, convergence.png and convergence.md.
"""

import time
from dataclasses import replace

import torch
from fans_common import Subjects, arguments, digits, mean_error, said, table, write_page
from fans_starts import GRADIENTS, correlation, starts_of
from images import read_images
from matplotlib.figure import Figure
from outputs import save_figure, save_rows

from onlyif.causation.boundaries import scott_boundary
from onlyif.causation.neighbourhood import SoftEvents
from onlyif.criteria.soft_causation_draws import StepDraws
from onlyif.samples.background import BackgroundSample
from onlyif.searches.ascent import ascend
from onlyif.searches.ascent_settings import AscentSettings, paper_settings, recommended_settings
from onlyif.searches.mask_shapes import SizedMasks, top_players

COUNTS = (20, 200, 2000)
LENGTHS = {"paper": (10, 50), "recommended": (5, 20)}
N_PIXELS = 160


def settings_of(name: str, steps: int) -> AscentSettings:
    """Of one length; the recommended scheme with one size, for the cost of a step grows with |E|."""
    if name == "paper":
        return paper_settings(steps=steps)
    return replace(recommended_settings(steps=steps), draws=StepDraws(2), shape=SizedMasks((0.2,)))


def sampled(given, n: int, images: int, background: torch.Tensor) -> Subjects:
    """Digits with an E of n training images and the digit."""
    subjects = digits(given, images, sample=BackgroundSample(background[: n - 1]))
    near = replace(subjects.test.neighbourhood, events=SoftEvents(scott_boundary(n, 784), 0.1))
    return replace(subjects, test=replace(subjects.test, neighbourhood=near))


def climbed(subjects: Subjects, name: str, n: int) -> tuple[list[dict], list[dict]]:
    """Losses of the longest ascent, and PNS after each length."""
    start = starts_of(subjects)[GRADIENTS] if name == "paper" else None
    losses, rows = [], []
    test = subjects.fresh(16 if n <= COUNTS[1] else 2, seed=subjects.test.seed + 1)
    # The same E as in the ascent: only the background is drawn, and it is given.
    for steps in (0, *LENGTHS[name]):
        before = time.perf_counter()
        found = ascend(
            subjects.predictor,
            subjects.test,
            subjects.x,
            subjects.change,
            settings=settings_of(name, max(steps, 1)),
            start=start,
            max_rows=4096,
        )
        seconds = time.perf_counter() - before
        scores = found.scores if steps else found.start
        measured = test.measure(subjects.x, top_players(scores, N_PIXELS).numpy(), subjects.change)
        pns = torch.from_numpy(measured.pns[:, 0])
        rows.append(
            {"setting": name, "|E|": n, "steps": steps, "images": len(pns), "PNS": said(pns, 5)}
            | {
                "n · PNS": said(n * pns),
                "effective PN, PS": _pair((measured.effective_pn.mean(), measured.effective_ps.mean())),
            }
            | {"correlation with start": said(correlation(scores, found.start))}
            | {"model rows": round(found.model_rows), "seconds": round(seconds, 1)}
            | {"mean": n * mean_error(pns)[0]}
        )
    losses += [
        {"setting": name, "|E|": n, "step": step, "loss": -float(value)}
        for step, value in enumerate(found.trace.mean(0))
    ]
    print(name, n, flush=True)
    return losses, rows


def _pair(values: tuple[float, float]) -> str:
    return "{:.1f}, {:.1f}".format(*values)


def picture(path, losses: list[dict], rows: list[dict]) -> None:
    """Left the loss as a share of its first value's size, right n · PNS."""
    figure = Figure(figsize=(7.6, 5.2), layout="constrained")
    for line, name in zip(figure.subplots(2, 2), LENGTHS, strict=True):
        for n in COUNTS:
            own = [row for row in losses if (row["setting"], row["|E|"]) == (name, n)]
            scale = max(abs(row["loss"]) for row in own) or 1.0
            line[0].plot(
                [row["step"] for row in own], [row["loss"] / scale for row in own], label=f"|E| = {n}"
            )
            found = [row for row in rows if (row["setting"], row["|E|"]) == (name, n)]
            line[1].plot([row["steps"] for row in found], [row["mean"] for row in found], marker="o", ms=3)
        line[0].set(xlabel="step", ylabel="loss / its largest size", title=name)
        line[1].set(xlabel="steps", ylabel="|E| · PNS of 160 pixels", title=name)
        line[1].set_yscale("symlog", linthresh=0.01)
        line[0].legend(fontsize=7, frameon=False)
    save_figure(path, figure, dpi=150)


def main() -> None:
    """Both settings for all sizes of E."""
    given = arguments(__doc__.splitlines()[0], "fans_convergence", images=2, large_images=1)
    torch.set_num_threads(1)
    background = read_images(given.data, "mnist", "train").sample(COUNTS[-1], 1).x
    losses, rows = [], []
    for n in COUNTS:
        images = given.images if n < COUNTS[-1] else given.large_images
        subjects = sampled(given, n, images, background)
        for name in LENGTHS:
            more_losses, more_rows = climbed(subjects, name, n)
            losses, rows = losses + more_losses, rows + more_rows
        save_rows(given.out / "loss.csv", losses)
        save_rows(given.out / "pns.csv", rows)
        shown = [key for key in rows[0] if key != "mean"]
        page = "PNS of the top 160 of 784 pixels; ± over images, c = .1, Scott's b, distances summed."
        write_page(given.out, "convergence", ["# Convergence", page, table(rows, shown)])
    picture(given.out / "convergence.png", losses, rows)


if __name__ == "__main__":
    main()
