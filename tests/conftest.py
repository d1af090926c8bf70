"""Fixtures that every test may ask for. A server starts when the first test wants it, once for each test process."""

import gc
import os
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.processes import Process, tail
from tests.support.servers import Orthanc, Postgres

if TYPE_CHECKING:
    from tests.support.secured_kafka import SecuredKafka


# Of the variables that begin as settings of a node do, those that are for tests.
_FOR_TESTS = ("DICOM_NODE_TEST_", "DICOM_NODE_FAULTS_", "DICOM_NODE_OUTAGE_")
# readline(3) exports the size of a terminal to processes like these that have none, and commands go by it; the others
# have a command colour what no terminal shows.
_OF_A_TERMINAL = ("COLUMNS", "LINES", "FORCE_COLOR", "PY_COLORS", "GITHUB_ACTIONS")


def pytest_configure(config: pytest.Config) -> None:
    """Warnings are errors, except two that kafka-python causes at import on Python 3.11 and 3.12 (gone in 3.13).

    No command or node that a test starts inherits a setting of whoever starts the tests.
    """
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    for name in list(os.environ):
        is_setting = name.startswith("DICOM_NODE_") and not name.startswith(_FOR_TESTS)
        if is_setting or name in _OF_A_TERMINAL:
            del os.environ[name]
    # Test processes share the processors: a thread of PyTorch that waits for another must not spin.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def pytest_collection_finish() -> None:
    """All test modules are imported now, and stay: nobody needs to look through what they brought for waste again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what its servers and nodes said: whoever reads it may be unable to repeat it."""
    report = yield
    if report.failed:
        report.sections += [("log", tail(log, 80)) for log in Process.logs()]
    return report


@pytest.fixture(autouse=True)
def _own_umask() -> Iterator[None]:
    """What a role or a command makes of the process's umask ends with its test."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL that stays up; `fresh_database` gives each test its own."""
    with Postgres() as server:
        yield server


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator["SecuredKafka"]:
    """A broker that stays up, and lets nobody do what no list allows; topics of tests have names of their own."""
    # Imported here: what pytest lets pass at its import is said above, and counts only once this file is loaded.
    from tests.support.secured_kafka import SecuredKafka  # noqa: PLC0415

    with SecuredKafka(tmp_path_factory.mktemp("kafka")) as server:
        yield server


@pytest.fixture(scope="session")
def _orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orthanc]:
    with Orthanc(tmp_path_factory.mktemp("orthanc")) as server:
        yield server


@pytest.fixture
def orthanc(_orthanc: Orthanc) -> Orthanc:
    """An empty archive that stays up."""
    _orthanc.clear()
    return _orthanc


@pytest.fixture
def database_url(postgres: Postgres) -> Iterator[str]:
    """SQLAlchemy URL of a database with the node's schema and nothing in it, as superuser."""
    name = postgres.fresh_schema()
    yield postgres.url(dbname=name)
    postgres.drop(name)


@pytest.fixture
def empty_url(postgres: Postgres) -> Iterator[str]:
    """SQLAlchemy URL of an empty database, as superuser."""
    name = postgres.fresh_database()
    yield postgres.url(dbname=name)
    postgres.drop(name)
