"""What players are called: each kind of data has a word of its own, which every text about it uses."""

# Of a table; of an image of which single pixels play; and of a graph.
FEATURE, PIXEL, EDGE = "feature", "pixel", "edge"
# What a player is, among the sentences of a provenance.
NOUN = "noun"
_HISSING = ("s", "x", "ch", "sh")


def plural(noun: str) -> str:
    """Several of them.

    Args:
        noun: One of them.

    Example:
        >>> plural("edge"), plural("patch")
        ('edges', 'patches')
    """
    return f"{noun}es" if noun.endswith(_HISSING) else f"{noun}s"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    Args:
        count: How many.
        noun: One of them.

    Example:
        >>> counted(1, "row"), counted(2, "row")
        ('1 row', '2 rows')
    """
    return f"{count} {noun if count == 1 else plural(noun)}"
