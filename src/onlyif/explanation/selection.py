"""Selection: one subset of players with its two gaps."""

from dataclasses import dataclass
from typing import final

from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.visible import on_one_line

NORMAL_95 = 1.959963984540054


@final
@dataclass(frozen=True)
class Gap:
    """A distance from a perfect explanation, and how well it is known.

    Args:
        value: The gap, in the units of the distance; 0 is perfect.
        stderr: Standard error of the value; 0 when it is exact, NaN when unknown.

    Example:
        >>> Gap(0.25, 0.01).interval()
        (0.230..., 0.269...)
    """

    value: float
    stderr: float = 0.0

    def interval(self, n_sigma: float = NORMAL_95) -> tuple[float, float]:
        """The value plus and minus `n_sigma` standard errors, cut off at 0; 95 % by default."""
        return max(0.0, self.value - n_sigma * self.stderr), self.value + n_sigma * self.stderr


@final
@dataclass(frozen=True)
class Selection:
    """One subset S: who is in it, and how sufficient and how necessary it is.

    Args:
        players: Sorted numbers of the players in S.
        names: Their names, in the same order.
        sufficiency: Δsuf(S) = ρ(f(x), f_S(x)): S kept, the rest hidden.
        necessity: Δnec(S) = ρ(f_Sc(x), f_0(x)): S hidden, the rest kept.
        n_ties: How many subsets attain the same minimum, this one included; 0 when not counted.
        fresh: The two gaps estimated again on draws that the search never saw,
            or None where the gaps are exact.
    """

    players: tuple[int, ...]
    names: tuple[str, ...]
    sufficiency: Gap
    necessity: Gap
    n_ties: int = 0
    fresh: tuple[Gap, Gap] | None = None

    @property
    def size(self) -> int:
        """|S|."""
        return len(self.players)

    def unified(self, alpha: float) -> float:
        """Δuni(S, α) = α Δsuf(S) + (1 - α) Δnec(S).

        Raises:
            SettingError: unless 0 <= alpha <= 1.
        """
        if not 0.0 <= alpha <= 1.0:
            raise SettingError(f"alpha must lie in [0, 1], got {alpha}")
        return alpha * self.sufficiency.value + (1.0 - alpha) * self.necessity.value

    @override
    def __str__(self) -> str:
        return "{" + on_one_line(", ".join(self.names)) + "}"
