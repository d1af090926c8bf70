"""What of a package can be found wrong without an engine: its files, its card, its network's header, its channels.

Everything is named at once. inference_worker/dry_run.py goes on from here, where an engine is installed.
"""

from collections.abc import Callable, Iterator

from domain.errors import ConfigurationError, IntegrityError
from models import networks, steps
from models.cards import CARD, unwritten
from models.manifest import Manifest
from models.registry import Package, damage


def inspect(package: Package) -> list[str]:
    """A sentence for each fault, as `file: what is wrong` where it is a file's."""
    return [*damage(package), *_card(package), *network(package)]


def network(package: Package) -> list[str]:
    """What of the network's file does not go with the manifest, as far as the file itself says it."""
    wanted = package.manifest.network
    if wanted.kind != "onnx":
        return []
    try:
        found = networks.read_onnx(package.read(wanted.file))
    except IntegrityError:
        return []  # named among the files
    except ConfigurationError as error:
        return [f"{wanted.file}: {error}"]
    said = [f"{wanted.file}: {one}" for one in networks.faults(found, wanted)]
    return [*said, *of_channels(package.manifest, lambda name: networks.channels(found, wanted, name))]


def of_channels(manifest: Manifest, count: Callable[[str], int]) -> list[str]:
    """What wants a channel that is not there, or leaves one without a meaning; `count` is 0 where that is not known."""
    known = {name: number for name in manifest.network.outputs if (number := count(name))}
    said = [*_findings(manifest, known), *_lesions(manifest, known)]
    first = known.get(manifest.network.outputs[0], 0)
    if first and manifest.segments and manifest.network.kind != "bundle":
        said += _segments(manifest, first)
    return said


def _card(package: Package) -> Iterator[str]:
    if CARD not in package.digests:
        yield f"{CARD}: is missing: what the model is for, how it was made, when it fails"
        return
    try:
        text = package.read(CARD).decode("utf-8", "replace")
    except IntegrityError:
        return  # named among the files
    for heading in unwritten(text):
        yield f"{CARD}: {heading}: still to be filled in"


def _findings(manifest: Manifest, known: dict[str, int]) -> Iterator[str]:
    for at, one in enumerate(manifest.findings):
        name = one.output or manifest.network.outputs[0]
        if name in known and one.channel >= known[name]:
            yield f"findings.{at}.channel: is {one.channel}; the network's output {name} has {known[name]} channels"
    for at, wanted in enumerate(manifest.maps):
        name = wanted.output if wanted.method == "cam" else manifest.network.outputs[0]
        most = wanted.channel if wanted.method == "probability" else _most_explained(manifest)
        if wanted.method in ("cam", "probability") and name in known and most >= known[name]:
            yield f"maps.{at}: wants channel {most}; the network's output {name} has {known[name]} channels"


def _lesions(manifest: Manifest, known: dict[str, int]) -> Iterator[str]:
    name = manifest.network.outputs[0]
    for at, one in enumerate(manifest.lesions):
        if name in known and one.channel >= known[name]:
            yield f"lesions.{at}.channel: is {one.channel}; the network's output {name} has {known[name]} channels"


def _most_explained(manifest: Manifest) -> int:
    return max((one.channel for one in manifest.findings if not one.output), default=0)


def _segments(manifest: Manifest, channels: int) -> list[str]:
    """Whether the steps make of so many channels the labels that [[segments]] name, and all of them."""
    labels = set(range(1, max(2, channels)))  # of one channel alone: label 1
    for at, step in enumerate(manifest.postprocessing):
        if isinstance(step, steps.Threshold) and channels != 1:
            return [f"postprocessing.{at}: threshold wants one channel; the network gives {channels}"]
        if isinstance(step, steps.Regions) and len(step.labels) != channels:
            return [f"postprocessing.{at}: names {len(step.labels)} labels; the network gives {channels} channels"]
        if isinstance(step, steps.Regions):
            labels = set(step.labels) - {0}
        if isinstance(step, steps.Relabel):
            if max(labels, default=0) >= len(step.labels):
                return [f"postprocessing.{at}: names {len(step.labels)} labels; there is a label {max(labels)}"]
            labels = {step.labels[label] for label in labels} - {0}
    return list(_unlike(labels, manifest))


def _unlike(labels: set[int], manifest: Manifest) -> Iterator[str]:
    named = {one.number for one in manifest.segments}
    if labels - named:
        yield f"segments: are {len(named)}; the network's channels come to labels up to {max(labels)}"
    if never := sorted(named - labels):
        yield f"segments: {', '.join(map(str, never))} can never occur: no channel of the network comes to them"
