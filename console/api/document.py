"""The API's document as the project keeps it: `python -m console.api.document > docs/api/openapi.json`."""

import json
import sys
from typing import cast

from config.settings import Settings
from console.api.app import application
from console.api.backend import Backend
from console.auth.door import PeoplesDoor
from console.auth.people import People
from console.auth.provider import Provider
from console.auth.router import auth_router


def document() -> str:
    """The document, as JSON in the order of the routes; it is of no node's settings."""
    nowhere = _Nowhere()
    people, door, provider = cast(People, nowhere), cast(PeoplesDoor, nowhere), cast(Provider, nowhere)
    said = application(cast(Backend, nowhere), door, [auth_router(people, door, provider)]).openapi()
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


class _Nowhere:
    """No node, with a door of every kind."""

    settings = Settings()
    origin = ""


if __name__ == "__main__":
    sys.stdout.write(document())
