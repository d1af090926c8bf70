"""`dicom-node kafka acls` prints what each role must be allowed, and no more; the documents say the same."""

import re

import pytest
from typer.testing import CliRunner

from config.settings import Bus
from console.cli.app import app
from consumers.bus.rights import Resource
from roles.rights import SPEAKING, rights, user_of
from roles.table import GROUPS
from tests.support.counterparts import ROOT


@pytest.fixture
def acls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setenv("DICOM_NODE_BUS__KAFKA", "broker:9093")
    done = CliRunner().invoke(app, ["kafka", "acls", "--user", "write=pacs-write"])
    assert done.exit_code == 0, done.output
    return done.output.splitlines()


def test_the_commands_give_each_role_its_rights_under_the_name_that_it_has(acls: list[str]) -> None:
    start = (
        "kafka-acls.sh --bootstrap-server broker:9093 --command-config admin.properties --add --allow-principal User:"
    )
    assert all(line.startswith(start) for line in acls)
    assert [line.removeprefix(start) for line in acls] == [
        "dicom-node-relay --operation Write --operation Create --topic dicom-node.events",
        "dicom-node-relay --operation Write --operation Create --topic dicom-node.dead-letters",
        "dicom-node-assemble --operation Read --topic dicom-node.events",
        "dicom-node-assemble --operation Read --group dicom-node.routing",
        "pacs-write --operation Read --topic dicom-node.events",
        "pacs-write --operation Read --group dicom-node.results",
        "dicom-node-deliver --operation Read --topic dicom-node.events",
        "dicom-node-deliver --operation Read --group dicom-node.delivery",
    ]


def test_one_user_for_all_roles_has_the_rights_of_all() -> None:
    done = CliRunner().invoke(app, ["kafka", "acls", "--user", "node"])
    assert set(re.findall(r"User:(\S+)", done.output)) == {"node"}


@pytest.mark.parametrize("wrong", ["listen=x", "relay=", "="])
def test_a_role_that_speaks_to_no_broker_is_refused_with_those_that_do(wrong: str) -> None:
    done = CliRunner().invoke(app, ["kafka", "acls", "--user", wrong])
    assert done.exit_code == 2
    assert "relay" in done.output


def test_the_table_of_rights_in_the_documents_is_what_the_roles_need() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    bus = Bus()
    for role in SPEAKING:
        own = [one for one in rights(bus) if one.user == user_of(role)]
        cells = [
            ", ".join(one.operation.value for one in own if one.name == topic) or "-"
            for topic in (bus.topic, bus.dead_letters)
        ]
        groups = [f"`{one.name}` {one.operation}" for one in own if one.resource is Resource.GROUP]
        row = " | ".join([f"`{role}`", *cells, *(groups or ["-"])])
        assert f"| {row} |" in page
    assert len(SPEAKING) == len({*SPEAKING}) == 1 + len({group.role for group in GROUPS.values()})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (["*"], "everybody"),
        (["User:x"], "write x"),
        (["relay=a\nb"], "no user of a broker"),
        (["=x"], "[ROLE=]NAME"),
        (["relay=a", "relay=b"], "names the role relay twice"),
        (["a", "b"], "names all roles twice"),
    ],
)
def test_a_user_who_is_everybody_none_or_named_twice_is_refused(wrong: list[str], said: str) -> None:
    done = CliRunner().invoke(app, ["kafka", "acls", *(word for one in wrong for word in ("--user", one))])
    assert (done.exit_code, done.stdout) == (2, "")
    assert said in " ".join(done.stderr.split())
