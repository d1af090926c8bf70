"""What follows from a person's command says on the trail whose command it was, and how it stood before and after."""

import ast

from audit.actions import Action
from audit.trail import newest_entries
from tests.support.bench import Bench
from tests.support.counterparts import ROOT


def test_each_entry_of_what_somebody_does_names_them_and_their_request(bench: Bench) -> None:
    hers = bench.ledger.on_behalf_of("alice", request="r-1")
    with hers.transaction() as transaction:
        transaction.record(Action.RETRIED, None, jobs=1)
        transaction.record(Action.JOB_CANCELLED, None)
    bench.ledger.record(Action.STARTED)
    found = newest_entries(bench.database, 3).rows
    assert [(one.details.get("user"), one.details.get("request")) for one in found] == [
        ("alice", "r-1"),
        ("alice", "r-1"),
        (None, None),
    ]


def test_no_command_writes_to_the_trail_without_its_user() -> None:
    bare = [
        file.name
        for file in (ROOT / "console" / "cli").rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Ledger"
    ]
    assert bare == ["user.py"]
