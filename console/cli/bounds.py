"""To whose results a user or a key is bound: the options, and how it is shown."""

from typing import Annotated

import typer

from domain.people import Bounds

Destinations = Annotated[
    list[str] | None,
    typer.Option("--destination", metavar="NAME", help="Results of studies that go there alone; may be repeated."),
]
Departments = Annotated[
    list[str] | None,
    typer.Option("--department", metavar="NAME", help="Results of studies that came for it alone; may be repeated."),
]


def bounds_of(destinations: list[str] | None, departments: list[str] | None) -> Bounds:
    """What the options say."""
    return Bounds(frozenset(destinations or ()), frozenset(departments or ()))


def bound_to(bounds: Bounds) -> str:
    """What somebody is bound to, in words; "" where to nothing."""
    return ", ".join((*sorted(bounds.destinations), *(f"department {one}" for one in sorted(bounds.departments))))
