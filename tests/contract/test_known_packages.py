"""A package that was changed under its version, as the database knows it and as people are told."""

import json

from typer.testing import CliRunner

from config.settings import Database, Models, Settings
from console.cli.app import app
from console.cli.diagnostics import Mark, examine
from models.registry import Registry, releases
from store import packages
from tests.support.bench import Bench
from tests.support.working import changed

SAID = "version 1.0.0 is known with other contents: give what was changed a new version"


def remember_another(bench: Bench, registry: Registry) -> None:
    with bench.database.transaction() as connection:
        assert packages.register(connection, releases([changed(registry.get("body_and_bone"))])) == set()


def test_the_first_digest_of_a_version_is_the_one_that_counts(bench: Bench, registry: Registry) -> None:
    remember_another(bench, registry)
    package = registry.get("body_and_bone")
    with bench.database.transaction() as connection:
        assert packages.register(connection, releases([package])) == {package.release}
        assert packages.register(connection, releases([changed(package, version="2")])) == set()
        assert packages.changed(connection, {}) == set()


def test_verify_and_doctor_say_that_it_does_not_run_and_what_to_do(
    bench: Bench, registry: Registry, database_url: str
) -> None:
    folder = bench.root / "models"
    command = ["models", "verify", "--files", "--models", str(folder), "--database", database_url, "--json"]
    assert CliRunner().invoke(app, command).exit_code == 0
    remember_another(bench, registry)
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert [one["reason"] for one in json.loads(result.stdout)["models"]] == [SAID]
    settings = Settings(data=bench.root, database=Database(url=database_url), models=Models(folder=folder))
    (look,) = [one for one in examine(settings) if one.what == "model body_and_bone"]
    assert (look.mark, look.said) == (Mark.LACKING, SAID)
