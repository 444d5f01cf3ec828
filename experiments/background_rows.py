"""How many background rows a link of a sum of trees needs: smallest sets over some of them, tried on others.

    python experiments/background_rows.py --data FOLDER              60 declined rows of Adult, LightGBM
    python experiments/background_rows.py --data FOLDER --rows 5     a look

f_S(x) of all subsets is computed once over groups of 500 rows. Of these, some are the background, over which
the smallest sufficient and the smallest necessary set are chosen as by default (ε is a tenth of the distance
to the average, ties go to the least gap), and twenty others judge the sets. Printed are, for each number of
background rows, the members of a set and the shares of sets that hold, cannot be told and do not hold.
"""

import argparse
import warnings
from pathlib import Path

import numpy as np
from decisions import KINDS, problems

import onlyif
from onlyif.core.subsets import bit_counts
from onlyif.explanation.selection import Measure, Selection
from onlyif.explanation.verdicts import GAPS, verdict_of
from onlyif.restrictions.groups import Groups
from onlyif.setup.prepare import prepare

GROUP, N_JUDGING, FINDINGS = 500, 20, ("holds", "cannot tell", "does not hold")


def gaps(values):
    """Δsuf and Δnec of all subsets, in the last axis, of f_S(x) by code."""
    return np.stack([abs(values[..., -1:] - values), abs(values[..., ::-1] - values[..., :1])])


def tables(problem):
    """For one row after another, f_S(x) of all subsets over each group of rows."""
    background = problem.others[: len(problem.others) // GROUP * GROUP]
    options = onlyif.Explainer(problem.model, background, reference=onlyif.Marginal(None)).options
    function = prepare(problem.model, problem.rows, background, options).whole.criterion.set_function
    members = np.arange(len(background)).reshape(-1, GROUP)
    groups = Groups(tuple(members), np.zeros((0, len(members))))
    for i in range(len(problem.rows)):
        yield function.part(slice(i, i + 1)).grouped_table(groups).of_groups(0)[:, :, 0].T


def tried(of_groups, chosen, judging):
    """Size and finding of the smallest set of each kind over some groups."""
    found, judged = gaps(of_groups[chosen].mean(0)), of_groups[judging]
    epsilon, sizes = found[0, 0] / 10, bit_counts(np.arange(of_groups.shape[1]))
    for kind, gap, fresh in zip(KINDS, found, gaps(judged.mean(0)), strict=True):
        within = np.flatnonzero(gap <= epsilon)
        best = min(within.tolist(), key=lambda code: (sizes[code], gap[code]))
        kept = judged[:, best] if kind == "sufficient" else judged[:, ~best] - judged[:, 0]
        measure = Measure(float(fresh[best]), float(kept.std(ddof=1) / len(judging) ** 0.5))
        selection = Selection((), (), {GAPS[kind]: Measure(float(gap[best])), f"fresh_{GAPS[kind]}": measure})
        yield kind, int(sizes[best]), verdict_of(selection, kind, float(epsilon)).finding.value


def main():
    """Print a line for each number of rows."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--rows", type=int, default=60, help="declined rows that are explained")
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1_000, 2_000, 4_000, 10_000])
    parser.add_argument("--models", nargs="+", default=["lightgbm-probability"], help="links of trees")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    for problem, _ in problems(options):
        found = {(size, kind): [] for size in options.sizes for kind in KINDS}
        rng = np.random.default_rng(options.seed)
        for of_groups in tables(problem):
            order = rng.permutation(len(of_groups))
            for size in options.sizes:
                for kind, n, finding in tried(
                    of_groups, order[N_JUDGING:][: size // GROUP], order[:N_JUDGING]
                ):
                    found[size, kind].append((n, finding))
        for (size, kind), all_of in found.items():
            shares = [np.mean([finding == name for _, finding in all_of]) for name in FINDINGS]
            said = ", ".join(f"{name} {share:.3f}" for name, share in zip(FINDINGS, shares, strict=True))
            members = np.mean([n for n, _ in all_of])
            print(f"{problem.name}, {size:,} rows, {kind}: {members:.2f} members; {said}", flush=True)


if __name__ == "__main__":
    main()
