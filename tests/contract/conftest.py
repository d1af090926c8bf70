"""Fixtures of the steps between the index and a destination."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from models.registry import Registry
from tests.support.bench import Bench, open_bench
from tests.support.packages import write_package


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    write_package(tmp_path / "models")
    return Registry.load(tmp_path / "models")
