"""The API's document as the project keeps it: `python -m console.api.document > docs/api/openapi.json`."""

import json
import sys
from typing import cast

from config.settings import Settings
from console.api.access import Authenticator
from console.api.app import application
from console.api.backend import Backend
from console.auth.door import PeoplesDoor
from console.auth.people import People
from console.auth.provider import Provider
from console.auth.router import auth_router


def document() -> str:
    """The document, as JSON in the order of the routes; it is of no node's settings."""
    nowhere = cast(Backend, _Nowhere())
    log_in = auth_router(cast(People, None), cast(PeoplesDoor, None), cast(Provider, None))
    said = application(nowhere, cast(Authenticator, None), [log_in]).openapi()
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


class _Nowhere:
    settings = Settings()


if __name__ == "__main__":
    sys.stdout.write(document())
