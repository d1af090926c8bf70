"""Which earlier study of the patient a job's model compares with, and what its results say of that."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain.choice import Wanted, choose
from domain.ids import StudyId
from domain.instances import series_facts
from models.manifest import Manifest, Priors
from store import jobs as jobs_of
from store import priors, routing
from store.database import Connection
from store.jobs import Job
from summary.allowed import interval


@dataclass(frozen=True)
class EarlierInputs:
    """Of the earlier study `study` the object keys of each input, and what results say; nothing where there is none.

    What they say of a study holds once it was compared with: where it cannot be read, the model's process says so.
    """

    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remark: str = ""
    study: StudyId | None = None


def earlier_inputs(connection: Connection, job: Job, manifest: Manifest) -> EarlierInputs:
    """The newest earlier study of the same patient that has the package's inputs, whether it was fetched or not."""
    if manifest.priors is None:
        return EarlierInputs()
    wanted = manifest.priors
    for earlier in priors.earlier_studies(connection, job.study_id, wanted.within_days)[: wanted.newest]:
        keys = _inputs(connection, earlier, manifest)
        if keys:
            said = f"compared with an earlier study of the patient ({interval(earlier.days).value})"
            return EarlierInputs(keys, said, earlier.study_id)
    return EarlierInputs(remark=_none(connection, job, wanted))


def _inputs(connection: Connection, earlier: priors.Earlier, manifest: Manifest) -> Mapping[str, Sequence[str]]:
    """The images of each input in the earlier study, chosen as in any study by the package's intended use."""
    series = series_facts(routing.instance_facts(connection, earlier.study_id, earlier.revision))
    inputs = [Wanted(one.name, (one.conditions,), one.kind, one.prefer, one.missing_slices) for one in manifest.inputs]
    choice = choose(inputs, series, registered=manifest.registration is not None)
    if not choice.series_id:
        return {}
    images = {name: list(uids) for name, uids in choice.images.items()}
    found = jobs_of.images_of(connection, dict(choice.inputs), images, earlier.revision)
    return {name: [key for _, key in objects] for name, objects in found.items()}


def _none(connection: Connection, job: Job, wanted: Priors) -> str:
    """What results say where archives were asked in vain; a node that asks nobody has nothing to say."""
    request = priors.of_study(connection, job.study_id)
    if request is None:
        return ""
    if request.state is not priors.RequestState.ANSWERED:
        return f"compared with no earlier study: none came within {wanted.deadline:g} s"
    return f"compared with no earlier study: {request.reason}"
