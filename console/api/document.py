"""The API's document as the project keeps it: `python -m console.api.document > docs/api/openapi.json`."""

import json
import sys
from typing import Any

from config.settings import Settings
from console.api.app import application
from console.auth.router import auth_router


def document() -> str:
    """The document, as JSON in the order of the routes; it is of no node's settings."""
    nowhere: Any = _Nowhere()
    said = application(nowhere, nowhere, [auth_router(nowhere, nowhere, nowhere)]).openapi()
    return json.dumps(said, indent=1, ensure_ascii=False) + "\n"


class _Nowhere:
    """No node, with a door of every kind."""

    settings = Settings()
    origin = ""


if __name__ == "__main__":
    sys.stdout.write(document())
