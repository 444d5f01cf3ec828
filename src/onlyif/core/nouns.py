"""What players are called: each kind of data has a word of its own, which every text about it uses."""

# Of a table; of an image of which single pixels play; and of a graph.
FEATURE, PIXEL, EDGE = "feature", "pixel", "edge"
# What a player is, among the sentences of a provenance.
NOUN = "noun"
# What is explained, where players are of this kind; else it is a row.
_WHOLES = {PIXEL: "image", "patch": "image", "region": "image", EDGE: "node"}
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


def whole_of(noun: str) -> str:
    """What is explained: a row of a table, an image, a node of a graph.

    Args:
        noun: What its players are.

    Example:
        >>> whole_of("feature"), whole_of("patch"), whole_of("edge")
        ('row', 'image', 'node')
    """
    return _WHOLES.get(noun, "row")


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
