"""One request of a service other than storage and verification: into memory, judged, recorded, then answered."""

import logging

from dicom_node.dimse import Command, Operation, Status, encode_response
from dicom_node.listener.associate import AnsweredContext
from dicom_node.listener.services import Answer, Request, Room, Service, refusal
from dicom_node.listener.stream import Fragment, PduStream
from dicom_node.pdu import message_fragments
from dicom_node.spool import AssociationWriter, SpoolUnavailable

log = logging.getLogger(__name__)


class Message:
    """A request whose data set is on its way. `size` counts what came of it, kept or not."""

    def __init__(self, command: Command, context: AnsweredContext, service: Service, room: Room) -> None:
        self.command = command
        self.context = context
        self.size = 0
        self._service = service
        self._room = room
        self._data = bytearray()
        self._refusal = refusal(service, command)

    @property
    def name(self) -> str:
        """Its operation as the standard writes it: N-ACTION."""
        known = (one.name.replace("_", "-") for one in Operation if one == self.command.field)
        return next(known, f"operation {self.command.field:#06x}")

    @property
    def longest(self) -> int:
        """Bytes of its data set at most."""
        return self._service.longest

    def take(self, stream: PduStream, fragment: Fragment) -> None:
        """The next bytes of the data set; dropped where it is refused already."""
        self.size += fragment.length
        if self._refusal is None and self.size > self.longest:
            self._refuse(Status.RESOURCE_LIMITATION, f"data set is longer than {self.longest} bytes")
        if self._refusal is None and not self._room.take(fragment.length):
            self._refuse(Status.RESOURCE_LIMITATION, "too many requests are under way")
        if self._refusal is not None:
            stream.skip(fragment.length)
            return
        start = len(self._data)
        self._data += bytes(fragment.length)
        with memoryview(self._data) as view:
            stream.into(view[start:], more=not fragment.is_last)

    def drop(self) -> None:
        """Give its memory back."""
        self._room.give_back(len(self._data))
        self._data = bytearray()

    def answered(self, spool: AssociationWriter, longest_pdu: int) -> tuple[Answer, bytes]:
        """The answer, and the PDUs that carry it; what it says is durable by then."""
        answer = self._refusal or self._judged(spool)
        self.drop()
        if not answer.is_taken:
            about = f"{self.name}: {answer.comment}"
            spool.refuse(self.command.sop_class, self.command.sop_instance, answer.status, about)
        response = encode_response(
            self.command,
            answer.status,
            answer.comment,
            has_data_set=bool(answer.data),
            sop_instance=answer.sop_instance,
            error_id=answer.error_id,
        )
        return answer, message_fragments(self.context.id, response, answer.data, longest_pdu)

    def _judged(self, spool: AssociationWriter) -> Answer:
        command = self.command
        request = Request(
            Operation(command.field),
            command.type_id,
            command.sop_class,
            command.sop_instance,
            self.context.transfer_syntax or "",
            bytes(self._data),
            spool.peer,
        )
        try:
            answer = self._service.judge(request)
            return self._recorded(request, answer, spool) if answer.is_taken else answer
        except SpoolUnavailable as error:
            return Answer(Status.RESOURCE_LIMITATION, str(error))
        except Exception:
            # The boundary between bytes from outside and the association: a defect costs this request.
            log.exception("a request was not judged")
            return Answer(Status.PROCESSING_FAILURE, "the node could not judge it")

    def _recorded(self, request: Request, answer: Answer, spool: AssociationWriter) -> Answer:
        with answer.held:
            spool.keep(
                {"operation": int(request.operation), "type": request.type, **answer.details},
                request.data,
                sop_class=request.sop_class,
                sop_instance=request.sop_instance or answer.sop_instance,
                transfer_syntax=request.transfer_syntax,
                context_id=self.context.id,
            )
            answer.recorded()
        return answer

    def _refuse(self, status: Status, comment: str) -> None:
        self._refusal = Answer(status, comment)
        self.drop()
