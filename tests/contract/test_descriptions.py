"""A node that keeps no descriptions: none comes into the database, and what needs them says so and does not run."""

from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.rules import Rule
from config.settings import Models, Privacy, Settings
from console.cli.app import app
from consumers.steps.adopt import adopt
from consumers.steps.clear_descriptions import clear_descriptions
from consumers.steps.index import Indexer
from consumers.steps.route import Router
from dicom_node.spool import SpoolReader
from domain.routing import Conditions
from models.installed import descriptionless, installed
from models.registry import Registry
from store.descriptions import Cleared
from tests.support.bench import MARKS, Bench
from tests.support.ingest import send
from tests.support.packages import write_package
from tests.support.working import SMALL, events, route

NAMED = replace(SMALL, study_description="CT of Quuxworth", series_description="Quuxworth thin")
KEPT = """
    SELECT study_description, series_description FROM dicom_node.series
    UNION SELECT series_description, '' FROM dicom_node.instances
"""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    write_package(folder)
    return folder


def without(folder: Path) -> Settings:
    return Settings(privacy=Privacy(descriptions=False), models=Models(folder=folder))


def index_without(bench: Bench) -> None:
    with SpoolReader(bench.root / "spool") as reader:
        ledger = bench.as_process("index")
        indexer = Indexer(reader, ledger, bench.objects, bench.clock, marks=MARKS, descriptions=False)
        while indexer.step(0.05):
            pass
        indexer.close()


def with_lines(folder: Path, lines: str, before: str) -> Path:
    """The package in `folder`, with more lines in its manifest."""
    manifest = next(folder.rglob("manifest.toml"))
    text = manifest.read_text()
    assert before in text
    manifest.write_text(text.replace(before, f"{lines}\n{before}", 1))
    return folder


def test_no_description_comes_in_by_the_index_nor_by_an_adoption(bench: Bench) -> None:
    send(bench.writer, NAMED.datasets())
    index_without(bench)
    bench.settle()
    others = NAMED.datasets()
    for one in others:
        one.AcquisitionNumber = 2
    send(bench.writer, others)
    index_without(bench)
    bench.settle()
    (number,) = bench.ask("SELECT min(id) FROM dicom_node.conflicts")[0]
    adopted = adopt(bench.ledger, bench.objects, number, bench.clock.now(), whole=True, descriptions=False)
    assert len(adopted.conflicts) == 4
    assert bench.ask(KEPT) == [("", "")]


def test_what_is_there_is_cleared_with_an_entry_and_once(bench: Bench) -> None:
    bench.receive(NAMED.datasets())
    assert ("CT of Quuxworth", "Quuxworth thin") in bench.ask(KEPT)
    assert clear_descriptions(bench.ledger, "somebody") == Cleared(studies=1, series=1, instances=4)
    assert bench.ask(KEPT) == [("", "")]
    entry = "SELECT entry FROM dicom_node.audit_entries WHERE entry LIKE '%descriptions cleared%'"
    ((said,),) = bench.ask(entry)
    assert '"user":"somebody"' in said
    assert "Quuxworth" not in said
    assert clear_descriptions(bench.ledger, "somebody") == Cleared()
    assert len(bench.ask(entry)) == 1
    assert bench.chain_holds()


def test_a_person_clears_by_a_command_that_refuses_while_the_index_keeps_them(bench: Bench, database_url: str) -> None:
    bench.receive(NAMED.datasets())
    words = ["privacy", "clear-descriptions", "--data", str(bench.root), "--database", database_url]
    kept = CliRunner().invoke(app, words)
    assert kept.exit_code == 1
    assert "set privacy.descriptions = false" in str(kept.exception) + kept.output
    done = CliRunner().invoke(app, words, env={"DICOM_NODE_PRIVACY__DESCRIPTIONS": "false"})
    assert (done.exit_code, done.stdout) == (0, "descriptions of 1 studies cleared: 1 series, 4 instances\n")
    assert bench.ask(KEPT) == [("", "")]


@pytest.mark.parametrize("condition", ["series_description", "study_description", "not_series_description"])
def test_a_package_whose_conditions_ask_for_descriptions_is_not_asked_and_says_why(
    bench: Bench, packages: Path, condition: str
) -> None:
    settings = without(with_lines(packages, f'{condition} = "thorax"', before='modality = ["CT"]'))
    send(bench.writer, NAMED.datasets())
    index_without(bench)
    bench.settle()
    router = Router(
        lambda: installed(settings),
        lambda: None,
        bench.clock,
        unasked=lambda package, rules: descriptionless(package, settings, rules),
    )
    (event,) = events(bench, "study.completed")
    with bench.as_process("assemble").transaction() as transaction:
        router(transaction, event)
    said = "its intended use asks for descriptions, which privacy.descriptions = false keeps out of the database"
    assert bench.ask("SELECT reason FROM dicom_node.decisions") == [(said,)]
    assert bench.count("jobs") == 0


def test_a_package_that_prefers_by_descriptions_counts_as_one_that_asks_for_them(packages: Path) -> None:
    settings = without(with_lines(packages, '[inputs.prefer]\nseries_description = ["thin"]\n', "[[preprocessing]]"))
    (package,) = installed(settings)
    assert "asks for descriptions" in descriptionless(package, settings)
    assert descriptionless(package, Settings(models=settings.models)) == ""


def test_a_rule_that_asks_for_descriptions_keeps_its_own_model_from_being_asked(packages: Path) -> None:
    settings = without(packages)
    (package,) = installed(settings)
    rules = [Rule("thorax", package.name, Conditions(series_description="thorax"))]
    assert descriptionless(package, settings, rules).startswith("rule 'thorax' asks for descriptions")
    assert descriptionless(package, settings, [replace(rules[0], model="another")]) == ""


def test_what_asks_for_none_runs_as_ever(bench: Bench, registry: Registry) -> None:
    send(bench.writer, NAMED.datasets())
    index_without(bench)
    bench.settle()
    route(bench, registry)
    assert bench.count("jobs") == 1


def test_the_check_of_the_settings_names_each_package_and_rule_that_contradicts_them(
    packages: Path, tmp_path: Path
) -> None:
    rules, file = tmp_path / "rules.toml", tmp_path / "node.toml"
    rules.write_text('[[rule]]\nname = "thorax"\nmodel = "body_and_bone"\nwhen = { series_description = "thorax" }\n')
    file.write_text(
        f'data = "{tmp_path / "data"}"\n[models]\nfolder = "{packages}"\nrules = "{rules}"\n[spool]\ndisk_floor = 0\n'
        '[database]\nurl = "postgresql://node@127.0.0.1:1/node"\n'
    )
    assert CliRunner().invoke(app, ["config", "check", str(file)]).exit_code == 0
    with file.open("a") as more:
        more.write("[privacy]\ndescriptions = false\n")
    said = CliRunner().invoke(app, ["config", "check", str(file)])
    assert said.exit_code == 1
    assert "model package body_and_bone does not run: rule 'thorax' asks for descriptions" in said.output
