"""What a destination takes and gets, and the profiles, as people see them in a terminal."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from rich.console import RenderableType

from console.cli.output import ago, table
from console.cli.study_view import form_name, syntax_name
from consumers.destinations import ProfiledDestination
from dicom_node.scu.probe import asked
from domain.profiles import SOP_CLASSES, Choice, Profile, ResultKind, choose, every_form
from store.destinations import Context, SeenDestination


def overview(
    destinations: Iterable[tuple[ProfiledDestination, SeenDestination | None]],
    now: datetime,
    gone: Collection[str] = (),
) -> RenderableType:
    """One line a destination; those of `gone` are none any more."""
    rows = [
        (one.name, one.destination.address, one.profile.name, *_answered(seen, now), _error(one, seen, gone))
        for one, seen in destinations
    ]
    return table("", ("name", "address", "profile", "answered", "takes", "software", "last error"), rows)


def kinds(profile: Profile, accepted: Collection[Context] | None) -> RenderableType:
    """For each kind of result in which forms it is taken, which of them is sent by the profile, and why."""
    chosen = {one.kind: one for one in choose(profile, accepted, of=tuple(ResultKind))}
    rows = [(kind, list(_taken(kind, accepted)), *_sent(chosen.get(kind))) for kind in ResultKind]
    return table("", ("kind", "taken as", f"sent by profile {profile.name}", "why"), rows)


def profiles(each: Iterable[Profile]) -> RenderableType:
    """What each profile sends."""
    rows = [
        (
            one.name,
            ", ".join(one.objects),
            ", ".join(one.reports),
            ", ".join(one.segmentations),
            "yes" if one.compress else "no",
            one.supersede,
            one.withdraw,
        )
        for one in each
    ]
    return table(
        "",
        ("profile", "objects", "reports, the best first", "segmentations", "compress", "supersede", "withdraw"),
        rows,
    )


def _error(one: ProfiledDestination, seen: SeenDestination | None, gone: Collection[str]) -> str:
    if one.name in gone:
        return "no longer configured"
    return seen.error if seen else ""


def _answered(seen: SeenDestination | None, now: datetime) -> tuple[str, str, str]:
    if seen is None or seen.accepted is None or seen.seen_at is None:
        return "never", "not known", ""
    return ago(seen.seen_at, now), f"{len(seen.accepted)} of {len(asked())} forms", seen.implementation


def _taken(kind: ResultKind, accepted: Collection[Context] | None) -> Sequence[str]:
    if accepted is None:
        return ["not known"]
    syntaxes: dict[str, list[str]] = {}
    for form in every_form():
        if form.kind is kind and form.context in accepted:
            syntaxes.setdefault(form.sop_class, []).append(syntax_name(form.transfer_syntax))
    return [f"{SOP_CLASSES[one]} ({', '.join(each)})" for one, each in syntaxes.items()] or ["-"]


def _sent(choice: Choice | None) -> tuple[str, str]:
    if choice is None:
        return "-", "its profile does not name it"
    return form_name(*choice.form.context) if choice.form else "-", choice.why
