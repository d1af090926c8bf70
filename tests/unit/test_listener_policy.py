"""Who may associate, for what, and which requests are refused: decisions without a network."""

from dataclasses import replace

import pytest
from pynetdicom import AllStoragePresentationContexts

from config.settings import Caller, Listener
from dicom_node.dimse import Command, Status, decode_command
from dicom_node.listener.associate import APPLICATION_CONTEXT, AssociateRequest, ProposedContext
from dicom_node.listener.dialogue import judge
from dicom_node.listener.policy import Acceptance, AssociationPolicy, Rejection
from dicom_node.pdu import ProtocolError
from dicom_node.syntaxes import VERIFICATION, storage_sop_classes, transfer_syntaxes
from domain.addresses import plain_address
from tests.support.listening import command as encoded

CT = "1.2.840.10008.5.1.4.1.1.2"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
EXPLICIT, IMPLICIT, JPEG = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.4.70"
SETTINGS = Listener(
    aet="NODE",
    max_associations=2,
    callers=(Caller(aet="CT1", address="192.0.2.7"), Caller(aet="MR1", address="10.1.0.0/16"),
             Caller(aet="US1", address="2001:db8::/32")),
)  # fmt: skip


def asking(*contexts: ProposedContext, **changes: object) -> AssociateRequest:
    first = AssociateRequest(
        protocol_version=1,
        titles=bytes(32),
        called="NODE",
        calling="CT1",
        application_context=APPLICATION_CONTEXT,
        contexts=contexts or (ProposedContext(1, CT, (EXPLICIT,)),),
    )
    return replace(first, **changes)  # type: ignore[arg-type]


def decide(request: AssociateRequest, address: str = "192.0.2.7", running: int = 0) -> Acceptance | Rejection:
    policy = AssociationPolicy(SETTINGS)
    return policy.rejection(request, address, running) or policy.answer(request)


def accepted(request: AssociateRequest) -> Acceptance:
    answer = decide(request)
    assert isinstance(answer, Acceptance)
    return answer


@pytest.mark.parametrize(
    ("changes", "address", "running", "expected"),
    [
        ({"protocol_version": 2}, "192.0.2.7", 0, (1, 2, 2)),
        ({"application_context": "1.2.3"}, "192.0.2.7", 0, (1, 1, 2)),
        ({"called": "OTHER"}, "192.0.2.7", 0, (1, 1, 7)),
        ({"called": "node"}, "192.0.2.7", 0, (1, 1, 7)),
        ({"calling": "CT2"}, "192.0.2.7", 0, (1, 1, 3)),
        ({}, "192.0.2.8", 0, (1, 1, 3)),
        ({"calling": "MR1"}, "10.2.0.1", 0, (1, 1, 3)),
        ({"calling": ""}, "127.0.0.1", 0, (1, 1, 3)),
        ({}, "192.0.2.7", 2, (2, 3, 2)),
    ],
)
def test_rejections_are_by_the_book(
    changes: dict[str, object], address: str, running: int, expected: tuple[int, int, int]
) -> None:
    answer = decide(asking(**changes), address, running)
    assert isinstance(answer, Rejection)
    assert (answer.result, answer.source, answer.code) == expected
    assert answer.reason


@pytest.mark.parametrize(
    ("calling", "address"),
    [("CT1", "192.0.2.7"), ("MR1", "10.1.255.3"), ("US1", "2001:db8::5"), ("ANY", "127.0.0.1"), ("ANY", "::1")],
)
def test_known_callers_and_this_machine_may_associate(calling: str, address: str) -> None:
    assert isinstance(decide(asking(calling=calling), address), Acceptance)


def test_loopback_needs_a_listed_caller_where_it_is_not_trusted() -> None:
    policy = AssociationPolicy(SETTINGS.model_copy(update={"trust_loopback": False}))
    assert isinstance(policy.rejection(asking(), "127.0.0.1", 0), Rejection)


def test_each_context_is_answered_by_the_first_transfer_syntax_that_is_known() -> None:
    answer = accepted(
        asking(
            ProposedContext(1, CT, ("1.2.3", JPEG, EXPLICIT)),
            ProposedContext(3, FIND, (IMPLICIT,)),
            ProposedContext(5, CT, ("1.2.3",)),
            ProposedContext(7, VERIFICATION, (IMPLICIT,)),
            ProposedContext(9, CT, ()),
        )
    )
    assert [(one.id, one.result, one.transfer_syntax) for one in answer.contexts] == [
        (1, 0, JPEG),
        (3, 3, None),
        (5, 4, None),
        (7, 0, IMPLICIT),
        (9, 4, None),
    ]
    assert not answer.is_empty


def test_an_association_without_any_acceptable_context_is_accepted_empty() -> None:
    assert accepted(asking(ProposedContext(1, FIND, (IMPLICIT,)))).is_empty


def test_we_are_scp_only() -> None:
    both = accepted(asking(roles={CT: (1, 1), FIND: (1, 0)}))
    assert both.roles == {CT: (1, 0)}
    reversed_role = accepted(asking(roles={CT: (0, 1)}))
    assert reversed_role.contexts[0].result == 1


@pytest.mark.parametrize("ids", [(2,), (0,), (1, 1)])
def test_context_ids_that_are_even_or_come_twice_break_the_protocol(ids: tuple[int, ...]) -> None:
    with pytest.raises(ProtocolError):
        decide(asking(*(ProposedContext(ident, CT, (IMPLICIT,)) for ident in ids)))


def test_addresses_of_two_families_are_compared_as_one() -> None:
    assert plain_address("::ffff:192.0.2.7") == "192.0.2.7"
    assert plain_address("fe80::1%eth0") == "fe80::1"


def test_every_storage_sop_class_of_the_standard_is_stored() -> None:
    known = storage_sop_classes()
    assert {context.abstract_syntax for context in AllStoragePresentationContexts} <= known
    assert "1.2.840.10008.5.1.4.1.1.66.7" in known  # Label Map Segmentation
    assert "1.2.840.10008.5.1.4.1.1.30" in known  # Parametric Map
    assert "1.2.840.10008.5.1.4.1.1.5" in known  # Nuclear Medicine Image, retired
    assert not known & {VERIFICATION, FIND, "1.2.840.10008.1.20.1", "1.2.840.10008.1.3.10"}


def test_every_transfer_syntax_of_the_standard_is_known() -> None:
    known = transfer_syntaxes()
    assert {IMPLICIT, EXPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99", JPEG} <= known
    assert {"1.2.840.10008.1.2.4.201", "1.2.840.10008.1.2.4.108", "1.2.840.10008.1.2.5"} <= known
    assert "1.2.840.10008.1.2.7.1" not in known


STORE = Command(0x0001, 1, True, CT, "1.2.3")


def test_a_uid_that_is_too_long_is_called_that() -> None:
    for uid, said in (("1." * 40 + "1", "is longer than 64"), ("1..2", "is missing or no UID")):
        refusal = judge(decode_command(bytearray(encoded(1, uid=uid))), CT)
        assert refusal is not None
        assert (refusal.status, refusal.reason) == (Status.INVALID_INSTANCE, f"Affected SOP Instance UID {said}")


@pytest.mark.parametrize(
    ("command", "syntax", "expected"),
    [
        (STORE, CT, None),
        (Command(0x0030, 1, False, VERIFICATION, ""), VERIFICATION, None),
        (replace(STORE, sop_class="1.2.840.10008.5.1.4.1.1.4"), CT, Status.SOP_CLASS_NOT_SUPPORTED),
        (replace(STORE, sop_class=""), CT, Status.CANNOT_UNDERSTAND),
        (replace(STORE, sop_instance=""), CT, Status.INVALID_INSTANCE),
        (replace(STORE, sop_instance="../../etc"), CT, Status.INVALID_INSTANCE),
        (replace(STORE, has_data_set=False), CT, Status.CANNOT_UNDERSTAND),
        (STORE, VERIFICATION, Status.SOP_CLASS_NOT_SUPPORTED),
        (Command(0x0030, 1, True, VERIFICATION, ""), VERIFICATION, Status.MISTYPED_ARGUMENT),
        (Command(0x0030, 1, False, VERIFICATION, ""), CT, Status.SOP_CLASS_NOT_SUPPORTED),
        (Command(0x0020, 1, True, FIND, ""), CT, Status.UNRECOGNIZED_OPERATION),
        (Command(0x0130, 1, True, "1.2.840.10008.1.20.1", "1.2"), CT, Status.UNRECOGNIZED_OPERATION),
    ],
)
def test_requests_are_judged_by_the_book(command: Command, syntax: str, expected: Status | None) -> None:
    refusal = judge(command, syntax)
    assert (refusal.status if refusal else None) == expected
