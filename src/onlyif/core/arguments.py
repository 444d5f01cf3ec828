"""Arguments as users write them, made plain and checked once, where they enter.

A kind says what an argument may be. What means the same is taken and made the one
plain Python value that the rest of the library knows (numpy's 3, an array's only 3 and 3.0
are the whole number 3); all else is refused by its name, with what was got and
what was needed.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any, TypeVar, final

import numpy as np
from typing_extensions import override

from onlyif.core.errors import SettingError
from onlyif.core.plain_values import items, plain, shown

LARGEST = 2**63 - 1
T = TypeVar("T")


class Kind(ABC):
    """What an argument may be."""

    @property
    @abstractmethod
    def needed(self) -> str:
        """What is needed, to stand after "must be"."""

    @abstractmethod
    def fits(self, value: Any) -> bool:
        """Whether a value is of this kind at all, be it in range or not.

        Args:
            value: The argument.
        """

    def made(self, name: str, value: Any) -> Any:
        """The one plain value that a value of this kind means: itself, unless a kind says otherwise.

        Args:
            name: The argument's name, for the message.
            value: The argument, which fits.

        Raises:
            SettingError: if it is out of range.
        """
        return value

    def take(self, name: str, value: Any) -> Any:
        """The argument as the one plain value that it means.

        Args:
            name: The argument's name, for the message.
            value: The argument.

        Raises:
            SettingError: if it is of another kind or out of range.
        """
        if not self.fits(value):
            raise self.refuse(name, value)
        return self.made(name, value)

    def refuse(self, name: str, value: Any) -> SettingError:
        """The error for a value that does not fit."""
        return SettingError(f"{name} must be {self.needed}, got {shown(value)}")


@final
@dataclass(frozen=True)
class Whole(Kind):
    """A whole number, of Python, numpy or torch; a float only if it is whole.

    Args:
        least: The least that is taken.
        most: The largest that is taken.

    Example:
        >>> import numpy as np
        >>> Whole(least=1).take("max_rows", np.int64(99))
        99
    """

    least: int | None = None
    most: int = LARGEST

    @property
    @override
    def needed(self) -> str:
        return "a whole number"

    @override
    def fits(self, value: Any) -> bool:
        number = plain(value)
        if isinstance(number, bool | np.generic) or not isinstance(number, Real):
            return False
        return isinstance(number, Integral) or bool(number % 1 == 0)

    @override
    def made(self, name: str, value: Any) -> int:
        number = int(plain(value))
        if self.least is not None and number < self.least:
            raise SettingError(f"{name} must be at least {self.least}, got {shown(number)}")
        if number > self.most or number < -self.most - 1:
            word, bound = ("most", self.most) if number > 0 else ("least", -self.most - 1)
            raise SettingError(f"{name} must be at {word} {bound}, got {shown(number)}")
        return number


@final
@dataclass(frozen=True)
class Number(Kind):
    """A real number, as a float.

    Args:
        least: The least that is taken.
        most: The largest that is taken.
        above: What it must exceed.
        below: What it must stay below; infinity for any finite number.

    Example:
        >>> import numpy as np
        >>> Number(least=0.0, most=1.0).take("alpha", np.float32(0.5))
        0.5
    """

    least: float | None = None
    most: float | None = None
    above: float | None = None
    below: float | None = float("inf")

    @property
    @override
    def needed(self) -> str:
        return "a number"

    @override
    def fits(self, value: Any) -> bool:
        number = plain(value)
        # What numpy's scalars are left are spans of time, which count as integers there.
        return isinstance(number, Real) and not isinstance(number, bool | np.generic)

    @override
    def made(self, name: str, value: Any) -> float:
        try:
            number = float(plain(value))
        except OverflowError:
            number = float("inf")
        inside = number == number  # noqa: PLR0124 - false for NaN alone
        inside &= self.least is None or number >= self.least
        inside &= self.most is None or number <= self.most
        inside &= self.above is None or number > self.above
        inside &= self.below is None or number < self.below
        if not inside:
            raise SettingError(f"{name} {self._range}, got {shown(value)}")
        return number

    @property
    def _range(self) -> str:
        if self.least is not None and self.most is not None:
            return f"must lie in [{self.least:g}, {self.most:g}]"
        if self.above is not None and self.below not in {None, float("inf")}:
            return f"must lie strictly between {self.above:g} and {self.below:g}"
        finite = "" if self.below is None else "a finite number "
        if self.above is not None:
            return f"must be {finite}above {self.above:g}"
        return f"must be {finite}of at least {self.least:g}" if self.least is not None else "must be finite"


@final
@dataclass(frozen=True)
class Flag(Kind):
    """True or False, of Python, numpy or torch; never text, which is true whatever it says.

    Example:
        >>> import numpy as np
        >>> Flag().take("keep_table", np.True_)
        True
    """

    @property
    @override
    def needed(self) -> str:
        return "True or False"

    @override
    def fits(self, value: Any) -> bool:
        return isinstance(plain(value), bool)

    @override
    def made(self, name: str, value: Any) -> bool:
        return bool(plain(value))


@final
@dataclass(frozen=True)
class Text(Kind):
    """Any text that says something."""

    @property
    @override
    def needed(self) -> str:
        return "a text"

    @override
    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    @override
    def made(self, name: str, value: Any) -> str:
        if not value.strip():
            raise self.refuse(name, value)
        return str.__str__(value)


@final
@dataclass(frozen=True)
class Name(Kind):
    """One of some names.

    Args:
        names: The names.
        what: What they are names of.

    Example:
        >>> Name(("soft", "hard"), "events").take("events", "soft")
        'soft'
    """

    names: tuple[str, ...]
    what: str

    @property
    @override
    def needed(self) -> str:
        return f"a name ({', '.join(sorted(self.names))})"

    @override
    def fits(self, value: Any) -> bool:
        return isinstance(value, str)

    @override
    def made(self, name: str, value: Any) -> str:
        if value not in self.names:
            raise SettingError(
                f"unknown {self.what} {shown(value)}; need one of {', '.join(sorted(self.names))}"
            )
        return str.__str__(value)


@final
@dataclass(frozen=True)
class Made(Kind):
    """An object of one of some classes.

    Args:
        classes: The classes.
    """

    classes: tuple[type, ...]

    @property
    @override
    def needed(self) -> str:
        return " or ".join(f"a {kind.__name__}" for kind in self.classes)

    @override
    def fits(self, value: Any) -> bool:
        return isinstance(value, self.classes)


@final
@dataclass(frozen=True)
class Function(Kind):
    """Something that can be called; a class is refused, for an object of it was meant."""

    @property
    @override
    def needed(self) -> str:
        return "a function"

    @override
    def fits(self, value: Any) -> bool:
        return callable(value) and not isinstance(value, type)


@final
@dataclass(frozen=True)
class Either(Kind):
    """One of several kinds, the first that fits; None too, if it is among them.

    Args:
        kinds: The kinds; None stands for None itself.

    Example:
        >>> Either((Whole(least=1), None)).take("n_rows", None) is None
        True
    """

    kinds: tuple[Kind | None, ...]

    @property
    @override
    def needed(self) -> str:
        return " or ".join("None" if kind is None else kind.needed for kind in self.kinds)

    @override
    def fits(self, value: Any) -> bool:
        if value is None:
            return None in self.kinds
        return any(kind.fits(value) for kind in self.kinds if kind is not None)

    @override
    def made(self, name: str, value: Any) -> Any:
        fitting = [kind for kind in self.kinds if kind is not None and kind.fits(value)]
        return None if value is None else fitting[0].take(name, value)


@final
@dataclass(frozen=True)
class Several(Kind):
    """Any number of one kind, as a tuple: one alone is one of one, None none, an iterator is read once.

    Args:
        kind: The kind of each.
        count: How many, or None for any number.

    Example:
        >>> Several(Whole()).take("sizes", 3), Several(Whole()).take("sizes", iter([1, 2]))
        ((3,), (1, 2))
    """

    kind: Kind
    count: int | None = None

    @property
    @override
    def needed(self) -> str:
        many = "any number of them" if self.count is None else f"{self.count} of them"
        return f"{self.kind.needed}, {many}"

    @override
    def fits(self, value: Any) -> bool:
        if value is None:
            return self.count is None
        return self.kind.fits(value) or (isinstance(value, Iterable) and not isinstance(value, str | bytes))

    @override
    def made(self, name: str, value: Any) -> tuple[Any, ...]:
        alone = self.kind.fits(value)
        held = () if value is None else (value,) if alone else tuple(items(name, value))
        if self.count is not None and len(held) != self.count:
            raise self.refuse(name, value)
        return tuple(self.kind.take(f"each of {name}", one) for one in held)


def settle(settings: Any, kinds: Mapping[str, Kind]) -> None:
    """Put the plain value of each declared field in its place: for `__post_init__` of a frozen dataclass.

    Args:
        settings: The dataclass.
        kinds: The kind of each field, by its name.

    Raises:
        SettingError: if a field is of another kind or out of range.
    """
    for name, kind in kinds.items():
        # The one place where a frozen object is written to, before anyone else can see it.
        object.__setattr__(settings, name, kind.take(name, getattr(settings, name)))


def settled(settings: T, kinds: Mapping[str, Kind]) -> T:
    """As `settle`, for what is checked when it is used, not when it is made: the same settings, made plain.

    Raises:
        SettingError: if a field is of another kind or out of range.
    """
    taken = {name: kind.take(name, getattr(settings, name)) for name, kind in kinds.items()}
    return replace(settings, **taken) if kinds else settings  # type: ignore[type-var] # a dataclass


def named_or(table: Mapping[str, Any], what: str, *classes: type) -> tuple[Kind, Kind]:
    """The kinds of an argument that may be named or given as an object, for `Either`.

    Args:
        table: What each name stands for.
        what: What they are names of.
        classes: Classes of objects that may be given.
    """
    return Name(tuple(table), what), Made(classes)
