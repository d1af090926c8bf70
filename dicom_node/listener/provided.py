"""The services that the listener provides besides storage and verification: a line and a module each."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from dicom_node.listener import commitment, procedure_steps
from dicom_node.listener.services import Service

# Each makes its service, given the folder below which it may keep files of its own: the spool's, as the index has it.
_MAKERS: Sequence[Callable[[Path], Service]] = (
    commitment.service,
    procedure_steps.steps,
    procedure_steps.notifications,
)


def services(root: Path) -> Mapping[str, Service]:
    """All of them by SOP class."""
    made = (make(root) for make in _MAKERS)
    return {one.sop_class: one for one in made}
