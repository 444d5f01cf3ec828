"""Which edges a node's class hangs on: our explainers and ten others on graphs, under one protocol.

Measures are those of `graph_measures.py`, methods and their grids those of `graph_methods.py`. Every method
is tuned on development nodes: it tries as many settings of its grid as `--budget` graphs asked a node pay
for, and takes the one with the largest mean of hard FID+ and 1 - hard FID-. Test nodes are explained once.

    python experiments/table2.py --data DIR --models DIR [--seeds N] [--nodes N] [--methods NAME ...]
        [--dataset bacommunity|citeseer|dblp|planetoid-folder]

A block of ten nodes of one method and seed is one CSV in OUT/graph_tables/DATASET, so that a run that was
ended goes on where it was; the table is of all blocks there are. Writes graph_tables/DATASET.md and .csv.
"""

import time
from argparse import Namespace
from pathlib import Path

import pandas as pd
from graph_measures import measures
from graph_methods import METHODS, Method, World, told
from graph_ours import Together
from graph_worlds import BLOCK, Nodes, arguments, nodes_of, parsed, slug
from outputs import save_frame, save_text
from resumed import kept

from onlyif.metrics import characterization

FOLDER = "graph_tables"
OURS = tuple(name for name in METHODS if name.startswith("ours"))
TRIVIAL = ("ones", "random")
LESS_IS_BETTER = {"hard FID-", "soft FID-", "del FID-", "FID- 12"}
COLUMNS = (
    "hard FID+", "hard FID-", "FID+ 12", "FID- 12", "del FID+", "del FID-", "soft FID+", "soft FID-", "Gini",
    "Recall@12", "Recall@6 links",
)  # fmt: skip
COMPARED = ("hard FID+", "hard FID-", "Recall@12")


def worth(found: pd.DataFrame) -> float:
    """What settings are chosen by."""
    return float((found["hard FID+"] + 1 - found["hard FID-"]).mean() / 2)


def explained(world: World, scorer: Together, nodes: tuple[int, ...]) -> pd.DataFrame:
    """The measures of some nodes, and the seconds that they took, shared out."""
    egos = [world.egos.of(node) for node in nodes]
    start = time.perf_counter()
    found = scorer(egos)
    seconds = (time.perf_counter() - start) / len(egos)
    return pd.DataFrame([
        {"node": ego.node, "entries": ego.count, "seconds": seconds, **measures(ego, scores)}
        for ego, scores in zip(egos, found, strict=True)
    ])  # fmt: skip


def tried(method: Method, nodes: Nodes, budget: int) -> pd.DataFrame:
    """What each of the settings that the budget pays for comes to on development nodes."""
    rows = []
    for number, settings in enumerate(method.settings_tried(budget)):
        found = explained(nodes.world, method.begun(nodes.world, settings), nodes.development)
        rows.append({
            "number": number, "settings": told(settings), "asked": method.rows(settings),
            "worth": worth(found), **{name: found[name].mean() for name in COMPARED if name in found},
        })  # fmt: skip
    return pd.DataFrame(rows)


def run(given: Namespace, folder: Path) -> None:
    """Whatever blocks are missing: the first ten nodes of every method and seed, then the next ten."""
    nodes = [nodes_of(given, seed) for seed in range(given.seeds)]
    begun: dict[tuple[str, int], Together] = {}
    for first in range(0, given.nodes, BLOCK):
        for name in given.methods:
            method, best = METHODS[name], 0
            if len(method.grid) > 1:
                table = kept(
                    folder / f"tuned_{slug(name)}.csv",
                    lambda method=method: tried(method, nodes[0], given.budget),
                )
                best = int(table.number[table.worth.idxmax()])
            for seed, here in enumerate(nodes):
                some = here.tested[first : first + BLOCK]

                def block(key=(name, seed), here=here, some=some, method=method, best=best) -> pd.DataFrame:
                    if key not in begun:
                        begun[key] = method.begun(here.world, method.grid[best])
                    return explained(here.world, begun[key], some).assign(method=key[0], seed=key[1])

                if some:
                    kept(folder / f"{slug(name)}_{seed}_{first // BLOCK}.csv", block)


def gathered(folder: Path) -> pd.DataFrame:
    """All blocks that there are."""
    found = [
        pd.read_csv(path)
        for name in METHODS
        for path in sorted(folder.glob(f"{slug(name)}_[0-9]*_[0-9]*.csv"))
    ]
    return pd.concat(found, ignore_index=True)


def cell(values: pd.Series) -> str:
    """Mean ± standard error."""
    return f"{values.mean():.3f} ± {values.sem():.3f}"


def compared(table: pd.DataFrame) -> list[str]:
    """Ours less the best other method, on the nodes that both explained."""
    lines = ["| | measure | best other | ours less the other, paired |", "|---|---|---|---|"]
    others = table[~table.method.isin([*OURS, *TRIVIAL])]
    for ours in (name for name in OURS if name in set(table.method)):
        for measure in (name for name in COMPARED if name in table and table[name].notna().any()):
            means = others.groupby("method")[measure].mean()
            best = means.idxmin() if measure in LESS_IS_BETTER else means.idxmax()
            sides = [
                table[table.method == name].set_index(["seed", "node"])[measure] for name in (ours, best)
            ]
            lines.append(f"| {ours} | {measure} | {best} | {cell((sides[0] - sides[1]).dropna())} |")
    return lines


def report(title: str, table: pd.DataFrame, tuning: dict[str, pd.DataFrame]) -> str:
    """The tables as markdown."""
    columns = [name for name in COLUMNS if name in table and table[name].notna().any()]
    lines = [
        f"# Edges of nodes: {title}", "",
        f"{table.groupby('seed').node.nunique().sum()} nodes of {table.seed.nunique()} seeds, "
        f"{table.groupby(['seed', 'node']).entries.first().median():.0f} entries in the median. Mean ± "
        "standard error over nodes. `ones` and `random` are masks that explain nothing. FID+ and recall: "
        "more is better; FID-: less. Gini is won by any sharpening and soft FID by masks near 0 or 1: they "
        "judge nobody. char is the characterization score of hard FID, s the seconds a node (beside other "
        "work; for order only).", "",
        f"| method | nodes | {' | '.join(columns)} | char | s |", "|---|---|" + "---|" * (len(columns) + 2),
    ]  # fmt: skip
    for name in (name for name in METHODS if name in set(table.method)):
        here = table[table.method == name]
        score = characterization(here["hard FID+"].mean(), here["hard FID-"].mean())
        cells = [cell(here[column]) for column in columns]
        lines.append(
            f"| {name} | {len(here)} | {' | '.join(cells)} | {score:.3f} | {here.seconds.mean():.2g} |"
        )
    lines += ["", "## Against the best other method", "", *compared(table), "", "## Tuned", ""]
    lines += [
        "| method | settings tried on development nodes | graphs asked a node | worth |",
        "|---|---|---|---|",
    ]
    for name, found in tuning.items():
        for row in found.itertuples():
            mark = "**" if row.Index == found.worth.idxmax() else ""
            lines.append(f"| {name} | {mark}{row.settings}{mark} | {row.asked:,} | {row.worth:.3f} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Everything."""
    parser = arguments(__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--budget", type=int, default=2000, help="graphs asked a development node, in tuning")
    parser.add_argument("--only-report", action="store_true", help="the table of the blocks there are")
    given = parsed(parser)
    folder = given.out / FOLDER / given.dataset
    if not given.only_report:
        run(given, folder)
    table = gathered(folder)
    tuning = {
        name: pd.read_csv(path)
        for name in METHODS
        if (path := folder / f"tuned_{slug(name)}.csv").is_file() and name in set(table.method)
    }
    save_frame(given.out / FOLDER / f"{given.dataset}.csv", table)
    save_text(given.out / FOLDER / f"{given.dataset}.md", report(given.dataset, table, tuning))


if __name__ == "__main__":
    main()
