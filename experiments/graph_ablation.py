"""FANS for graphs with one module left out: figure 5 of the paper, under the protocol of the graph tables.

| row | what is left out |
|---|---|
| w/o SF | the sufficiency module: PN · P(A, B) alone is ascended |
| w/o NC | the necessity module: PS · P(Ā, B̄) alone |
| w/o SR | the weights of the factual stage: all inputs of E count alike |

    python experiments/graph_ablation.py --data DIR --models DIR [--dataset NAME] [--seeds N] [--nodes N]
        [--settings recommended paper]

The nodes are those of `table2.py`. Blocks are kept in OUT/graph_ablation/DATASET; writes
graph_ablation/DATASET.md.
"""

from argparse import Namespace
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
from graph_ours import DEFAULT, PAPER, OurSettings, pns_scores
from graph_worlds import BLOCK, arguments, nodes_of, parsed, slug
from outputs import save_text
from resumed import kept
from table2 import cell, explained

from onlyif.causation.abduction import Unweighted

SETTINGS = {"recommended": DEFAULT, "paper": PAPER}
SHOWN = ("hard FID+", "hard FID-", "soft FID+", "soft FID-", "Gini", "Recall@12")


def without(settings: OurSettings) -> dict[str, OurSettings]:
    """The settings, and the same with one module left out.

    Args:
        settings: With all modules.
    """
    ascent = settings.fans.ascent
    changed = {
        "full": ascent,
        "w/o SF": replace(ascent, weights=(1.0, 0.0)),
        "w/o NC": replace(ascent, weights=(0.0, 1.0)),
        "w/o SR": replace(ascent, abduction=Unweighted()),
    }
    return {
        name: replace(settings, fans=replace(settings.fans, ascent=each)) for name, each in changed.items()
    }


def rows(given: Namespace, folder: Path) -> pd.DataFrame:
    """All blocks, made where they are missing."""
    found = []
    for seed in range(given.seeds):
        here = nodes_of(given, seed)
        for kind in given.settings:
            for name, changed in without(SETTINGS[kind]).items():
                for first in range(0, given.nodes, BLOCK):
                    some = here.tested[first : first + BLOCK]
                    scorer = pns_scores(here.world.egos, changed, seed)
                    path = folder / f"{kind}_{slug(name)}_{seed}_{first // BLOCK}.csv"
                    if some:
                        table = kept(path, partial(explained, here.world, scorer, some))
                        found.append(table.assign(settings=kind, method=name))
    return pd.concat(found, ignore_index=True)


def report(title: str, table: pd.DataFrame) -> str:
    """The table as markdown."""
    columns = [name for name in SHOWN if name in table and table[name].notna().any()]
    lines = [
        f"# FANS with a module left out: {title}", "", "Mean ± standard error over nodes.", "",
        f"| settings | | nodes | {' | '.join(columns)} |", "|---|---|---|" + "---|" * len(columns),
    ]  # fmt: skip
    for (settings, name), here in table.groupby(["settings", "method"], sort=False):
        cells = [cell(here[column]) for column in columns]
        lines.append(f"| {settings} | {name} | {len(here)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--settings", nargs="+", choices=list(SETTINGS), default=list(SETTINGS))
    given = parsed(parser)
    out = given.out / "graph_ablation"
    save_text(out / f"{given.dataset}.md", report(given.dataset, rows(given, out / given.dataset)))


if __name__ == "__main__":
    main()
