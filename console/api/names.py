"""Names of models and destinations in an address."""

from typing import Annotated

from fastapi import Path

Name = Annotated[
    str,
    Path(
        min_length=1,
        max_length=64,
        pattern=r"^[^\x00-\x1f/]+$",
        description="its name, as lists have it",
        examples=["PACS"],
    ),
]
