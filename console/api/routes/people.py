"""What the routes of users and of keys take alike: names, and to whose results somebody is bound."""

from collections.abc import Collection
from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from domain.people import Bounds

_NAME = r"^[\w.@+-]{1,64}$"
Name = Annotated[str, Field(pattern=_NAME, description="1 to 64 letters, digits and any of . _ - + @")]
Named = Annotated[str, Path(pattern=_NAME, description="the name", examples=["alice"])]
_Word = Annotated[
    str, StringConstraints(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*[^\x00-\x20][^\x00-\x1f]*$")
]
_Words = Annotated[list[_Word], Field(max_length=100)]


class Bound(BaseModel):
    """The studies that somebody may see: those of these destinations and departments; of all where both are empty."""

    model_config = ConfigDict(extra="forbid")
    destinations: _Words = Field([], examples=[["PACS"]])
    departments: _Words = Field([], examples=[[]])

    @property
    def bounds(self) -> Bounds:
        """The same as the node keeps it."""
        return Bounds(_stripped(self.destinations), _stripped(self.departments))


def _stripped(words: Collection[str]) -> frozenset[str]:
    """Of blanks nothing would be left, and whoever is bound to nothing sees all: so a blank stays, and is nobody's."""
    return frozenset(one.strip() or one for one in words)
