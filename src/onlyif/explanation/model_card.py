"""A summary as a section of a model card, in Markdown."""

import re
from collections.abc import Iterable, Sequence

from onlyif.core.nouns import counted
from onlyif.core.visible import on_one_line
from onlyif.explanation.layout import counts_text, error, number, sentence
from onlyif.explanation.status import Told

# Letters that Markdown or HTML would take for their own.
_MEANT = re.compile(r"([\\`*_{}\[\]<>#|~$&])")


def card(told: Told) -> str:
    """The section: how explanations came out, who is in which set how often, and how they were computed.

    Args:
        told: The summary.
    """
    kinds = [one.selection for one in told.sets]
    shares = (
        [_text(player.name), *(f"{share.count} ({share.value:.0%})" for share in player.shares.values())]
        for player in told.players
    )
    sizes = (
        [_text(one.selection), number(one.size.value) + error(one.size.stderr), counts_text(one.verdicts)]
        for one in told.sets
    )
    rows = counted(told.n_rows, "row")
    parts = [
        "## Explanations",
        f"{rows} explained, {told.n_informative} of them with something to explain. Status: "
        f"{counts_text(told.statuses)}.",
        _table(["set", "mean size", "verdicts"], sizes),
        f"How often each {told.noun} is in which set, of {rows}:" if told.players else "",
        _table([told.noun, *map(_text, kinds)], shares) if told.players else "",
        " ".join(_text(sentence(said)) for said in told.sentences),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _text(text: str) -> str:
    """A name that stays text, whatever is in it."""
    return _MEANT.sub(r"\\\1", on_one_line(text))


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
