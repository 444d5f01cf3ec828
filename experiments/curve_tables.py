"""The tables of the threshold-curve experiment: areas, sets beyond a threshold, sizes at equal gap."""

import pandas as pd
import torch
from curve_methods import METHODS
from torch import Tensor

from onlyif.core.torch_seeds import torch_generator
from onlyif.metrics.curves import Curve, ThresholdCurves

SEED, EPSILON, FLOOR, BEYOND = 0, 0.1, 1e-3, 0.1


def with_error(values: Tensor) -> str:
    """Mean and standard error."""
    values = values[~values.isnan()].double()
    return f"{values.mean():.3f} ± {values.std() / len(values) ** 0.5:.3f}" if len(values) > 1 else "none"


def curve_rows(found: dict[str, ThresholdCurves]) -> pd.DataFrame:
    """Every curve: mean and standard error at every threshold."""
    lines = []
    for name, each in found.items():
        curves: dict[str, Curve] = {
            "-log Δsuf": each.log_sufficiency,
            "-log Δnec": each.log_necessity,
            "-log size": each.log_size,
            "Δsuf": each.sufficiency,
            "Δnec": each.necessity,
            "size": each.size,
        }
        for kind, curve in curves.items():
            numbers = zip(curve.thresholds.tolist(), curve.mean.tolist(), curve.stderr.tolist(), strict=True)
            lines += [
                {"method": name, "curve": kind, "t": t, "mean": mean, "stderr": stderr}
                for t, mean, stderr in numbers
            ]
    return pd.DataFrame(lines)


def area_table(found: dict[str, ThresholdCurves], seconds: dict[str, float]) -> pd.DataFrame:
    """The area under each curve."""
    lines = []
    for name, each in found.items():
        areas = {
            "-log Δsuf": each.log_sufficiency.area,
            "-log Δnec": each.log_necessity.area,
            "-log size": each.log_size.area,
            "Δsuf": each.sufficiency.area,
            "Δnec": each.necessity.area,
            "size": each.size.area,
        }
        line = {kind: with_error(area.values) for kind, area in areas.items()}
        lines.append({"method": name, **line, "s an image": f"{seconds[name] / len(each.size.values):.2f}"})
    return pd.DataFrame(lines)


def found_beyond(found: dict[str, ThresholdCurves]) -> pd.DataFrame:
    """Which methods have sets with a small gap at thresholds beyond .1, and how large these are."""
    lines = []
    for name, each in found.items():
        size, line = each.size.beyond(BEYOND).values, {"method": name}
        for kind, curve in (("necessary", each.necessity), ("sufficient", each.sufficiency)):
            good = curve.beyond(BEYOND).values <= EPSILON
            smallest = torch.where(good, size, torch.inf).amin(1)
            some = smallest.isfinite()
            line[f"{kind}: images with one"] = with_error(some.double())
            line[f"{kind}: with one of <= half"] = with_error((smallest <= 0.5).double())
            line[f"{kind}: share of t"] = with_error(good.double().mean(1))
            line[f"{kind}: least size"] = with_error(smallest[some])
        lines.append(line)
    return pd.DataFrame(lines)


def ranked(scores: Tensor, counts: Tensor) -> Tensor:
    """Sets (b, m, h, w) of the `counts` (b, m) highest pixels; ties in random order."""
    b, n = len(scores), scores[0].numel()
    shuffled = torch.stack([torch.randperm(n, generator=torch_generator(SEED, "ties", i)) for i in range(b)])
    order = scores.flatten(1).gather(1, shuffled).argsort(dim=1, descending=True, stable=True)
    place = torch.empty_like(order).scatter(1, shuffled.gather(1, order), torch.arange(n).expand(b, n))
    return (place.unsqueeze(1) < counts.unsqueeze(2)).view(b, -1, *scores.shape[1:])


def against(mine: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> dict[str, list[float]]:
    """Our sizes and gaps, another's least sizes at no larger gap (or the floor), and its gaps at our sizes.

    Args:
        mine: Sizes and gaps (b,) of our sets.
        other: Sizes and gaps (b, m) of its sets; the last is as large as ours, some other has all pixels.
    """
    (size, gap), (counts, gaps) = mine, other
    enough = gaps <= gap.clamp(min=FLOOR).unsqueeze(1)
    least = torch.where(enough, counts, counts.amax()).amin(1)
    columns = {"our size": size, "our gap": gap, "its least size": least, "its gap at our size": gaps[:, -1]}
    return {name: column.tolist() for name, column in columns.items()}


def others(rows: pd.DataFrame, n_pixels: int) -> pd.DataFrame:
    """The rows in which another method meets a set of ours that is neither empty nor everything."""
    size = rows["our size"]
    return rows[rows["method"].isin(METHODS) & (size > 0) & (size < n_pixels)]


def smallest_table(rows: pd.DataFrame, n_pixels: int) -> pd.DataFrame:
    """Means over the images where our set is neither empty nor everything."""
    lines = []
    for (alpha, method), some in (
        others(rows, n_pixels).sort_values("α", kind="stable").groupby(["α", "method"], sort=False)
    ):
        size, gap, least, at_size = (
            torch.tensor(some[name].to_numpy()).double() for name in rows.columns[3:]
        )
        line = {"α": f"{alpha:g}", "method": method, "images": str(len(some))}
        line["our size"] = with_error(size / n_pixels)
        line["its least size at our gap"] = with_error(least / n_pixels)
        line["median of its / ours"] = f"{(least / size).median():.2f}"
        line["ours is smaller"] = with_error((size < least).double())
        line["our gap"], line["its gap at our size"] = with_error(gap), with_error(at_size)
        lines.append(line | {"its gap - ours": with_error(at_size - gap)})
    return pd.DataFrame(lines)


def answers(found: pd.DataFrame, rows: pd.DataFrame, n_pixels: int) -> str:
    """Both answers in words and numbers."""
    column = "necessary: with one of <= half"
    named = found[found["method"].isin(METHODS)].set_index("method")[column]
    shares = "; ".join(f"{method} {share}" for method, share in named.items())
    what = f"a necessary S_t of at most half the pixels at some t > {BEYOND:g}"
    lines = [f"- Share of images with {what}: {shares}."]
    for alpha, some in others(rows, n_pixels).groupby("α"):
        best = some.groupby("image")[["our size", "its least size"]].min()
        smaller, ratio = best["our size"] < best["its least size"], best["its least size"] / best["our size"]
        share = with_error(torch.tensor(smaller.to_numpy()).double())
        size = rows[rows["α"] == alpha].groupby("image")["our size"].first()
        lines.append(
            f"- α = {alpha:g}: at equal gap ours is smaller than *every* method above, each at its best cut, "
            f"on {share} of {len(best)} images; the best other set is {ratio.median():.2f} times as large in "
            f"the median. Of all {len(size)} images ours is empty on {int((size == 0).sum())} and everything "
            f"on {int((size == n_pixels).sum())}, which explains nothing."
        )
    return "\n".join(lines)


def markdown(table: pd.DataFrame) -> str:
    """A table in markdown."""
    lines = [" | ".join(table.columns), " | ".join("---" for _ in table.columns)]
    lines += [" | ".join(str(value) for value in row) for row in table.itertuples(index=False)]
    return "\n".join(f"| {line} |" for line in lines)
