"""What scripts read is kept: the keys of each answer in JSON and the sort of each value, as once written down.

`console_json.json` is mended by hand, for whoever reads these answers has to mend theirs.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli.app import app
from store.database import Database
from store.grants import WHOEVER
from store.schema import upgrade
from tests.support.delivered import STUDY, fill

KEPT: dict[str, Any] = json.loads((Path(__file__).parent / "console_json.json").read_text("utf-8"))
DESTINATION = {"DICOM_NODE_DESTINATIONS": '["PACS@127.0.0.1:104"]'}


@pytest.fixture(scope="module")
def delivered_url(postgres: Any) -> Iterator[str]:
    url = postgres.url(dbname=postgres.fresh_database())
    upgrade(url)
    database = Database(url, role=WHOEVER)
    fill(database)
    yield url
    database.close()


@pytest.mark.parametrize("command", KEPT)
def test_the_keys_of_an_answer_and_the_sorts_of_its_values_stay(command: str, delivered_url: str) -> None:
    words = command.replace("STUDY", str(STUDY)).split()
    result = CliRunner().invoke(app, [*words, "--database", delivered_url, "--json"], env=DESTINATION)
    assert result.exit_code == 0, result.stderr
    assert shape(json.loads(result.stdout)) == KEPT[command]


def shape(value: Any) -> Any:
    """An object by its keys, a list by the shapes of its members, each once, anything else by its type."""
    if isinstance(value, dict):
        return {key: shape(one) for key, one in value.items()}
    if isinstance(value, list):
        shapes = [shape(one) for one in value]
        return [one for number, one in enumerate(shapes) if one not in shapes[:number]]
    return type(value).__name__
