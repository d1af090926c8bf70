"""Which of a study's results by one model a run's are: what a reader is told of results that replace others."""

from dataclasses import dataclass
from datetime import datetime, tzinfo


@dataclass(frozen=True)
class Edition:
    """`number` counts the study's results by the model, from 1. Of a first one nothing is said.

    `supersedes` is the number of those that these replace, which were `made` at that moment (aware); where the ones
    before were `withdrawn` there is nothing to replace.
    """

    number: int = 1
    supersedes: int = 0
    made: datetime | None = None
    withdrawn: bool = False

    def said(self, zone: tzinfo | None) -> str:
        """The sentence, without a stop; "" for a first one."""
        if self.number == 1:
            return ""
        if self.withdrawn:
            return f"Result {self.number}; the one before was withdrawn"
        made = f"{self.made.astimezone(zone):%Y-%m-%d %H:%M}" if self.made else ""
        return f"Result {self.number}" + (f", supersedes result {self.supersedes} of {made}" if made else "")

    @property
    def shortly(self) -> str:
        """As much of it as a description has room for, beside a series description that has the number."""
        if self.number == 1:
            return ""
        if self.withdrawn:
            return "previous withdrawn"
        return f"supersedes result {self.supersedes}" if self.made else f"result {self.number}"


FIRST = Edition()
