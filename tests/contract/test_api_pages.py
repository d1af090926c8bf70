"""Pages of studies while others arrive and change: each that was there at the first page comes once."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.api import Asked, served
from tests.support.bench import Bench, open_bench
from tests.support.servers import Postgres

BEGUN = datetime(2026, 1, 1, tzinfo=UTC)
# Few different moments, so that many studies came at the same one.
MOMENTS = st.integers(0, 4)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory, postgres: Postgres) -> Iterator[Bench]:
    with open_bench(tmp_path_factory.mktemp("pages"), postgres.url(dbname=postgres.fresh_schema())) as made:
        yield made


@pytest.fixture(scope="module")
def api(bench: Bench) -> Iterator[Asked]:
    with served(bench) as asked:
        yield asked


def arrive(bench: Bench, moments: list[int]) -> set[str]:
    """Studies that first came at these moments, in whatever order they are committed; their ids."""
    ids = {str(uuid.uuid4()): one for one in moments}
    rows = ", ".join(
        f"('{id_}', '1.{uuid.UUID(id_).int % 10**30}', 'receiving', '', '{at}', '{at}', '{at}')"
        for id_, at in ((id_, (BEGUN + timedelta(seconds=one)).isoformat()) for id_, one in ids.items())
    )
    if rows:
        columns = "id, study_uid, state, reason, since, first_received, last_received"
        bench.as_owner(f"INSERT INTO dicom_node.studies ({columns}) VALUES {rows}")
    return set(ids)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    there=st.lists(MOMENTS, max_size=8),
    arriving=st.lists(st.lists(MOMENTS, max_size=3), max_size=4),
    limit=st.integers(1, 4),
)
def test_no_study_is_lost_or_comes_twice_whatever_arrives_or_changes_between_two_pages(
    bench: Bench, api: Asked, there: list[int], arriving: list[list[int]], limit: int
) -> None:
    bench.as_owner("DELETE FROM dicom_node.studies")
    first = arrive(bench, there)
    walked: list[str] = []
    cursor: str | None = None
    for _ in range(len(there) + sum(map(len, arriving)) + 2):
        page = api.get("operator", "/studies", params={"limit": limit, **({"cursor": cursor} if cursor else {})})
        walked += [one["id"] for one in page["studies"]]
        cursor = page["next"]
        if cursor is None:
            break
        arrive(bench, arriving.pop() if arriving else [])
        bench.as_owner("UPDATE dicom_node.studies SET last_received = now(), state = 'complete'")
    assert cursor is None
    assert len(walked) == len(set(walked))
    assert first <= set(walked)
