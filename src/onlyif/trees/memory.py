"""How much may be held of a model's trees, whatever is asked of them."""

from onlyif.core.errors import LimitError

MAX_HELD_BYTES = 2**30


def check_held(n_bytes: int, what: str) -> None:
    """Refuse what would be held of trees for all instances, beyond 1 GiB.

    Args:
        n_bytes: How much would be held.
        what: What needs it, for the reader.

    Raises:
        LimitError: if it is too much.
    """
    if n_bytes > MAX_HELD_BYTES:
        needed, limit = n_bytes / 2**30, MAX_HELD_BYTES / 2**30
        raise LimitError(f"{what} would take {needed:,.2f} GiB, at most {limit:,.2f} GiB are held")
