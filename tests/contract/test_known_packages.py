"""A package that was changed under its version, as the database knows it and as people are told."""

import json

import pytest
from typer.testing import CliRunner

from config.settings import Database, Models, Settings
from console.actions.known_packages import faults
from console.cli.app import app
from console.cli.diagnostics import examine
from console.cli.looks import Mark
from domain.findings import Code
from domain.vocabulary import Vocabulary
from models.registry import Registry, releases
from store import packages
from tests.support.bench import Bench
from tests.support.working import changed

SAID = "version 1.0.0 is known with other contents: give what was changed a new version"


def remember_another(bench: Bench, registry: Registry) -> None:
    with bench.database.transaction() as connection:
        assert packages.register(connection, releases([changed(registry.get("body_and_bone"))])).changed == set()


def test_the_first_digest_of_a_version_is_the_one_that_counts(bench: Bench, registry: Registry) -> None:
    remember_another(bench, registry)
    package = registry.get("body_and_bone")
    with bench.database.transaction() as connection:
        assert packages.register(connection, releases([package])).changed == {package.release}
        assert packages.register(connection, releases([changed(package, version="2")])).changed == set()
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


def test_a_signed_package_is_not_rolled_back_without_a_word_of_the_administrator(
    bench: Bench, registry: Registry, database_url: str
) -> None:
    package = registry.get("body_and_bone")
    with bench.database.transaction() as connection:
        packages.register(connection, releases([package, changed(package, version="1.10.0")]))
        assert packages.newer(connection, [package.release]) == {package.release: "1.10.0"}
        assert packages.newer(connection, [(package.name, "1.10.0"), ("another", "0.1")]) == {}
    models = Models(folder=bench.root / "models", require_signature=True, trusted_keys=(bench.root / "none",))
    settings = Settings(data=bench.root, database=Database(url=database_url), models=models)
    told = "the node has known its newer version 1.10.0; name this one in models.allow_older where it shall run"
    assert faults(settings, [package]) == {package.release: told}
    for lenient in ({"allow_older": ("body_and_bone 1.0.0",)}, {"require_signature": False}):
        said = settings.model_copy(update={"models": models.model_copy(update=lenient)})
        assert faults(said, [package]) == {}


@pytest.mark.parametrize(
    ("older", "newer"), [("1.9.0", "1.10.0"), ("1.0", "1.0.1"), ("1.0rc1", "1.0"), ("1.0a", "1.0b"), ("2", "10")]
)
def test_versions_are_ordered_as_people_count(bench: Bench, older: str, newer: str) -> None:
    with bench.database.transaction() as connection:
        packages.register(connection, {("toy", older): "0" * 64, ("toy", newer): "1" * 64})
        assert packages.newer(connection, [("toy", older), ("toy", newer)]) == {("toy", older): newer}


def test_what_a_package_calls_things_is_kept_once_by_its_digest(bench: Bench) -> None:
    lung = Vocabulary(frozenset({"Lung", "Lungs in CT"}), frozenset({Code("39607008", "SCT", "Lung")}))
    nothing = Vocabulary(frozenset(), frozenset())
    with bench.as_process("work").transaction() as transaction:
        connection = transaction.connection
        packages.register(connection, {("toy", "1.0"): "0" * 64})
        assert packages.words_of(connection, ["0" * 64]) == {}
        for words in (lung, nothing):
            packages.keep_words(connection, {"0" * 64: words, "1" * 64: words})
        assert packages.words_of(connection, ["0" * 64, "1" * 64]) == {"0" * 64: lung}
