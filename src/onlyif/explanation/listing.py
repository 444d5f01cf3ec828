"""Many explanations as a short list, one line a row: for a terminal and for a notebook."""

from collections.abc import Sequence

from onlyif.core.labels import Row
from onlyif.core.nouns import counted
from onlyif.explanation.layout import aligned, clipped, left_out_text, number, share_text
from onlyif.explanation.notebook import small_table
from onlyif.explanation.page.markup import Inside, shown, tag
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.status import Told

_MORE = ".page() shows each row with its sets, under a slider; .to_html(path) writes that page to a file."
# Rows that are shown: the first and the last of them.
N_SHOWN = 10


def listing(items: Sequence[Told], left_out: Sequence[Row]) -> str:
    """Explanations in lines of plain text.

    Args:
        items: The explanations.
        left_out: The labels of rows that were left out.
    """
    if not items:
        return "no explanations" + left_out_text(left_out)
    half = N_SHOWN // 2
    kept = items if len(items) <= N_SHOWN else [*items[:half], *items[-half:]]
    header = ["row", "target", "f(x)", kept[0].base_word, *_header(kept[0])]
    lines = aligned(header, [_line(item) for item in kept], indent="")
    if len(kept) < len(items):
        lines.insert(1 + half, f"… {len(items) - len(kept)} more …")
    return "\n".join([counted(len(items), "explanation") + left_out_text(left_out), *lines])


def _header(item: Told) -> list[str]:
    if isinstance(item.names, PixelNames):
        return ["α", "Δsuf", "Δnec", "set"] if "unified" in item.sets else ["scores"]
    return ["PNS", *item.sets] if "cause" in item.sets else [*item.sets]


def _line(item: Told) -> list[str]:
    label = item.target_label or str(item.target)
    values = (clipped(item.value_text(value), 16) for value in (item.prediction, item.base))
    start = [clipped(str(item.row), 12), clipped(label, 16), *values]
    if isinstance(item.names, PixelNames):
        return [*start, *_pixels(item)]
    if "cause" in item.sets:
        return [*start, number(item.cause.pns.value), *(clipped(str(one), 60) for one in item.sets.values())]
    return [*start, *(clipped(str(chosen), 28) for chosen in item.sets.values())]


def _pixels(item: Told) -> list[str]:
    if "unified" not in item.sets:
        return [", ".join(item.scores)]
    chosen = item.unified
    gaps = chosen.sufficiency.value, chosen.necessity.value
    return [number(item.alpha), *map(number, gaps), share_text(chosen.size, len(item.names))]


def listing_html(items: Sequence[Told], left_out: Sequence[Row]) -> str:
    """Many explanations: one line a row, of long collections the first and the last.

    Args:
        items: The explanations.
        left_out: The labels of rows that were left out.
    """
    title = tag("strong", None, [counted(len(items), "explanation") + left_out_text(left_out)])
    half = N_SHOWN // 2
    kept = items if len(items) <= N_SHOWN else [*items[:half], *items[-half:]]
    kinds = list(dict.fromkeys(name for item in kept for name in item.sets))
    heads = ["row", "target", "f(x)", kept[0].base_word if kept else "", *kinds, "status"]
    rows = [_cells(item, kinds) for item in kept]
    if len(kept) < len(items):
        rows.insert(half, [f"… {len(items) - len(kept)} more …", *[""] * (len(heads) - 1)])
    told = [small_table(heads, rows), tag("div", None, [_MORE])] if rows else []
    return tag("div", {"class": "onlyif"}, [title, *told]).text


def _cells(item: Told, kinds: Sequence[str]) -> list[Inside]:
    values = [item.value_text(value) for value in (item.prediction, item.base)]
    sets = [shown(item.sets[kind].text) if kind in item.sets else "no set" for kind in kinds]
    return [
        shown(str(item.row)),
        shown(item.target_label or str(item.target)),
        *values,
        *sets,
        item.status.title,
    ]
