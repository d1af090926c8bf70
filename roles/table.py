"""The node's table of contents: every role by its name, and who handles which event.

A role's module is imported when the role is, and not before: a listener's process loads no index, a delivery's no
model, and `dicom-node --help` none of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import cast

from domain.events import EventType
from roles.process import Context, Role

_WHERE: Mapping[str, str] = {
    "listen": "roles.listen",
    "web": "roles.web",
    "follow": "roles.follow",
    "index": "roles.index",
    "assemble": "roles.assemble",
    "work": "roles.work",
    "summarise": "roles.summarise",
    "write": "roles.write",
    "deliver": "roles.deliver",
    "relay": "roles.relay",
    "retain": "roles.retain",
    "forward": "roles.forward",
    "seal": "roles.seal",
    "serve": "console.serve",
}


@dataclass(frozen=True)
class Group:
    """A group of consumers: the role that runs it, and the step ("module:class") that each event is for."""

    role: str
    steps: Mapping[EventType, str]


GROUPS: Mapping[str, Group] = {
    "routing": Group(
        "assemble",
        {
            EventType.STUDY_COMPLETED: "consumers.steps.route:Router",
            EventType.STUDY_AMENDED: "consumers.steps.route:Router",
        },
    ),
    "results": Group(
        "write",
        {
            EventType.INFERENCE_COMPLETED: "consumers.steps.write:ResultsWriter",
            EventType.RESULTS_REQUESTED: "consumers.steps.write:ResultsWriter",
            EventType.RESULTS_REJECTED: "consumers.steps.write_note:NoteWriter",
            EventType.SUMMARY_COMPLETED: "consumers.steps.write_summary:SummaryWriter",
            EventType.SUMMARY_REQUESTED: "consumers.steps.write_summary:SummaryWriter",
            EventType.SUMMARY_REJECTED: "consumers.steps.write_note:NoteWriter",
        },
    ),
    "delivery": Group(
        "deliver",
        {
            EventType.RESULTS_WRITTEN: "consumers.steps.plan:DeliveryPlanner",
            EventType.SUMMARY_WRITTEN: "consumers.steps.plan:DeliveryPlanner",
        },
    ),
}


def module(name: str) -> ModuleType:
    """The module that holds the role."""
    return import_module(_WHERE[name])


def _role(name: str) -> Role:
    def role(context: Context) -> None:
        cast(Role, getattr(module(name), name))(context)

    return role


ROLES: Mapping[str, Role] = {name: _role(name) for name in _WHERE}
