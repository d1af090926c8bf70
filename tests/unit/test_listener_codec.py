"""PDUs and command sets as bytes, judged by pynetdicom's codec, and garbage that must not pass for either."""

import struct
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import build_context, build_role
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ
from pynetdicom.dimse_primitives import C_ECHO, C_STORE
from pynetdicom.dsutils import decode, encode
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ, A_RELEASE_RP, P_DATA_TF
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)

from dicom_node import dimse, pdu
from dicom_node.dimse import (
    Malformed,
    Operation,
    Status,
    decode_command,
    decode_status,
    encode_request,
    encode_response,
    is_uid,
)
from dicom_node.listener import associate
from dicom_node.listener.associate import AnsweredContext, decode_head, decode_request, encode_acceptance
from dicom_node.pdu import ProtocolError
from dicom_node.syntaxes import transfer_syntaxes
from domain.ids import IMPLEMENTATION_CLASS_UID
from tests.support.listening import item
from tests.support.listening import request as raw_request

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"


def request() -> bytes:
    """An A-ASSOCIATE-RQ as pynetdicom encodes it, with every negotiation that a sender may add."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = associate.APPLICATION_CONTEXT
    primitive.calling_ae_title, primitive.called_ae_title = "SCANNER", "NODE"
    contexts = [build_context(CT, [EXPLICIT, IMPLICIT]), build_context("1.2.840.10008.1.1", IMPLICIT)]
    for number, context in enumerate(contexts):
        context.context_id = 2 * number + 1
    primitive.presentation_context_definition_list = contexts
    longest = MaximumLengthNotification()
    longest.maximum_length_received = 16_384
    name = ImplementationVersionNameNotification()
    name.implementation_version_name = "TEST_1"
    ident = ImplementationClassUIDNotification()
    ident.implementation_class_uid = "1.2.3.4"
    primitive.user_information = [longest, ident, name, build_role(CT, scu_role=True, scp_role=True)]
    encoded: bytes = A_ASSOCIATE_RQ(primitive).encode()
    return encoded


def test_a_request_is_read_as_it_was_written() -> None:
    read = decode_request(request()[6:])
    assert (read.calling, read.called, read.protocol_version) == ("SCANNER", "NODE", 1)
    assert read.application_context == associate.APPLICATION_CONTEXT
    assert [(one.id, one.abstract_syntax, one.transfer_syntaxes) for one in read.contexts] == [
        (1, CT, (EXPLICIT, IMPLICIT)),
        (3, "1.2.840.10008.1.1", (IMPLICIT,)),
    ]
    assert (read.max_pdu, read.implementation_class_uid, read.implementation_version) == (16_384, "1.2.3.4", "TEST_1")
    assert read.roles == {CT: (1, 1)}


def test_items_of_unknown_types_are_skipped() -> None:
    unknown = b"\x7f\0\0\x03abc"
    assert decode_request(request()[6:] + unknown) == decode_request(request()[6:])


def test_a_request_that_proposes_all_there_is_in_every_context_is_not_too_long() -> None:
    contexts = [(2 * number + 1, "1." + "9" * 62, sorted(transfer_syntaxes())) for number in range(pdu.MOST_CONTEXTS)]
    body = raw_request(contexts, extra=item(0x58, bytes(60_000)))[6:]
    assert len(body) <= pdu.LONGEST_ASSOCIATE
    assert [len(one.transfer_syntaxes) for one in decode_request(body).contexts] == [len(transfer_syntaxes())] * 128


def test_more_contexts_than_have_ids_break_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="more than 128 presentation contexts"):
        decode_request(raw_request([(1, CT, (EXPLICIT,))] * 129)[6:])


@pytest.mark.parametrize("length", [0, 1, 67])
def test_a_request_that_is_cut_short_is_refused_in_our_own_words(length: int) -> None:
    body = raw_request([(1, CT, (EXPLICIT,))])[6:][:length]
    for read in (decode_request, decode_head):
        with pytest.raises(ProtocolError, match=r"^the A-ASSOCIATE-RQ is cut short$"):
            read(body)


def test_an_item_of_a_wrong_length_is_refused_in_our_own_words() -> None:
    user = item(0x50, item(0x51, b"\0\0"))
    with pytest.raises(ProtocolError, match=r"^an item of the A-ASSOCIATE-RQ is not as long as it must be$"):
        decode_request(raw_request([(1, CT, (EXPLICIT,))])[6:] + user)


@given(st.binary(max_size=300))
def test_garbage_is_no_request(garbage: bytes) -> None:
    try:
        assert decode_request(garbage).contexts == ()
    except ProtocolError as error:
        assert error.reason in tuple(pdu.AbortReason)


@given(st.data())
def test_a_damaged_request_is_read_or_is_a_protocol_error(data: st.DataObject) -> None:
    body = bytearray(request()[6:])
    place = data.draw(st.integers(0, len(body) - 1))
    body[place] = data.draw(st.integers(0, 255))
    try:
        assert decode_request(bytes(body)).titles == bytes(body[4:36])
    except ProtocolError as error:
        assert str(error)


def test_an_acceptance_is_understood() -> None:
    contexts = (AnsweredContext(1, CT, EXPLICIT, 0), AnsweredContext(3, "1.2.3", None, 3))
    encoded = encode_acceptance(decode_request(request()[6:]), contexts, {CT: (1, 0)}, 262_144)
    answer = A_ASSOCIATE_AC()
    answer.decode(encoded)
    assert [(one.context_id, one.result) for one in answer.presentation_context] == [(1, 0), (3, 3)]
    assert answer.presentation_context[0].transfer_syntax == EXPLICIT
    assert (answer.reserved_aet.strip(), answer.reserved_aec.strip()) == ("NODE", "SCANNER")
    information = answer.user_information
    assert information.maximum_length == 262_144
    assert information.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert information.role_selection[CT].scu_role == 1
    assert information.role_selection[CT].scp_role == 0
    assert information.async_ops_window is None


def test_small_pdus_are_understood() -> None:
    rejection = A_ASSOCIATE_RJ()
    rejection.decode(pdu.reject(1, 1, 7))
    assert (rejection.result, rejection.source, rejection.reason_diagnostic) == (1, 1, 7)
    for encoded, expected in ((pdu.abort_by_user(), (0, 0)), (pdu.abort_by_provider(pdu.AbortReason(6)), (2, 6))):
        abort = A_ABORT_RQ()
        abort.decode(encoded)
        assert (abort.source, abort.reason_diagnostic) == expected
    assert A_RELEASE_RP().encode() == pdu.RELEASE_RP


@pytest.mark.parametrize("longest", [0, 10, 64, 16_384])
def test_a_response_fits_the_peers_longest_pdu(longest: int) -> None:
    command = bytes(range(200))
    stream, carried, controls = pdu.command_fragments(5, command, longest), b"", []
    while stream:
        size = 6 + int.from_bytes(stream[2:6], "big")
        assert not longest or size - 6 <= longest
        fragment = P_DATA_TF()
        fragment.decode(stream[:size])
        (item,) = fragment.presentation_data_value_items
        assert item.context_id == 5
        controls.append(item.data[0])
        carried += item.data[1:]
        stream = stream[size:]
    assert carried == command
    assert controls == [1] * (len(controls) - 1) + [3]


def command_set(message: object) -> bytes:
    encoded = encode(message.command_set, True, True)  # type: ignore[attr-defined]
    assert encoded is not None
    return bytes(encoded)


def store_request() -> bytes:
    primitive = C_STORE()
    primitive.MessageID = 7
    primitive.AffectedSOPClassUID, primitive.AffectedSOPInstanceUID = CT, "1.2.3.45"
    primitive.Priority = 0
    primitive.DataSet = BytesIO(b"\0\0")
    message = C_STORE_RQ()
    message.primitive_to_message(primitive)
    return command_set(message)


def test_a_store_request_is_read() -> None:
    command = decode_command(store_request())
    assert command == dimse.Command(dimse.Operation.C_STORE, 7, True, CT, "1.2.3.45")
    assert not command.is_response


def test_an_echo_request_is_read() -> None:
    primitive = C_ECHO()
    primitive.MessageID = 9
    message = C_ECHO_RQ()
    message.primitive_to_message(primitive)
    command = decode_command(command_set(message))
    assert (command.field, command.message_id, command.has_data_set) == (dimse.Operation.C_ECHO, 9, False)


def test_a_response_is_understood() -> None:
    encoded = encode_response(decode_command(store_request()), Status.OUT_OF_RESOURCES, "log is full" + "!" * 80)
    answer = decode(BytesIO(encoded), True, True)
    assert answer.CommandGroupLength == len(encoded) - 12
    assert (answer.CommandField, answer.MessageIDBeingRespondedTo, answer.Status) == (0x8001, 7, 0xA700)
    assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (CT, "1.2.3.45")
    assert answer.CommandDataSetType == 0x0101
    assert len(answer.ErrorComment) == 64


def test_a_request_of_ours_is_what_the_standard_says() -> None:
    encoded = encode_request(Operation.C_STORE, 7, CT, "1.2.3")
    command = decode(BytesIO(encoded), is_implicit_vr=True, is_little_endian=True)
    assert command.CommandGroupLength == len(encoded) - 12
    assert (command.AffectedSOPClassUID, command.AffectedSOPInstanceUID) == (CT, "1.2.3")
    assert (command.CommandField, command.MessageID, command.Priority) == (0x0001, 7, 0)
    assert command.CommandDataSetType != 0x0101
    assert decode_command(encoded) == dimse.Command(Operation.C_STORE, 7, True, CT, "1.2.3")
    assert not decode_command(encode_request(Operation.C_ECHO, 1, "1.2.840.10008.1.1")).has_data_set


def test_a_status_is_found_wherever_it_stands() -> None:
    comment = struct.pack("<HHI", 0, 0x0902, 4) + b"full"
    status = struct.pack("<HHIH", 0, 0x0900, 2, 0xA700)
    assert decode_status(comment + status) == decode_status(status + comment) == 0xA700
    with pytest.raises(Malformed):
        decode_status(comment)


@given(st.binary(max_size=64))
def test_an_answer_of_rubbish_is_malformed_or_read(rubbish: bytes) -> None:
    with suppress(Malformed):
        assert 0 <= decode_status(rubbish) <= 0xFFFF


@given(st.binary(max_size=200))
def test_garbage_is_no_command(garbage: bytes) -> None:
    try:
        assert decode_command(garbage).field >= 0
    except Malformed as error:
        assert str(error)


@given(st.data())
def test_a_damaged_command_is_read_or_is_malformed(data: st.DataObject) -> None:
    command = bytearray(store_request())
    place = data.draw(st.integers(0, len(command) - 1))
    command[place] = data.draw(st.integers(0, 255))
    try:
        assert decode_command(command).field >= 0
    except Malformed as error:
        assert str(error)


@pytest.mark.parametrize("command", [b"", b"\0\0\0\1\2\0\0\0\1\0", store_request()[:-3], b"\x08" + store_request()[1:]])
def test_a_command_that_says_too_little_is_malformed(command: bytes) -> None:
    with pytest.raises(Malformed):
        decode_command(command)


@pytest.mark.parametrize(("text", "good"), [("1.2.3", True), ("1.2.03", True), ("2.25." + "1" * 59, True),
                                            ("2.25." + "1" * 60, False), ("", False), ("1..2", False),
                                            ("1.2.", False), ("1.2.x", False), ("1.2/../3", False)])  # fmt: skip
def test_an_instance_is_named_by_digits_and_dots(text: str, good: bool) -> None:
    assert is_uid(text) is good
