"""What all explanations of a page have in common, and the table in which each has its row."""

from collections.abc import Iterator, Mapping, Sequence

from onlyif.core.nouns import counted
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.layout import clipped, counts_text, error, number
from onlyif.explanation.page.details import terms
from onlyif.explanation.page.markup import Element, data_script, listed, shown, table, tag
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.sentences import decision_of
from onlyif.explanation.summaries import SYMBOLS, Mean, PlayerSummary, Share, Summary, summary_of

# Players that the first table shows; the others are one click away.
FEW_PLAYERS, MOST_PLAYERS = 10, 30
LONGEST_SET = 120
# What the library's own criteria are called for a reader; others have the names that their authors gave.
TITLES = {"sne": "what is enough and what is needed", "soft sne": "soft masks", "pns": "causes"}


def overview(items: Sequence[Explanation], common: Mapping[str, str]) -> Element:
    """Who is in which set how often, verdicts and statuses, of explanations by one criterion.

    Args:
        items: The explanations.
        common: How all of them were computed.
    """
    told = summary_of(items)
    counts = [
        f"{counted(told.n_rows, 'row')}, {told.n_informative} of them with something to explain.",
        f"Status: {counts_text(told.statuses)}.",
        *(f"The {one.selection} sets: {counts_text(one.verdicts)}." for one in told.sets if one.verdicts),
    ]
    parts = [
        tag("h2", None, [f"All rows: {TITLES.get(items[0].criterion) or shown(items[0].criterion)}"]),
        listed(counts),
        *_players(told),
        _means(told),
        tag("details", None, [tag("summary", None, ["How all of it was computed"]), terms(common)]),
    ]
    return tag("section", {"class": "overview"}, parts)


def _players(told: Summary) -> Iterator[Element]:
    """How often each player is in which set: those that are most often there first."""
    if not told.players:
        return
    kinds = [one.selection for one in told.sets]
    often = sorted(told.players, key=lambda one: -sum(share.value for share in one.shares.values()))
    caption = f"How often each {told.noun} is in which set: rows, and their share with its 95 % interval"
    # Of many players only those that are in some set are shown at once.
    some = sum(any(share.count for share in one.shares.values()) for one in often)
    n_shown = min(MOST_PLAYERS, max(some, FEW_PLAYERS))
    first, rest = ([_player(one) for one in part] for part in (often[:n_shown], often[n_shown:]))
    yield table(caption, [told.noun, *kinds], first)
    if rest:
        heading = (
            f"{counted(len(rest), f'more {told.noun}')}, {'less often' if some > n_shown else 'in no set'}"
        )
        more = table(caption, [told.noun, *kinds], rest)
        yield tag("details", None, [tag("summary", None, [heading]), more])


def _player(one: PlayerSummary) -> list[Element | str]:
    cells = [_share(share, f"{shown(one.name)}: share of {kind} sets") for kind, share in one.shares.items()]
    return [shown(one.name), *cells]


def _share(share: Share, label: str) -> Element:
    """A share as a number and as a bar."""
    low, high = share.interval()
    bar = tag("meter", {"min": "0", "max": "1", "value": f"{share.value:.4f}", "aria-label": label})
    return tag(
        "span", {"class": "share"}, [bar, f" {share.count} ({share.value:.0%}, {low:.0%} to {high:.0%})"]
    )


def _means(told: Summary) -> Element:
    names = list(dict.fromkeys(name for one in told.sets for name in one.measures))
    rows = [
        [one.selection, number(one.size.value), *(_mean(one.measures.get(name)) for name in names)]
        for one in told.sets
    ]
    heads = ["set", "size", *(SYMBOLS.get(name, shown(name)) for name in names)]
    return table("Means over rows", heads, rows, range(1, len(heads)))


def _mean(mean: Mean | None) -> str:
    return "" if mean is None else number(mean.value) + error(mean.stderr)


def rows_table(items: Sequence[Explanation]) -> list[Element]:
    """One row for each explanation, with what the script filters by.

    Args:
        items: The explanations.
    """
    kinds = list(dict.fromkeys(name for item in items for name in item.sets))
    heads = ["row", "decision", "f(x)", "compared with", *kinds, "verdict", "status"]
    made = table(
        "Every row; choose one to see all of it",
        heads,
        (_row(item, place, kinds) for place, item in enumerate(items)),
        (2, 3),
        marks={"id": "rows"},
        marks_of_rows=map(_marks, items),
    )
    names = list(
        dict.fromkeys(name for item in items if not isinstance(item.names, PixelNames) for name in item.names)
    )
    number_of = {name: place for place, name in enumerate(names)}
    nouns = {item.noun for item in items}
    noun = nouns.pop() if len(nouns) == 1 else "player"
    held = [
        {kind: [number_of[name] for name in one.names] for kind, one in item.sets.items()}
        if not isinstance(item.names, PixelNames)
        else {}
        for item in items
    ]
    return [
        made,
        data_script(
            "players", {"noun": noun, "names": [shown(name) for name in names], "kinds": kinds, "rows": held}
        ),
    ]


def _marks(item: Explanation) -> Mapping[str, str]:
    return {
        "data-decision": _decision(item),
        "data-status": item.status.title,
        "data-verdict": _verdict(item),
        "data-criterion": item.criterion,
    }


def _decision(item: Explanation) -> str:
    return shown(decision_of(item) or item.target_label or str(item.target))


def _verdict(item: Explanation) -> str:
    """The least of the verdicts on a row's sets; "" where there are none."""
    held = {one.finding.value for one in item.verdicts.values()}
    return next((word for word in _VERDICTS if word in held), "")


_VERDICTS = ("does not hold", "cannot tell", "holds")


def _row(item: Explanation, place: int, kinds: Sequence[str]) -> list[Element | str]:
    values = item.prediction, item.base
    numbers = [tag("span", {"data-value": repr(float(one))}, [item.value_text(one)]) for one in values]
    link = tag("a", {"href": f"#row-{place}"}, [clipped(str(item.row), LONGEST_SET)])
    sets = [clipped(item.sets[kind].text, LONGEST_SET) if kind in item.sets else "no set" for kind in kinds]
    return [link, _decision(item), *numbers, *sets, _verdict(item), item.status.title]
