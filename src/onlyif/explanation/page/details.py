"""One explanation of the page, whole without a script: its sentences, sets, certificate and cost."""

from collections.abc import Iterator, Mapping, Sequence

from onlyif.core.nouns import whole_of
from onlyif.explanation.certainty import certainty, provenance
from onlyif.explanation.explanation import Explanation
from onlyif.explanation.layout import error, measure_text, number, sentence
from onlyif.explanation.page.data import members, row_data
from onlyif.explanation.page.markup import Element, Inside, data_script, deferred, listed, shown, table, tag
from onlyif.explanation.page.pictures import Plane, live, pictures
from onlyif.explanation.page.stills import MOST_ROWS, over_alpha, over_sizes
from onlyif.explanation.passages import (
    base_text,
    comparison,
    direction_text,
    headline,
    no_members,
    set_said,
    set_title,
    size_rule,
    stretches,
    title,
)
from onlyif.explanation.pixels import PixelNames
from onlyif.explanation.selection import Direction, Selection

AUDIENCES = {"applicant": "For the person concerned", "analyst": "For an analyst"}
# Minimal sets and scores that are listed; how many there are is told.
MOST = 20
Computed = Mapping[str, str]


def section(
    item: Explanation,
    place: int,
    common: Computed,
    plane: Plane | None,
    others: Sequence[Explanation] = (),
) -> Element:
    """All that is said of one explanation.

    Args:
        item: The explanation.
        place: Its number on the page.
        common: How all of them were computed, which is told once.
        plane: Where its players lie in an image; None where there is none.
        others: All explanations of the same image, where each is for one α.
    """
    heading = tag("h2", {"tabindex": "-1", "id": f"title-{place}"}, [shown(headline(item))])
    parts = [
        heading,
        *(tag("p", {"class": "status"}, [sentence(str(status))]) for status in item.statuses),
        _numbers(item),
        *_sentences(item),
        *pictures(item, plane, others),
        *(_none(item, kind) for kind in item.missing),
        *(_set(item, name) for name in item.sets),
        *_over_alpha(item, plane, place),
        *_path(item, plane, place),
        *_singles(item),
        *_scores(item),
        *_alternatives(item),
        *_titled("How certain is this", [*certainty(item)]),
        *_titled("Notes", item.notes),
        *_computed(item, common),
        data_script("data", row_data(item, members if plane is None else plane.told)),
    ]
    marks = {"class": "row", "id": f"row-{place}", "aria-labelledby": f"title-{place}"}
    marks["data-whole"] = whole_of(item.noun)
    return tag("section", marks, [deferred(parts)])


def computed(item: Explanation) -> Computed:
    """How an explanation was computed, by name."""
    lead, told = provenance(item)
    return {**({"hidden": lead} if lead else {}), **told}


def _numbers(item: Explanation) -> Element:
    base = item.value_text(item.base) + error(item.base_stderr)
    said = [
        f"f(x) = {item.value_text(item.prediction)}, the prediction for this {whole_of(item.noun)}.",
        f"{item.base_word} = {base}, {base_text(item)}.",
        *comparison(item),
    ]
    return tag("p", None, [shown(" ".join(said))])


def _sentences(item: Explanation) -> Iterator[Element]:
    """What is told of the decision to the person concerned, and to an analyst."""
    if isinstance(item.names, PixelNames):
        return
    for audience, name in AUDIENCES.items():
        said = (shown(one) for one in item.sentences(audience))
        yield tag(
            "div",
            {"class": f"said {audience}"},
            [tag("h3", None, [name]), *(tag("p", None, [s]) for s in said)],
        )


def _none(item: Explanation, kind: str) -> Element:
    said = tag("p", None, [f"None of the permitted sets does (no permitted ε-{kind} set)."])
    return tag("div", {"class": f"set {kind}"}, [tag("h3", None, [title(item, kind)]), said])


def _set(item: Explanation, name: str) -> Element:
    chosen, (first, rest) = item.sets[name], set_title(item, name)
    none = no_members(item, name)
    parts = [tag("h3", None, [tag("span", {"class": "name"}, [shown(first)]), shown(rest)])]
    parts += [tag("p", None, [f"None: {none}"])] if none else _members(item, name, chosen)
    parts.append(listed(sentence(one) for one in set_said(item, name)))
    return tag("div", {"class": f"set {name}" if name in _COLOURED else "set"}, parts)


_COLOURED = frozenset({"sufficient", "necessary", "unified", "cause"})


def _members(item: Explanation, name: str, chosen: Selection) -> list[Element]:
    """The members with their values, those at the baseline and which way each moves the prediction."""
    if isinstance(item.names, PixelNames):
        return []
    at, ways = item.details.baseline, chosen.directions
    heads = [item.noun, "value", *(["baseline"] if at else []), *(["what it does"] if ways else [])]
    rows: list[list[Inside]] = [
        [
            shown(item.names[player]),
            shown(item.values[player]) if item.values else "",
            *([shown(at[player])] if at else []),
            *([_way(item, ways[place])] if ways else []),
        ]
        for place, player in enumerate(chosen.players)
    ]
    return [table(f"Members of the {name} set", heads, rows)]


def _way(item: Explanation, direction: Direction) -> Element:
    """A direction, with an arrow beside the words."""
    arrow = {Direction.RAISES: "▲ ", Direction.LOWERS: "▼ "}.get(direction, "")
    stance = "against" if item.speaks_against(direction) else "for" if arrow else ""
    return tag("span", {"class": stance} if stance else None, [arrow + direction_text(item, direction)])


def _over_alpha(item: Explanation, plane: Plane | None, place: int) -> Iterator[Element]:
    """The solutions over α, where the script puts its slider."""
    if item.details.continua is None:
        return
    rows = [
        [
            where,
            shown(one.text),
            measure_text(one.sufficiency),
            measure_text(one.necessity),
            str(one.n_ties),
        ]
        for where, one in stretches(item.continuum)
    ]
    heads = ["α", "set", "Δsuf", "Δnec", "sets that tie"]
    caption = f"The best sets of {size_rule(item)}, from necessary (α = 0) to sufficient (α = 1)"
    parts = [
        tag("h3", None, ["From necessary to sufficient"]),
        tag("div", {"class": "alpha"}, over_alpha(item) if place < MOST_ROWS else []),
        *([] if plane is None else [live(plane)]),
        _folded("All of them as a table", [table(caption, heads, rows, (2, 3, 4))]),
    ]
    yield tag("div", {"class": "continuum"}, parts)


def _path(item: Explanation, plane: Plane | None, place: int) -> Iterator[Element]:
    if item.reason or not item.details.path:
        return
    rows = [
        [
            f"{one.size}{' (chosen)' if one.size == item.size else ''}",
            shown(one.text),
            *(measure_text(measure) for measure in (one.pns, one.pn, one.ps)),
        ]
        for one in item.path
    ]
    caption = "The best set of each size; larger sets usually have the higher PNS: compare equal sizes only"
    parts = [
        tag("h3", None, [f"From one {item.noun} to all"]),
        tag("div", {"class": "sizes"}, over_sizes(item) if place < MOST_ROWS else []),
        *([] if plane is None else [live(plane)]),
        _folded(
            "All of them as a table", [table(caption, ["size", "set", "PNS", "PN", "PS"], rows, (2, 3, 4))]
        ),
    ]
    yield tag("div", {"class": "path"}, parts)


def _singles(item: Explanation) -> Iterator[Element]:
    if item.reason or not item.details.singles:
        return
    order = sorted(item.singles, key=lambda one: (-one.pns.value, one.players))
    rows = [
        [
            shown(one.names[0]),
            shown(item.values[one.players[0]]),
            shown(item.baseline[one.players[0]]),
            *(number(measure.value) for measure in (one.pns, one.pn, one.ps)),
        ]
        for one in order
    ]
    heads = [item.noun, "value", "baseline", "PNS", "PN", "PS"]
    each = f"Each {item.noun} alone"
    yield _folded(each, [table(each, heads, rows, (3, 4, 5))])


def _scores(item: Explanation) -> Iterator[Element]:
    """Scores of features, the largest first."""
    if isinstance(item.names, PixelNames):
        return
    for name, values in item.scores.items():
        if name.startswith("stability_") or (name == "pns" and item.details.singles):
            continue
        flat = values.ravel().tolist()
        order = sorted(range(len(flat)), key=lambda player: (-abs(flat[player]), player))[:MOST]
        rows = [
            [shown(item.names[i]), shown(item.values[i]) if item.values else "", number(flat[i])]
            for i in order
        ]
        first = "" if len(flat) <= MOST else f", the {MOST} largest of {len(flat)}"
        caption = f"{'Shapley values' if name == 'shapley' else name}{first}"
        yield _folded(shown(caption), [table(shown(caption), [item.noun, "value", name], rows, (2,))])


def _alternatives(item: Explanation) -> Iterator[Element]:
    """All minimal sets within ε, and who is in every one of them."""
    held = item.details.alternatives
    if not any(one.count > 1 for one in held.values()):
        return
    parts: list[Element] = []
    for kind, each in held.items():
        least = "" if each.complete else "at least "
        core = ", ".join(each.core_names) or "none"
        sets = "set" if each.count == 1 else "sets"
        parts.append(tag("p", None, [shown(f"{least}{each.count} ε-{kind} {sets}; in every one: {core}.")]))
        rows = [
            [shown(one.text), str(one.size), measure_text(one.sufficiency), measure_text(one.necessity)]
            for one in [*each][:MOST]
        ]
        first = "" if each.count <= len(rows) else f", the first {len(rows)}"
        caption = f"Minimal {kind} sets{first}"
        parts.append(table(caption, ["set", "size", "Δsuf", "Δnec"], rows, (1, 2, 3)))
    yield _folded("What else would do: sets that can spare no member", parts)


def _titled(heading: str, lines: Sequence[str]) -> Iterator[Element]:
    if lines:
        yield _folded(heading, [listed(shown(line) for line in lines)])


def _computed(item: Explanation, common: Computed) -> Iterator[Element]:
    own = {key: text for key, text in computed(item).items() if common.get(key) != text}
    if own:
        yield _folded("How it was computed", [terms(own)])


def terms(told: Mapping[str, str]) -> Element:
    """Names and what there is to say of each."""
    pairs = [
        tag(name, None, [shown(text)])
        for key, said in told.items()
        for name, text in (("dt", key), ("dd", said))
    ]
    return tag("dl", None, pairs)


def _folded(heading: str, inside: Sequence[Element]) -> Element:
    return tag("details", None, [tag("summary", None, [heading]), *inside])
