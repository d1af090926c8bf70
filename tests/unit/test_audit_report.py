"""What a compliance officer asks is answered by the entries alone: one test for each question."""

from collections.abc import Mapping

from audit.actions import Action
from audit.report import ANSWERS, Question, Report, report
from audit.trail import NO_ENTRY, Actor, Entry

_AT = "2026-11-30T09:00:{:02}.000000+00:00"
_CALLER = {"caller": "CT1", "address": "10.0.0.5"}


def entry(action: str, second: int = 0, role: str = "index", /, **details: object) -> Entry:
    return Entry(_AT.format(second), Actor(role, "node1"), "S", action, second + 1, details)


def of(*entries: Entry, proofs: tuple[Entry, ...] = ()) -> Report:
    return report(entries, proofs)


def test_who_sent_is_told_by_title_address_certificate_and_user() -> None:
    came = entry(Action.RECEIVED, **_CALLER, instances=[["1.2", "ab"], ["1.3", "cd"]])
    tls: Mapping[str, object] = {"version": "TLSv1.3", "certificate": "ef"}
    told = of(came, proofs=(entry(Action.SECURED, **_CALLER, tls=tls, user="robot"), entry(Action.SECURED, caller="X")))
    (sender,) = told.senders
    assert (sender.caller, sender.address, sender.instances) == ("CT1", "10.0.0.5", 2)
    assert (sender.users, sender.certificates) == (["robot"], ["ef"])


def test_when_it_was_is_told_with_the_offset_of_each_hosts_clock() -> None:
    told = of(entry(Action.STARTED, 1, clock="0.4 ms off at most"), entry(Action.STUDY_COMPLETED, 7))
    assert (told.first, told.last) == (_AT.format(1), _AT.format(7))
    assert told.clocks == {"node1": "0.4 ms off at most"}


def test_of_a_study_the_clocks_of_the_hosts_that_wrote_it_are_told_by_entries_that_are_no_studys() -> None:
    came = entry(Action.RECEIVED, 5, **_CALLER)
    told = [entry(Action.STARTED, 1, clock="9 ms"), entry(Action.CLOCK, 2, clock="4 ms")]
    other = Entry(_AT.format(3), Actor("index", "node2"), None, Action.CLOCK, 9, {"clock": "7 ms"})
    assert report([came], clocks=[*told, other]).clocks == {"node1": "4 ms"}


def test_which_model_read_which_input_and_wrote_which_objects() -> None:
    said = {"job": "J", "model": "toy", "version": "1", "model_digest": "p", "weights_digest": "w"}
    by = {"thresholds": [["findings: mass", "0.3"]], "input_digest": "i", "engine": "onnx", "mask": "m"}
    written = [["segmentation", "2.25.1", "ff"]]
    told = of(entry(Action.INFERRED, **said, **by), entry(Action.WRITTEN, 1, job="J", objects=written))
    (reading,) = told.readings
    assert (reading.model, reading.package, reading.weights, reading.input) == ("toy", "p", "w", "i")
    assert (reading.thresholds, reading.engine, reading.objects) == ([["findings: mass", "0.3"]], "onnx", written)


def test_who_decided_and_what_it_was_before() -> None:
    told = of(entry(Action.CANCELLED, 0, "console", user="alice", before={"run 1": "leased"}, after={}))
    (line,) = told.answers[Question.DECIDED]
    assert (line.who, line.details["before"]) == ("alice", {"run 1": "leased"})
    assert told.people == {"alice": 1}


def test_what_was_refused_or_failed_names_the_caller_or_the_process() -> None:
    told = of(entry(Action.REFUSED, **_CALLER, reason="unknown"), entry(Action.JOB_FAILED, 1, "work", reason="memory"))
    assert [line.who for line in told.answers[Question.WRONG]] == ["CT1", "work"]


def test_a_start_with_the_settings_of_before_is_no_change() -> None:
    told = of(entry(Action.CONFIGURED, changes={}), entry(Action.CONFIGURED, 1, changes={"a": ["1", "2"]}))
    assert [line.details for line in told.answers[Question.CHANGED]] == [{"changes": {"a": ["1", "2"]}}]


def test_what_went_out_and_who_looked() -> None:
    told = of(entry(Action.DELIVERED, destination="PACS"), entry(Action.READ, 1, "console", user="bob"))
    assert [line.details["destination"] for line in told.answers[Question.SENT]] == ["PACS"]
    assert [line.who for line in told.answers[Question.LOOKED]] == ["bob"]


def test_what_answers_no_question_is_counted_by_its_name_and_nothing_is_left_out() -> None:
    every = [entry(action, number % 60) for number, action in enumerate(Action)]
    told = of(*every, entry("of a release to come"), Entry("", Actor("", ""), None, NO_ENTRY, 99, {}))
    answered = sum(map(len, told.answers.values()))
    assert answered + sum(told.course.values()) + told.unreadable == told.entries == len(Action) + 2
    assert told.course["of a release to come"] == 1


def test_an_entry_of_an_earlier_release_answers_by_its_former_name() -> None:
    (line,) = of(entry("event set aside", reason="no such study")).answers[Question.WRONG]
    assert line.action == "event set aside"


def test_no_entry_answers_two_questions() -> None:
    assert sum(map(len, ANSWERS.values())) == len(frozenset[Action]().union(*ANSWERS.values()))


def test_what_somebody_wrote_past_the_node_is_no_defect() -> None:
    odd: dict[str, object] = {"job": 7, "thresholds": "x", "objects": {"a": 1}, "tls": [], "user": 3, "instances": 5}
    told = of(*(entry(action, **odd) for action in (Action.INFERRED, Action.WRITTEN, Action.RECEIVED, Action.SECURED)))
    assert told.entries == 4
