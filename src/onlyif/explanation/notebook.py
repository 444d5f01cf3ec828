"""Results as a notebook shows them: small tables of HTML, in the notebook's own colours, light or dark."""

from collections.abc import Sequence

from onlyif.core.nouns import counted
from onlyif.explanation.layout import counts_text, error, sentence
from onlyif.explanation.page.markup import Element, Inside, shown, table, tag
from onlyif.explanation.passages import direction_text, headline, no_members, set_title
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.status import Told


def explanation_html(item: Told) -> str:
    """One explanation: what is predicted, its sentences, and its sets with values and directions."""
    base = item.value_text(item.base) + error(item.base_stderr)
    numbers = f"f(x) = {item.value_text(item.prediction)}, {item.base_word} = {base}"
    said = () if isinstance(item.names, PixelNames) else item.sentences()
    rows = [row for name in item.sets for row in _members(item, name)]
    heads = ["set", item.noun, "value", "what it does", "verdict"]
    parts = [
        tag("strong", None, [shown(headline(item))]),
        tag("div", None, [shown(numbers)]),
        *(tag("div", None, [sentence(str(status))]) for status in item.statuses),
        *(tag("div", None, [shown(one)]) for one in said),
        *([small_table(heads, rows)] if rows else []),
    ]
    return tag("div", {"class": "onlyif"}, parts).text


def _members(item: Told, name: str) -> Sequence[Sequence[Inside]]:
    """One line a member; one line of sets that are empty, or of pixels."""
    chosen, (title, rest) = item.sets[name], set_title(item, name)
    verdict = item.verdicts[name].finding.value if name in item.verdicts else ""
    label = tag("span", {"title": title + rest}, [shown(name)])
    none = no_members(item, name)
    if none or isinstance(item.names, PixelNames):
        return [[label, "none" if none else chosen.text, "", sentence(none) if none else "", verdict]]
    ways = [direction_text(item, one) for one in chosen.directions] or [""] * chosen.size
    values = item.values or ("",) * len(item.names)
    return [
        [
            "" if place else label,
            shown(item.names[player]),
            shown(values[player]),
            ways[place],
            "" if place else verdict,
        ]
        for place, player in enumerate(chosen.players)
    ]


def summary_html(told: Told) -> str:
    """A summary: how often each player is in which set, and how the explanations came out."""
    kinds = [one.selection for one in told.sets]
    rows = [
        [shown(one.name), *(f"{share.count} ({share.value:.0%})" for share in one.shares.values())]
        for one in told.players
    ]
    lines = [f"{one.selection}: {counts_text(one.verdicts)}" for one in told.sets if one.verdicts]
    parts = [
        tag("strong", None, [f"{counted(told.n_rows, 'row')}, {told.n_informative} of them informative"]),
        *(tag("div", None, [line]) for line in (counts_text(told.statuses), *lines)),
        *([small_table([told.noun, *kinds], rows)] if rows else []),
    ]
    return tag("div", {"class": "onlyif"}, parts).text


def small_table(heads: Sequence[str], rows: Sequence[Sequence[Inside]]) -> Element:
    """A table that scrolls in itself where it is wide, without columns that are empty.

    Args:
        heads: The names of its columns.
        rows: One text or element a column for each row.
    """
    used = [place for place in range(len(heads)) if any(row[place] != "" for row in rows)]
    return table(
        "",
        [heads[place] for place in used],
        ([row[place] for place in used] for row in rows),
        marks={"style": "overflow-x: auto", "aria-label": "table"},
        # Notebooks write to the right what nobody places.
        marks_of_cells={"style": "text-align: left"},
    )
