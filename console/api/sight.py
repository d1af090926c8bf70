"""Which studies somebody may see, and what of them: bound to destinations or departments, and with findings or without.

A study that they may not see is none to them: the answer is that of an id that nobody has.
"""

from console.api.access import Asking
from console.api.problems import Kind, ProblemError
from domain.ids import StudyId
from domain.json_records import Json, JsonObject
from domain.permissions import Permission, Principal
from domain.routing import unquoted
from store.queries.studies import Bound, known_study


def bound(asking: Asking) -> Bound | None:
    """What bounds the studies that they may see; None where nothing does."""
    return bound_of(asking.principal, asking.settings.console.departments)


def bound_of(principal: Principal, departments: dict[str, tuple[str, ...]]) -> Bound | None:
    """The same; a department is who sends its studies, for the database keeps no department of a study."""
    if not principal.destinations and not principal.departments:
        return None
    senders = {aet for name in principal.departments for aet in departments.get(name, ())}
    return Bound(principal.destinations, senders)


def study_of(asking: Asking, wanted: str) -> StudyId:
    """The study with this internal id or StudyInstanceUID; raises ProblemError where they see none."""
    found = known_study(asking.database, wanted, bound(asking))
    if found is None:
        raise ProblemError(Kind.UNKNOWN, "there is no such study, or none that you may see: give its id or its UID")
    return found


def without_findings(asking: Asking, study: JsonObject) -> JsonObject:
    """A study's path or entry as they may see it: who may not read results sees no finding and no free text."""
    if asking.may(Permission.RESULTS_READ):
        return study
    said = dict(study)
    if "description" in said:
        said["description"] = ""
    for name, without in (("jobs", _unmeasured), ("decisions", _unquoted), ("models", _unquoted)):
        rows = said.get(name)
        if isinstance(rows, list):
            said[name] = [without(one) for one in rows]
    return said


def _unmeasured(job: Json) -> Json:
    return {**job, "findings": None} if isinstance(job, dict) and "findings" in job else job


def _unquoted(decision: Json) -> Json:
    """A decision that says what a model wants, and not what stands in the images instead."""
    refusals = decision.get("refusals") if isinstance(decision, dict) else None
    if not isinstance(decision, dict) or not isinstance(refusals, dict):
        return decision
    said: JsonObject = {
        series: [unquoted(one) if isinstance(one, str) else one for one in reasons]
        for series, reasons in refusals.items()
        if isinstance(reasons, list)
    }
    return {**decision, "refusals": said}


def sees_destination(asking: Asking, name: str) -> bool:
    """Whether they may see a destination: who is bound sees those that they are bound to."""
    return bound(asking) is None or name in asking.principal.destinations


def refuse_unseen(asking: Asking, name: str) -> None:
    """Raise ProblemError where they see no destination of this name."""
    if not sees_destination(asking, name):
        raise no_destination()


def no_destination() -> ProblemError:
    """What is answered about a destination that is none, or that they may not see."""
    return ProblemError(Kind.UNKNOWN, "there is no such destination, or none that you may see: /api/v1/destinations")
