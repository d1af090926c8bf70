"""Which earlier study of the patient a model compares with: chosen beside the models, read by whoever runs them.

Who runs models reads no description and asks nobody whose studies are whose: what it needs is chosen for it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from domain.choice import Wanted, choose
from domain.ids import StudyId
from domain.instances import series_facts
from domain.priors import EarlierChoice
from models.manifest import Manifest
from models.registry import Package
from store import jobs as jobs_of
from store import priors, routing
from store.database import Connection
from store.jobs import Job
from store.priors import RequestState
from summary.allowed import interval


@dataclass(frozen=True)
class EarlierInputs:
    """Of the earlier study `study` the object keys of each input, and what results say; nothing where there is none.

    What they say of a study holds once it was compared with: where it cannot be read, the model's process says so.
    """

    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    remark: str = ""
    study: str = ""


def chosen(connection: Connection, study: StudyId, packages: Iterable[Package]) -> dict[str, EarlierChoice]:
    """By the name of each package that has one, the newest earlier study of the same patient that has its inputs."""
    found = {one.name: _chosen(connection, study, one.manifest) for one in packages}
    return {name: choice for name, choice in found.items() if choice}


def _chosen(connection: Connection, study: StudyId, manifest: Manifest) -> EarlierChoice | None:
    """Whether it was fetched or not: proven is that it is the same patient's."""
    if manifest.priors is None:
        return None
    every = priors.earlier_studies(connection, study, manifest.priors.within_days)
    choices = (_in(connection, one, manifest) for one in every[: manifest.priors.newest])
    return next(filter(None, choices), None)


def _in(connection: Connection, earlier: priors.Earlier, manifest: Manifest) -> EarlierChoice | None:
    """The images of each input in the earlier study, chosen as in any study by the package's intended use."""
    series = series_facts(routing.instance_facts(connection, earlier.study_id, earlier.revision))
    inputs = [Wanted(one.name, (one.conditions,), one.kind, one.prefer, one.missing_slices) for one in manifest.inputs]
    choice = choose(inputs, series, registered=manifest.registration is not None)
    if not choice.series_id:
        return None
    images = {name: tuple(uids) for name, uids in choice.images.items()}
    said = interval(earlier.days).value
    return EarlierChoice(str(earlier.study_id), said, earlier.revision, dict(choice.inputs), images)


def earlier_inputs(connection: Connection, job: Job) -> EarlierInputs:
    """What was chosen for the job's model, and is still here; results say why there is nothing."""
    request = priors.of_study(connection, job.study_id)
    if request is None or job.model not in request.wanted:
        return EarlierInputs()
    choice = request.earlier.get(job.model)
    if choice is None:
        late = "none came in time" if request.state is not RequestState.ANSWERED else request.reason
        return EarlierInputs(remark=f"compared with no earlier study: {late}" if late else "")
    images = {name: list(uids) for name, uids in choice.images.items()}
    objects = jobs_of.images_of(connection, choice.inputs, images, choice.revision)
    if not all(objects.values()):
        return EarlierInputs(remark="compared with no earlier study: its images were removed")
    keys = {name: [key for _, key in found] for name, found in objects.items()}
    return EarlierInputs(keys, f"compared with an earlier study of the patient ({choice.said})", choice.study)
