"""`python -m console.demo [FOLDER]`: a study in, findings out, the whole path on this machine.

It starts a node as `dicom-node up` and an archive, sends a study as a scanner would, tells each step as it happens, and
shows what arrived at the archive. At the end nothing is left running.
"""

import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from audit.actions import Action
from audit.chain import verify
from audit.trail import Ledger, rows
from config.peers import Destination
from config.private import keep_to_owner
from config.settings import Models
from console.cli.output import complain, size
from console.cli.summary_view import author, told
from console.demo import archive as demo_archive
from console.demo import brain as demo_brain
from console.demo import findings as demo_findings
from console.demo import folder as demo_folder
from console.demo import held as demo_held
from console.demo import study as demo_study
from console.demo.archive import AET, Archive
from console.demo.findings import Findings
from console.demo.held import Held
from console.demo.screen import Screen
from console.demo.servers import SETTLE, Interrupted, NodeProcess, Program, pause
from console.demo.stall import START, StallWatch
from console.demo.steps import Step, arrived, dead_end, nearest, settled, steps
from console.demo.study import Study
from dicom_node.scu.store import Outgoing, Verdict, send
from domain.errors import NodeError, Permanent
from domain.progress import progress
from domain.records import StudyPath
from domain.states import JobState
from roles.process import stopped_by_signals
from store.database import Database
from store.queries.path import study_path
from store.queries.studies import latest_studies
from store.summaries import newest

_SCANNER = "SCANNER"
_MOST_STUDIES = 20  # that are looked at: a demonstration is of one
_LOOK = 0.2  # s between two looks at the study
# As long as the node itself gives a model: what takes longer has ended by then, and the node has said why.
_RESULTS = Models().timeout + 60

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Stage:
    """What a demonstration plays on: the servers, and the folder that everything lies in."""

    folder: Path
    archive: Archive
    node: NodeProcess
    screen: Screen
    stop: threading.Event


@app.command()
def main(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", exists=True, file_okay=False, help="A study of your own.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Stay up at the end, until Ctrl-C.")] = False,
    data: Annotated[Path, typer.Option("--data", metavar="DIR", help="Where everything lies.")] = Path("demo-data"),
    models: Annotated[
        Path | None,
        typer.Option("--models", metavar="DIR", help="Folder of model packages; the shipped ones by default."),
    ] = None,
    brain: Annotated[
        bool, typer.Option("--brain", help="Tissue of the brain in a T1 series, instead of lungs in a chest CT.")
    ] = False,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", metavar="FILE", exists=True, dir_okay=False, help="Settings besides, such as language models."
        ),
    ] = None,
) -> None:
    """Show the whole path of a study on this machine: received, understood, written, delivered."""
    stop = stopped_by_signals()
    try:
        with demo_folder.fresh(data.absolute()) as place:
            own, settings = (one.absolute() if one else None for one in (models, config))
            if brain and (lacking := demo_brain.missing(folder, own)):
                raise Permanent("\n".join(lacking))
            study = demo_study.find_head(folder) if brain else demo_study.find(folder, place / "study")
            packages = demo_brain.models(own, place / "models") if brain else own
            archive = demo_archive.choose(place / "archive")
            node = NodeProcess(place / "node", archive, packages, settings)
            _play(Stage(place, archive, node, Screen(datetime.now(UTC)), stop), study, keep)
    except Interrupted as error:
        complain("interrupted; node and archive are stopped")
        raise typer.Exit(130) from error
    except NodeError as error:
        complain(*error.lines)
        raise typer.Exit(1) from error


def _play(stage: Stage, study: Study, keep: bool) -> None:
    screen, archive, what = stage.screen, stage.archive, demo_held.held(study.objects)
    with ExitStack() as servers:
        _open(stage, servers)
        database = Database(stage.node.database(), pool_size=1)
        servers.callback(database.close)
        _send(stage, study, what, f"{AET}@127.0.0.1:{archive.port}", "to the archive, where its images are read")
        taken = _send(stage, study, what, stage.node.address(), "to the node")
        path = _follow(stage, database, demo_held.held(taken))
        screen.line(_balance(path))
        with screen.waiting("fetching the results from the archive"):
            findings = _fetch(stage, study, path)
        _conclude(stage, findings, path, database, keep)
        if keep:
            _stay(stage)
        screen.line()
        with screen.waiting("stopping node and archive"):
            servers.close()
    screen.line("Node and archive are stopped; the files stay.", "dim")


def _open(stage: Stage, servers: ExitStack) -> None:
    screen = stage.screen
    screen.heading("A node and an archive on this machine")
    with screen.waiting("starting node and archive"):
        archive = servers.enter_context(Program("the archive", stage.archive.command(), stage.folder / "archive.log"))
        node = servers.enter_context(Program("the node", stage.node.command(), stage.folder / "node.log"))
        archive.await_ready(stage.archive.waits_for, StallWatch(START, screen.line), stage.stop)
        node.await_ready(stage.node.waits_for, StallWatch(START, screen.line), stage.stop)
    _say(screen, "archive up", f"{stage.archive.name}, {AET}@127.0.0.1:{stage.archive.port}, {stage.archive.where()}")
    _say(screen, "node up", f"{stage.node.address()}; results go to {AET}")


def _send(stage: Stage, study: Study, what: Held, address: str, purpose: str) -> Sequence[Outgoing]:
    """Push the study as a scanner does, and give what was stored; an instance that is refused is told and left out.

    Raises Permanent where the sending broke off, or nothing was stored.
    """
    screen = stage.screen
    screen.heading(f"A scanner sends its study {purpose}")
    screen.facts([("study", study.source), ("found", demo_held.found(what))])
    begun, outcomes = time.monotonic(), []
    for outcome in screen.sending(send(study.objects, Destination.model_validate(address), _SCANNER), study.size):
        pause(stage.stop, 0)
        outcomes.append(outcome)
    stored = [one.sent for one in outcomes if one.verdict is Verdict.STORED]
    failed = [f"{_file(one.sent)}: {one.reason}" for one in outcomes if one.verdict is not Verdict.STORED]
    if not stored or any(one.verdict is Verdict.RETRY for one in outcomes):
        raise Permanent(f"not every instance was stored: {failed[0]}")
    seconds, sent = time.monotonic() - begun, sum(one.size for one in stored)
    rate = f"{len(stored) / seconds:.0f} instances/s, {size(sent / seconds)}/s"
    _say(screen, "sent", f"{len(stored)} instances, {size(sent)} in {seconds:.2f} s ({rate})")
    if failed:
        _say(screen, "left out", f"{len(failed)} of {len(outcomes)} instances; the first is {failed[0]}")
    return stored


def _file(sent: Outgoing) -> str:
    return _shown(sent.file) if isinstance(sent.file, Path) else sent.sop_instance


def _follow(stage: Stage, database: Database, what: Held) -> StudyPath:
    """Tell every step of the study until its results have arrived; raises NodeError where they do not.

    Of several studies it is the largest that something may come of yet.
    """
    stage.screen.heading(f"The node at work (a study is complete after {SETTLE:g} s of silence)")
    told: set[Step] = set()
    watch = StallWatch(_RESULTS, stage.screen.line)
    with stage.screen.waiting("the study is on its way"):
        while True:
            paths = _paths(database)
            path = nearest(paths)
            reason = dead_end(path) if path else ""
            if path and (len(paths) >= min(what.studies, _MOST_STUDIES) or not reason):
                told |= _told(stage, path, told)
                if arrived(path):
                    return path
                if reason:
                    raise Permanent(*_ended(stage, paths, reason, what))
            watch.look(_place(path))
            pause(stage.stop, _LOOK)


def _told(stage: Stage, path: StudyPath, before: set[Step]) -> set[Step]:
    """Say what is new of the steps, and return it."""
    known = {(step.name, step.text) for step in before}
    new = [step for step in settled(path) if (step.name, step.text) not in known]
    for step in new:
        stage.screen.step(step)
    return set(new)


def _place(path: StudyPath | None) -> str:
    """Where the study is and why, in the node's own words; what is waited for as long as it has not come in."""
    if path is None:
        return "the study has not come in"
    place = progress(path.study, path.jobs, path.results, path.deliveries, path.rejections)
    instances = sum(series.instances or 0 for series in path.series)
    return f"{place.where}: {place.why} ({instances} instances, {len(path.results)} results)"


def _balance(path: StudyPath) -> str:
    """The figure that a radiologist waits for."""
    last = {step.name: step.at for step in steps(path)}
    seconds = (last["delivered"] - last["received"]).total_seconds()
    return (
        f"Results were at the archive {seconds:.1f} s after the last image, {SETTLE:g} s of that waiting for silence."
    )


def _paths(database: Database) -> list[StudyPath]:
    """The paths of the studies that have come in."""
    found = (study_path(database, one.study.id) for one in latest_studies(database, _MOST_STUDIES))
    return [one for one in found if one is not None]


def _ended(stage: Stage, paths: Sequence[StudyPath], reason: str, what: Held) -> list[str]:
    """Why nothing will arrive; where no model wants anything, what there is beside what each of them wants."""
    several = [f"nothing comes of any of {len(paths)} studies; of the largest:"] if len(paths) > 1 else []
    lines = [*several, *reason.split("\n")]
    return lines if any(one.jobs for one in paths) else [*lines, *demo_held.compared(what, stage.node.packages)]


def _fetch(stage: Stage, study: Study, path: StudyPath) -> list[Findings]:
    """The results of each model, out of the archive, with what a person wants to see of them."""
    made = []
    for job in (one for one in path.jobs if one.state is JobState.SUCCEEDED):
        sent = (one for one in path.deliveries if one.job_id == job.id)
        uids = {one.kind: one.sop_uid for delivery in sent for one in delivery.objects if one.stored}
        held = {kind: stage.archive.fetch(uid) for kind, uid in uids.items()}
        folder = stage.folder / "findings" / job.model
        made.append(demo_findings.keep(job, held, study.files, folder))
    return made


def _conclude(stage: Stage, findings: list[Findings], path: StudyPath, database: Database, keep: bool) -> None:
    screen = stage.screen
    for one in findings:
        screen.heading("The report, as the archive holds it")
        screen.line(one.report)
        screen.heading("The measurements")
        for line in one.measurements:
            screen.line(f"  {line}", "bold")
    _show_impression(screen, path, database)
    screen.heading("The audit trail")
    verdict = verify(rows(database))
    Ledger(database, "console").record(Action.READ, what="verify", entries=verdict.checked, bad=verdict.bad)
    fault = "" if verdict.bad is None else f"; entry {verdict.bad} is wrong: {verdict.reason}"
    screen.line(f"  {verdict.checked} entries follow from one another{fault}")
    screen.heading("Where to find it")
    files = [(name, _shown(file)) for one in findings for name, file in one.files.items()]
    study, node = str(path.study.id)[:8], f"--data {_shown(stage.folder / 'node')}"
    viewer = f"--archive {stage.archive.dicomweb()}" if keep else f"--data {_shown(stage.folder)}"
    command = _shown(Path(sys.executable).with_name("dicom-node"))
    screen.facts(
        [
            *files,
            ("archive", _shown(stage.folder / "archive") + "; stays up with --keep"),
            ("the study's way", f"{command} status {study} {node}"),
            ("why a model ran", f"{command} explain {study} {node}"),
            ("who did what", f"{command} audit show --study {study} {node}"),
            *([("how a viewer shows it", f"{command} viewer {viewer}")] if stage.archive.dicomweb() else []),
        ]
    )


def _show_impression(screen: Screen, path: StudyPath, database: Database) -> None:
    """What all models found together, with the facts that each sentence rests on."""
    with database.transaction() as connection:
        summary = newest(connection, path.study.id)
    if summary and summary.facts and summary.impression:
        screen.heading("The impression: what all models found together, as a result of its own")
        for one in summary.impression.sentences:
            screen.line(f"  {one.text} [{', '.join(one.facts)}]", "bold")
        screen.line(f"  by {author(summary.impression)}", "dim")
        for fact in summary.facts.facts:
            screen.line(f"    {fact.id}  {told(fact)}")


def _shown(path: Path) -> str:
    """The path as one would type it here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def _stay(stage: Stage) -> None:
    stage.screen.heading("Node and archive stay up until Ctrl-C")
    stage.screen.facts([("send more studies to", stage.node.address()), ("archive", stage.archive.where())])
    stage.stop.wait()


def _say(screen: Screen, name: str, text: str) -> None:
    screen.step(Step(name, text, datetime.now(UTC)))


if __name__ == "__main__":
    keep_to_owner()
    app()
