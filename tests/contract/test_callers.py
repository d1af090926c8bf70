"""Who called: counted once by the index, bounded, and shown with the lines that let in who was refused."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.loading import load_settings
from config.settings import Http
from console.cli.app import app
from console.cli.diagnostics import examine
from console.cli.looks import Mark
from dicom_node.spool import Close, Peer
from roles.health import Health, HealthServer
from store import callers
from store.queries.callers import known_callers
from tests.support.bench import Bench, open_bench
from tests.support.ingest import SCANNER
from tests.support.processes import free_port
from tests.support.spool import writing

CALLER = '[[listener.callers]]\naet = "MR1"\naddress = "10.1.0.9"'


@pytest.fixture
def bench(tmp_path: Path, database_url: str) -> Iterator[Bench]:
    with open_bench(tmp_path, database_url) as made:
        yield made


def test_who_called_is_counted_once_however_often_a_record_is_read_and_strangers_are_bounded(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted() -> dict[str, tuple[int, int, str]]:
        return {one.calling_ae: (one.accepted, one.refused, one.refusal) for one in known_callers(bench.database)}

    with writing(bench.root / "spool", index=1) as writer:
        writer.close_association(writer.open_association(SCANNER, {}), Close.RELEASED, "")
        for _ in range(3):
            writer.refuse_association(Peer("MR1", "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title is not known")
    bench.index()
    assert counted() == {SCANNER.calling: (1, 0, ""), "MR1": (0, 3, "1-1-3")}
    monkeypatch.setattr(callers, "MOST", 2)
    with writing(bench.root / "spool", index=2) as writer:
        writer.close_association(writer.open_association(SCANNER, {}), Close.RELEASED, "")
        for number in range(4):
            writer.refuse_association(Peer(f"X{number}", "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title is not known")
    bench.index()
    known = counted()
    assert known.pop(SCANNER.calling) == (2, 0, "")
    assert len(known) == 2
    assert set(known) <= {"X0", "X1", "X2", "X3"}
    assert bench.chain_holds()


def test_who_was_refused_is_shown_with_the_lines_that_let_it_in_and_who_never_called_too(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    with writing(bench.root / "spool", index=1) as writer:
        writer.close_association(writer.open_association(SCANNER, {}), Close.RELEASED, "")
        writer.refuse_association(Peer("MR1", "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title 'MR1' is not known")
        writer.refuse_association(Peer("a\\b\x1b", "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title is not known")
        writer.refuse_association(Peer("CT2", "N0DE", "10.1.0.7"), 1, 1, 7, "called AE title 'N0DE' is not ours")
        writer.refuse_association(Peer("MR9", "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title 'MR9' is not known")
        writer.close_association(writer.open_association(Peer("MR9", "NODE", "10.1.0.9"), {}), Close.RELEASED, "")
        writer.refuse_association(Peer("MR9", "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title 'MR9' is not known")
    bench.index()
    file = tmp_path / "node.toml"
    named = '[[listener.callers]]\naet = "XR2"\naddress = "10.1.0.0/24"\n'
    named += '[[listener.callers]]\naet = "MR9"\naddress = "10.1.0.9"\n'
    file.write_text(f'[listener]\nhost = "0.0.0.0"\n{named}')
    asked = ["callers", "--config", str(file), "--database", database_url]
    shown = CliRunner().invoke(app, asked).stdout
    assert shown.count("[[listener.callers]]") == 1
    assert CALLER in shown
    assert "CT2 calls another AE title than DICOM_NODE" in shown
    assert "never" in next(line for line in shown.splitlines() if "XR2" in line)
    bench.as_owner(f"UPDATE dicom_node.callers SET studies = 12, pause = 6 WHERE calling_ae = '{SCANNER.calling}'")
    assert "12, pauses of 6 s within one" in " ".join(CliRunner().invoke(app, asked).stdout.split())
    assert "\x1b" not in shown
    told = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert {one["calling_ae"]: one["let_in_by"] for one in told["callers"] if one["let_in_by"]} == {"MR1": CALLER}
    assert told["silent"] == [{"aet": "XR2", "address": "10.1.0.0/24"}]
    file.write_text(file.read_text() + CALLER)
    shown = CliRunner().invoke(app, asked).stdout
    assert "[[listener.callers]]" not in shown
    assert "MR1 is in the settings" in shown


def test_who_came_by_another_certificate_is_let_in_by_that_and_not_by_its_address(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    shown = "ab" * 32
    said = f"calling AE title 'CT1' is not known from 10.1.0.9 with the certificate of CT1 (sha256:{shown})"
    with writing(bench.root / "spool", index=1) as writer:
        writer.refuse_association(Peer("CT1", "NODE", "10.1.0.9"), 1, 1, 3, said)
        writer.refuse_association(Peer("", "", "10.1.0.8"), None, None, None, "TLS: the peer showed no certificate")
    bench.index()
    file = tmp_path / "node.toml"
    known = '[listener]\nhost = "0.0.0.0"\n[listener.tls]\ncertificate = "n.pem"\nkey = "n.key"\nca = "ca.pem"\n'
    for certificate in ("another", shown):
        file.write_text(f'{known}[[listener.callers]]\naet = "CT1"\ncertificate = "{certificate}"\n')
        told = CliRunner().invoke(app, ["callers", "--config", str(file), "--database", database_url]).output
        assert (f'certificate = "{shown}"' in told) == (certificate == "another")
        assert ("is in the settings: dicom-node reload" in told) == (certificate == shown)
    assert re.search(r"\(no AE title\) +10\.1\.0\.8 .*TLS: the peer showed no certificate", told)


def test_who_was_refused_soon_after_it_was_accepted_is_told_with_the_reason_and_the_lines_that_let_it_in(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    """Whoever edits the callers tries at once; which of both came last is not known within a minute."""
    with writing(bench.root / "spool", index=1) as writer:
        writer.close_association(writer.open_association(Peer("MR1", "NODE", "10.1.0.9"), {}), Close.RELEASED, "")
        writer.refuse_association(Peer("MR1", "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title 'MR1' is not known")
    bench.index()
    file = tmp_path / "node.toml"
    file.write_text('[listener]\nhost = "0.0.0.0"\n[[listener.callers]]\naet = "mr1"\naddress = "10.1.0.9"\n')
    shown = CliRunner().invoke(app, ["callers", "--config", str(file), "--database", database_url]).stdout
    assert "is not known (or before it was accepted)" in " ".join(shown.split())
    assert CALLER in shown


def test_an_aet_that_waits_for_a_restart_is_told_to_whom_its_scanners_are_refused(
    bench: Bench, database_url: str, tmp_path: Path
) -> None:
    with writing(bench.root / "spool", index=1) as writer:
        writer.refuse_association(Peer("CT2", "NEWNODE", "10.1.0.7"), 1, 1, 7, "called AE title 'NEWNODE' is not ours")
    bench.index()
    file = tmp_path / "node.toml"
    file.write_text(f'data = "{tmp_path / "data"}"\n[listener]\naet = "NEWNODE"\nport = {free_port()}\n')
    asked = ["--config", str(file), "--database", database_url]
    health = Health()
    with socket.create_server(("127.0.0.1", 0)) as door, HealthServer(health, Http(), tmp_path / "data", "listen"):
        health.publish(door.getsockname()[1], "OLDNODE")
        shown = " ".join(CliRunner().invoke(app, ["callers", *asked]).stdout.split())
        assert "the node that runs answers to OLDNODE until it is restarted: listener.aet says NEWNODE" in shown
        assert "mend it there" not in shown
        file.write_text(file.read_text().replace("port = ", f"port = {door.getsockname()[1]} # "))
        port = next(examine(load_settings(file)))
    assert port.mark is Mark.NOTED
    assert "as OLDNODE until it is restarted: listener.aet says NEWNODE" in port.said


@pytest.mark.parametrize(
    ("before", "behind"),
    [
        ('[listener]\ncallers = [{ aet = "XR2", address = "10.1.0.7" }]\n', "callers = ["),
        ('[listener]\nhost = "0.0.0.0"\ncallers = []\n', "callers = ["),
        ('[listener]\nhost = "0.0.0.0"\n[assembly]\nsettle = 7\n', "[listener]\n"),
        ("[assembly]\nsettle = 7\n", ""),
        ('[[listener.callers]]\naet = "XR2"\naddress = "10.1.0.7"\n', ""),
    ],
)
def test_what_lets_a_stranger_in_can_be_pasted_where_it_says_whatever_form_the_file_has(
    bench: Bench, database_url: str, tmp_path: Path, before: str, behind: str
) -> None:
    with writing(bench.root / "spool", index=1) as writer:
        for name in ("MR1", "MR2"):
            writer.refuse_association(Peer(name, "NODE", "10.1.0.9"), 1, 1, 3, "calling AE title is not known")
    bench.index()
    file = tmp_path / "node.toml"
    file.write_text(before)
    shown = CliRunner().invoke(app, ["callers", "--config", str(file), "--database", database_url]).stdout
    advice, pasted = shown[shown.index("To let in") :].split("\n", 1)
    place = "at the end of" if not behind else "below the line [listener]" if behind[0] == "[" else "behind the [ of"
    assert f"add this {place}" in advice
    assert str(file) in advice
    after = before.index(behind) + len(behind) if behind else len(before)
    file.write_text(before[:after] + pasted + before[after:])
    earlier = {"XR2"} if "XR2" in before else set()
    assert {one.aet for one in load_settings(file).listener.callers} == {"MR1", "MR2"} | earlier
