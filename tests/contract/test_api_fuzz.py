"""Whatever the document allows, and what it does not, is asked by everybody: no answer is a defect of the node."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from domain.permissions import UserRole
from tests.support.api import NOBODY, Asked, open_house, served_house
from tests.support.bench import Bench
from tests.support.counterparts import ROOT
from tests.support.servers import Postgres

# A few requests of each kind in each run; as many as are wanted by hand.
EXAMPLES = int(os.environ.get("DICOM_NODE_FAULTS_REQUESTS", "5"))
# What is wrong is said as it was met: to make it smaller would be asked for with each of them.
QUICK: dict[str, Any] = {"database": None, "phases": [Phase.generate]}
KEPT = json.loads((ROOT / "docs/api/openapi.json").read_text("utf-8"))
EVERYBODY = (NOBODY, *UserRole)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Bench]:
    with open_house(tmp_path_factory.mktemp("fuzz"), postgres.url(dbname=postgres.fresh_schema())) as made:
        yield made


@pytest.fixture(scope="module")
def api(bench: Bench) -> Iterator[Asked]:
    with served_house(bench) as asked:
        yield asked


FOUND: list[Any] = list(schemathesis.openapi.from_dict(KEPT).get_all_operations())
OPERATIONS = [one.ok() for one in FOUND]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["as told", "otherwise"])
@pytest.mark.parametrize("operation", OPERATIONS, ids=[one.label for one in OPERATIONS])
def test_no_request_of_anybody_ends_in_a_defect(operation: Any, mode: GenerationMode, api: Asked) -> None:
    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), **QUICK)
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked_by_everybody(case: Any) -> None:
        asked = case.as_transport_kwargs("http://testserver")
        asked.pop("cookies", None)
        if isinstance(asked.get("data"), bytes):
            asked["content"] = asked.pop("data")
        for who in EVERYBODY if "/api/" in case.path else (NOBODY,):
            headers = {**(asked.get("headers") or {}), "Authorization": f"Bearer {who}"}
            said = api.client.request(**{**asked, "headers": headers})
            assert said.status_code < 500, (who, said.status_code, said.text)
            assert said.status_code < 400 or said.headers["content-type"] == "application/problem+json"

    with suppress(Unsatisfiable):  # where nothing can be asked otherwise than as it is told
        asked_by_everybody()
