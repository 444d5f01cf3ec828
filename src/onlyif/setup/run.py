"""What every run is: all instances of a call, explained part by part."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

from onlyif.core.labels import Row
from onlyif.core.nouns import counted
from onlyif.core.progress import Meter
from onlyif.explanation.explanations import Explanations
from onlyif.setup.forecast import Forecast


class Run(ABC):
    """All instances of a call, in order."""

    # What an instance is called.
    noun = "row"

    @property
    @abstractmethod
    def labels(self) -> tuple[Row, ...]:
        """The label of each instance."""

    @property
    @abstractmethod
    def meter(self) -> Meter:
        """What counts the work, shows it, and ends it when time is up."""

    @property
    @abstractmethod
    def backend(self) -> str:
        """The library of the user's frames; "" where there are none."""

    @abstractmethod
    def parts(self, start: int = 0, jobs: int = 1) -> Iterator[Explanations]:
        """The explanations, block by block, in the order of the instances; it ends early when time is up.

        Args:
            start: First instance that is wanted; those before it are taken as done.
            jobs: How many blocks are explained at once.
        """

    @abstractmethod
    def forecast(self) -> Forecast:
        """What the run will take.

        Raises:
            SettingError: if it cannot be told.
        """

    def __len__(self) -> int:
        return len(self.labels)

    def rows_left(self, done: int) -> str:
        """What to say of the instances that were left out when time was up; "" where there are none.

        Args:
            done: How many were explained.
        """
        total = len(self)
        if done == total:
            return ""
        return (
            f"the time limit of {self.meter.limit:g} s was reached after {done} of "
            f"{counted(total, self.noun)}; {counted(total - done, self.noun)} left out, "
            f"from {self.noun} {self.labels[done]} on"
        )
