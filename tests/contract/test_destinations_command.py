"""`dicom-node destinations` as people type it, against a receiver that takes some classes and no others."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from config.peers import Destination
from config.settings import Http
from console.cli.app import app
from consumers.destinations import ProfiledDestination
from consumers.leased import LeasedLoop
from consumers.steps.deliver import DeliveryToNobody, Sent
from consumers.steps.retry import retry
from domain.profiles import BUILT_IN, ENHANCED_SR, EXPLICIT, IMPLICIT, SECONDARY_CAPTURE
from models.registry import Registry
from roles.health import Health, HealthServer
from roles.run_files import Facts
from store.deliveries import Delivery
from store.holders import Holder, Life
from tests.support.bench import Bench
from tests.support.processes import free_port
from tests.support.receivers import Receiver
from tests.support.working import LEASE, POLICY, SMALL, FakeChild, route, study, study_id, worker, write_and_plan

WARD = ProfiledDestination(Destination(name="ward", aet="WARD", host="127.0.0.1", port=104), BUILT_IN["default"])
TAKEN = {ENHANCED_SR: [EXPLICIT, IMPLICIT], SECONDARY_CAPTURE: [EXPLICIT]}


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver("PACS", TAKEN) as made:
        yield made


@pytest.fixture
def configured(receiver: Receiver, database_url: str, tmp_path: Path) -> Path:
    """A settings file with the receiver as destination `ward`, and a database whose schema is there."""
    file = tmp_path / "node.toml"
    file.write_text(
        f'[database]\nurl = "{database_url}"\n[profiles.ours]\nobjects = ["SEG", "SR"]\n'
        f'[[destinations]]\nname = "ward"\naet = "PACS"\nhost = "127.0.0.1"\nport = {receiver.port}\nprofile = "ours"\n'
    )
    return file


def run(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["destinations", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return result


def test_any_peer_can_be_asked_and_nothing_is_kept(receiver: Receiver, tmp_path: Path) -> None:
    answer = json.loads(run("probe", receiver.destination, "--data", tmp_path, "--json").stdout)
    assert {tuple(one) for one in answer["accepted"]} == {
        (sop_class, syntax) for sop_class, syntaxes in TAKEN.items() for syntax in syntaxes
    }
    assert (answer["profile"], answer["error"], answer["kept"]) == ("default", "", False)
    assert answer["why_not_kept"] == "PACS is not among the destinations"
    assert receiver.received == []


def test_a_person_sees_what_is_taken_what_is_sent_and_why(receiver: Receiver, tmp_path: Path) -> None:
    shown = run("probe", receiver.destination, "--profile", "weasis", "--data", tmp_path).stdout
    (row,) = [line for line in shown.splitlines() if line.strip().startswith("SR ")]
    assert "Enhanced SR (Explicit, Implicit)" in row
    assert "for it takes no Comprehensive 3D SR, no Comprehensive SR" in row
    assert "its profile does not name it" in shown
    assert "not kept: PACS is not among the destinations" in shown


def test_the_answer_of_a_destination_is_kept_and_outlives_its_absence(configured: Path, receiver: Receiver) -> None:
    assert json.loads(run("show", "ward", "--config", configured, "--json").stdout)["accepted"] is None
    assert "kept for the deliveries to come" in run("probe", "ward", "--config", configured).stdout
    shown = json.loads(run("show", "ward", "--config", configured, "--json").stdout)
    assert len(shown["accepted"]) == 3
    assert [(one["kind"], one["sop_class"]) for one in shown["choices"]] == [
        ("SEG", None),
        ("SR", ENHANCED_SR),
        ("SR-LIKELIHOODS", ENHANCED_SR),
    ]
    receiver.__exit__(None, None, None)
    assert "did not answer" in run("probe", "ward", "--config", configured, code=1).stderr
    (listed,) = json.loads(run("list", "--config", configured, "--json").stdout)["destinations"]
    assert listed["accepted"] == shown["accepted"]
    assert "no connection" in listed["error"]
    assert "Connection refused" in run("list", "--config", configured).stdout
    assert "Enhanced SR (Explicit, Implicit)" in run("show", "ward", "--config", configured).stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["probe", f"NOBODY@127.0.0.1:{free_port()}"], "Connection refused"),
        (["probe", "NOBODY@a..b:104"], "is neither a host's name nor an IP address"),
        (["probe", "ward"], "there is no destination 'ward'; known are none; or give AET@HOST:PORT"),
        (["probe", "nonsense@"], "'nonsense@' is not of the form AET@HOST:PORT"),
        (["probe", "A@b:70000"], "A@b:70000: must be 65535 or less, not 70000"),
        (["probe", "A@b:104", "--profile", "x"], "there is no profile 'x'; known are default, ohif"),
        (["show", "ward"], "no node has run there"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_code_1(arguments: Sequence[str], said: str, tmp_path: Path) -> None:
    result = run(*arguments, "--data", tmp_path, code=1)
    assert said in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_peer_that_does_not_answer_is_json_too(tmp_path: Path) -> None:
    result = run("probe", f"NOBODY@127.0.0.1:{free_port()}", "--data", tmp_path, "--json", code=1)
    answer = json.loads(result.stdout)
    assert "Connection refused" in answer["error"]
    assert answer["accepted"] is None


def test_without_a_database_the_configured_destinations_are_listed(tmp_path: Path) -> None:
    file = tmp_path / "node.toml"
    file.write_text(f'data = "{tmp_path}"\ndestinations = ["A@h:104"]\n')
    result = run("list", "--config", file)
    assert "A@h:104" in result.stdout
    assert "what was seen is not known: no database in" in result.stderr


def test_the_profiles_are_listed_with_those_of_the_site(configured: Path) -> None:
    listed = json.loads(run("profiles", "--config", configured, "--json").stdout)["profiles"]
    assert [one["name"] for one in listed] == [*BUILT_IN, "ours"]
    assert "comprehensive-3d, comprehensive, enhanced, text" in run("profiles").stdout


def refused(bench: Bench, registry: Registry, destination: str) -> None:
    """A study that is stuck, for what it should send to a destination is not configured any more."""
    bench.receive(SMALL.datasets())
    route(bench, registry)
    assert worker(bench, FakeChild(registry)).step()
    old = Destination(name=destination, aet="OLD", host="127.0.0.1", port=104)
    write_and_plan(bench, [ProfiledDestination(old, BUILT_IN["default"])])
    nobody = DeliveryToNobody([], POLICY, bench.clock)
    loop: LeasedLoop[Delivery, Sent] = LeasedLoop(
        bench.as_process("deliver"), nobody, Holder("d1", bench.life()), LEASE
    )
    assert loop.step()
    assert study(bench)[0] == "stuck"


def test_a_destination_that_was_removed_is_forgotten_and_its_studies_go_on(
    bench: Bench, registry: Registry, database_url: str
) -> None:
    refused(bench, registry, "OLDPACS")
    planned = run("forget", "OLDPACS", "--dry-run", "--database", database_url).stdout
    assert planned == "would cancel 1 delivery of 1 study; nothing was done\n"
    assert study(bench)[0] == "stuck"
    said = json.loads(run("forget", "OLDPACS", "--database", database_url, "--json").stdout)
    assert said == {"deliveries": 1, "notes": 0, "studies": 1}
    assert study(bench) == ("complete", "OLDPACS is no destination any more")
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("cancelled",)]
    assert "delivery cancelled" in bench.actions()
    assert bench.chain_holds()
    again = run("forget", "OLDPACS", "--database", database_url).stdout
    assert again == "OLDPACS is forgotten; nothing was still to go there\n"


def test_a_destination_that_was_taken_out_of_the_settings_says_so_and_can_be_forgotten(
    configured: Path, database_url: str, tmp_path: Path
) -> None:
    run("probe", "ward", "--config", configured)
    with_it, without = ["--config", configured], ["--database", database_url, "--data", tmp_path]
    assert "no longer configured" not in run("list", *with_it).stdout
    for asked in (["list"], ["show", "ward"]):
        shown = run(*asked, *without).stdout
        assert "ward is no longer configured; to forget it: dicom-node destinations forget --data" in shown
    (told,) = json.loads(run("list", *without, "--json").stdout)["destinations"]
    assert not told["configured"]
    with HealthServer(Health(), Http(), tmp_path, "deliver", Facts(destinations=("ward",))):
        assert "no longer configured" not in run("list", *without).stdout
    assert run("forget", "ward", *without).stdout == "ward is forgotten; nothing was still to go there\n"
    assert json.loads(run("list", *without, "--json").stdout)["destinations"] == []
    assert "nothing was ever to go to ward" in run("forget", "ward", *without, code=1).output
    (anew,) = json.loads(run("list", *with_it, "--json").stdout)["destinations"]
    assert (anew["configured"], anew["accepted"]) == (True, None)
    run("probe", "ward", *with_it)
    assert json.loads(run("show", "ward", *with_it, "--json").stdout)["accepted"]


def test_a_destination_that_is_configured_is_not_forgotten(configured: Path) -> None:
    assert "take it out of the settings first" in run("forget", "ward", "--config", configured, code=1).output


def test_a_destination_that_only_the_running_node_was_given_is_not_forgotten(configured: Path, tmp_path: Path) -> None:
    given = ["--config", configured, "--data", tmp_path]
    with HealthServer(Health(), Http(), tmp_path, "deliver", Facts(destinations=("BY_OPTION",))):
        assert "take it out of the settings first" in run("forget", "BY_OPTION", *given, code=1).output


def test_while_a_node_does_not_say_what_it_serves_nothing_is_forgotten(configured: Path, tmp_path: Path) -> None:
    with HealthServer(Health(), Http(), tmp_path, "assemble"):
        said = run("forget", "OLDPACS", "--config", configured, "--data", tmp_path, code=1).output
    assert "does not say what it serves: wait until it is back" in " ".join(said.split())


def test_what_a_living_process_of_any_host_serves_is_not_forgotten(
    bench: Bench, registry: Registry, database_url: str, tmp_path: Path
) -> None:
    refused(bench, registry, "OLDPACS")
    asked = ["forget", "OLDPACS", "--database", database_url, "--data", tmp_path / "elsewhere"]
    life = Life(bench.database, ["OLDPACS"])
    life.prove()
    assert "a running node serves OLDPACS" in run(*asked, code=1).output
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("refused",)]
    life.close()
    assert "1 delivery cancelled" in run(*asked).stdout


def test_while_a_node_of_any_host_does_not_say_what_it_serves_nothing_is_forgotten(
    bench: Bench, registry: Registry, database_url: str, tmp_path: Path
) -> None:
    refused(bench, registry, "OLDPACS")
    for one in bench.lives:
        one.close()
    works = Life(bench.database)
    works.prove()
    asked = ["forget", "OLDPACS", "--database", database_url, "--data", tmp_path / "elsewhere"]
    said = " ".join(run(*asked, code=1).output.split())
    assert "none of its processes says what it serves: wait until its role deliver is back" in said
    works.close()
    assert "1 delivery cancelled" in run(*asked).stdout


def test_a_study_that_only_waited_for_a_forgotten_destination_says_so(
    bench: Bench, registry: Registry, database_url: str
) -> None:
    refused(bench, registry, "OLDPACS")
    retry(bench.ledger, study_id(bench), [], bench.clock.now())
    assert study(bench)[0] == "complete"
    run("forget", "OLDPACS", "--database", database_url)
    assert study(bench) == ("complete", "OLDPACS is no destination any more")


@pytest.mark.parametrize("by", ["settings", "a living process"])
def test_what_was_cancelled_by_a_forget_goes_out_on_a_retry_once_its_destination_is_one_again(
    bench: Bench, registry: Registry, database_url: str, by: str
) -> None:
    refused(bench, registry, "OLDPACS")
    run("forget", "OLDPACS", "--database", database_url)
    assert retry(bench.ledger, study_id(bench), [], bench.clock.now(), []).deliveries == 0
    assert bench.ask("SELECT state FROM dicom_node.deliveries") == [("cancelled",)]
    life = Life(bench.database, ["OLDPACS"] if by != "settings" else [])
    life.prove()
    configured = ["OLDPACS"] if by == "settings" else []
    assert retry(bench.ledger, study_id(bench), [], bench.clock.now(), configured).deliveries == 1
    life.close()
    assert bench.ask("SELECT state, reason FROM dicom_node.deliveries") == [("pending", "asked for again")]
    assert bench.chain_holds()


def test_a_name_that_nothing_was_ever_to_go_to_is_no_success(configured: Path) -> None:
    assert "nothing was ever to go to WRAD" in run("forget", "WRAD", "--config", configured, code=1).output


def test_what_went_with_a_forgotten_destination_goes_on_a_retry_to_the_one_that_took_its_place(
    bench: Bench, registry: Registry, database_url: str
) -> None:
    refused(bench, registry, "MISSPELT")
    run("forget", "MISSPELT", "--database", database_url)
    assert retry(bench.ledger, study_id(bench), [], bench.clock.now(), ["ward"]).deliveries == 1
    write_and_plan(bench, [WARD])
    assert bench.ask("SELECT destination, state FROM dicom_node.deliveries ORDER BY destination") == [
        ("MISSPELT", "cancelled"),
        ("ward", "pending"),
    ]
    assert retry(bench.ledger, study_id(bench), [], bench.clock.now(), ["ward", "LATER"]).deliveries == 2
    assert bench.chain_holds()


def test_what_went_with_a_forgotten_destination_goes_at_once_for_many_studies_to_another(
    bench: Bench, registry: Registry, database_url: str, configured: Path
) -> None:
    refused(bench, registry, "MISSPELT")
    said = run("forget", "MISSPELT", "--config", configured).stdout
    assert said == (
        "1 delivery cancelled, 1 study stuck no longer\n"
        "what was to go there goes nowhere now; to send it to another: "
        f"dicom-node retry --config {configured} --destination ward\n"
    )
    asked = ["retry", "--destination", "ward", "--config", str(configured)]
    planned = CliRunner().invoke(app, [*asked, "--dry-run"]).stdout
    assert "what ward did not get of 1 study" in planned
    assert CliRunner().invoke(app, asked).stdout == "to ward at once: 1 delivery of 1 study\n"
    write_and_plan(bench, [WARD])
    found = bench.ask("SELECT state FROM dicom_node.deliveries WHERE destination = 'ward'")
    assert found == [("pending",)]


def test_results_of_which_nothing_was_forgotten_go_to_no_later_one(bench: Bench, registry: Registry) -> None:
    refused(bench, registry, "OLDPACS")
    assert retry(bench.ledger, study_id(bench), [], bench.clock.now(), ["OLDPACS", "LATER"]).deliveries == 1
