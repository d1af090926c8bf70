"""Which service was tried with which implementation that we did not write, and the test that shows it.

The tables of docs/conformance.md are made of `SHOWN`; a test of its pages holds it against the tests that there are.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.support.conformance import table

#: What others ask of the node, and what the node asks of others.
ASKED_OF_US = ("C-ECHO", "C-STORE", "commitment", "MPPS", "IAN", "TLS", "STOW-RS")
ASKED_BY_US = (
    "C-ECHO",
    "C-STORE",
    "C-FIND",
    "C-MOVE",
    "C-GET",
    "worklist",
    "commitment",
    "TLS",
    "STOW-RS",
    "QIDO-RS",
    "WADO-RS",
)


@dataclass(frozen=True)
class Shown:
    """A test, and the services of each implementation that it tries."""

    test: str
    implementations: Sequence[str]
    asked_of_us: Sequence[str] = ()
    asked_by_us: Sequence[str] = ()


_PEERS = "tests/acceptance/test_listener_peers.py::"
_OTHERS = "tests/acceptance/test_interoperability.py::"
_TLS = "tests/acceptance/test_tls_peers.py::"
_ARCHIVES = "tests/contract/test_sender_archives.py::"
_QUESTIONS = "tests/contract/test_archive_questions.py::"
_WEB = "tests/contract/test_web_questions.py::"
_DOOR = "tests/contract/test_dicomweb_door.py::"
_WEB_ARCHIVES = "tests/contract/test_dicomweb_archives.py::"
_STEPS = "tests/unit/test_procedure_step_service.py::"
_COMMITMENT = "tests/unit/test_scu_commitment.py::"
_WORKLIST = "tests/contract/test_worklist.py::"

SHOWN: Sequence[Shown] = (
    Shown(
        f"{_PEERS}test_the_spool_holds_what_another_receiver_gets_from_the_same_sender",
        ("DCMTK", "GDCM", "CTN", "Odil", "PixelMed", "dicom-rs"),
        ("C-STORE",),
    ),
    Shown(f"{_PEERS}test_echoes_are_answered", ("DCMTK", "GDCM", "CTN", "Odil", "PixelMed"), ("C-ECHO",)),
    Shown(
        f"{_PEERS}test_dcmjs_dimse_is_answered_and_its_pixels_are_in_the_spool", ("dcmjs-dimse",), ("C-ECHO", "C-STORE")
    ),
    Shown(f"{_PEERS}test_every_transfer_syntax_is_kept_as_received", ("pynetdicom",), ("C-STORE",)),
    Shown(
        f"{_OTHERS}test_orthanc_echoes_stores_and_asks_us_for_commitment_and_believes_our_report",
        ("Orthanc",),
        ("C-ECHO", "C-STORE", "commitment"),
    ),
    Shown(f"{_OTHERS}test_orthanc_stores_by_stow_at_our_door", ("Orthanc",), ("STOW-RS",)),
    Shown(
        f"{_OTHERS}test_dcmjs_dimse_is_a_modality_that_tells_of_a_procedure_asks_for_commitment_and_hears_the_report_by_tls",
        ("dcmjs-dimse",),
        ("commitment", "MPPS", "IAN", "TLS"),
    ),
    Shown(
        f"{_OTHERS}test_dcmjs_dimse_is_an_archive_that_stores_answers_queries_commits_and_takes_reports",
        ("dcmjs-dimse",),
        (),
        ("C-ECHO", "C-STORE", "C-FIND", "commitment", "TLS"),
    ),
    Shown(
        f"{_OTHERS}test_stores_of_other_makes_echo_and_hold_what_we_deliver",
        ("CTN", "PixelMed"),
        (),
        ("C-ECHO", "C-STORE"),
    ),
    Shown(
        f"{_OTHERS}test_tools_of_two_makes_find_and_fetch_what_we_deliver_to_dcmtks_archive_and_it_sends_it_back",
        ("DCMTK",),
        ("C-STORE",),
        ("C-STORE",),
    ),
    Shown(
        "tests/acceptance/test_storage_commitment.py::test_who_keeps_its_association_hears_on_it",
        ("pynetdicom",),
        ("C-STORE", "commitment"),
    ),
    Shown(
        f"{_STEPS}test_a_modality_begins_and_completes_a_step_and_all_that_it_said_is_in_the_spool",
        ("pynetdicom",),
        ("MPPS",),
    ),
    Shown(f"{_STEPS}test_a_notification_is_taken_or_refused", ("pynetdicom",), ("IAN",)),
    Shown(f"{_TLS}test_dcmtk_sends_and_asks_by_tls", ("DCMTK",), ("C-ECHO", "C-STORE", "TLS")),
    Shown(
        f"{_TLS}test_dcmtk_receives_by_tls_and_who_does_not_speak_it_is_told",
        ("DCMTK",),
        (),
        ("C-ECHO", "C-STORE", "TLS"),
    ),
    Shown(f"{_TLS}test_pynetdicom_sends_by_tls", ("pynetdicom",), ("C-ECHO", "TLS")),
    Shown(
        f"{_TLS}test_orthanc_is_an_archive_and_a_sender_by_tls",
        ("Orthanc",),
        ("C-STORE", "TLS"),
        ("C-STORE", "TLS"),
    ),
    Shown(f"{_ARCHIVES}test_an_archive_answers_an_echo_and_says_its_name", ("DCMTK", "Orthanc"), (), ("C-ECHO",)),
    Shown(f"{_ARCHIVES}test_a_real_study_arrives_byte_for_byte", ("DCMTK", "Orthanc"), (), ("C-STORE",)),
    Shown(
        f"{_QUESTIONS}test_an_archive_names_the_studies_and_series_of_a_patient_and_sends_them_to_us",
        ("DCMTK", "Orthanc"),
        (),
        ("C-FIND", "C-MOVE"),
    ),
    Shown(
        f"{_QUESTIONS}test_an_archive_that_does_not_know_where_we_are_gives_a_series_on_our_own_association",
        ("DCMTK", "Orthanc"),
        (),
        ("C-GET",),
    ),
    Shown(
        f"{_QUESTIONS}test_what_an_archive_answers_of_others_and_what_can_be_no_answer_is_left_out",
        ("pynetdicom",),
        (),
        ("C-FIND",),
    ),
    Shown(f"{_WORKLIST}test_dcmtks_worklist_tells_what_was_requested_of_a_study", ("DCMTK",), (), ("worklist",)),
    Shown(f"{_WORKLIST}test_orthancs_worklist_tells_the_same", ("Orthanc",), (), ("worklist",)),
    Shown(
        f"{_WORKLIST}test_of_a_worklist_that_matches_by_nothing_only_what_is_of_the_study_counts",
        ("pynetdicom",),
        (),
        ("worklist",),
    ),
    Shown(
        "tests/contract/test_commitment_orthanc.py::test_what_orthanc_keeps_is_committed_and_what_it_lost_is_sent_again",
        ("Orthanc",),
        (),
        ("C-STORE", "commitment"),
    ),
    Shown(
        f"{_COMMITMENT}test_a_report_on_the_same_association_is_taken_and_answered",
        ("pynetdicom",),
        (),
        ("commitment",),
    ),
    Shown(f"{_DOOR}test_dicomweb_client_stores_and_reads_the_answer", ("dicomweb-client",), ("STOW-RS",)),
    Shown(f"{_DOOR}test_a_common_client_stores_what_it_streams_in_chunks", ("requests",), ("STOW-RS",)),
    Shown(
        f"{_WEB_ARCHIVES}test_files_of_every_syntax_arrive_byte_for_byte_and_another_reader_finds_them",
        ("Orthanc",),
        (),
        ("STOW-RS",),
    ),
    Shown(
        f"{_WEB}test_the_studies_of_a_patient_are_those_with_the_very_id_and_birth_date", ("Orthanc",), (), ("QIDO-RS",)
    ),
    Shown(f"{_WEB}test_a_series_comes_into_the_spool_as_the_archive_has_it", ("Orthanc",), (), ("WADO-RS",)),
)


def _matrix(services: Sequence[str], of: Callable[[Shown], Sequence[str]]) -> str:
    names = dict.fromkeys(name for one in SHOWN if of(one) for name in one.implementations)
    rows = [[name, *(_cell(name, service, of) for service in services)] for name in names]
    return table(("implementation", *services), rows)


def _cell(name: str, service: str, of: Callable[[Shown], Sequence[str]]) -> str:
    return " ".join(
        str(number) for number, one in enumerate(SHOWN, 1) if name in one.implementations and service in of(one)
    )


def _tests() -> str:
    rows = []
    for number, one in enumerate(SHOWN, 1):
        file, _, name = one.test.partition("::")
        rows.append((number, f"`{name}`", f"`{file}`"))
    return table(("", "test", "of"), rows)


TABLES: Mapping[str, Callable[[], str]] = {
    "asked of us": lambda: _matrix(ASKED_OF_US, lambda one: one.asked_of_us),
    "asked by us": lambda: _matrix(ASKED_BY_US, lambda one: one.asked_by_us),
    "shown by": _tests,
}
