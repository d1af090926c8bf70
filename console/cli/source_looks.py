"""What `doctor` finds of the sources: does each answer, as the settings say that it is to be called?"""

from collections.abc import Iterator
from shlex import quote

from config.peers import Source
from config.settings import Settings
from config.toml_lines import element
from console.cli.looks import Look, Mark
from domain.errors import NodeError

_PATIENCE = 5.0  # s for the connection, and for the answer


def sources(settings: Settings) -> Iterator[Look]:
    """Each by a C-ECHO, a search or a question for its version: one that is away keeps nothing from running."""
    for number, source in enumerate(settings.sources):
        yield _look(element(source.name, number), source, settings.listener.aet)


def _look(name: str, source: Source, our_aet: str) -> Look:
    # Who has no source loads no client.
    from dicom_node.scu.kinds import echo  # noqa: PLC0415
    from dicom_node.scu.store import TakesNoEcho  # noqa: PLC0415

    try:
        echo(source, our_aet, _PATIENCE)
    except NodeError as error:
        if isinstance(error, TakesNoEcho) and not source.url:
            return Look(f"source {name}", Mark.OK, f"{source.address} is there, and takes no C-ECHO")
        said = f"{source.address}: {error.sentence}; studies go on without it"
        again = f"; dicom-node echo {quote(source.address)} asks again" if not source.url else ""
        waits = ", and what is new there waits" if source.changes else ""
        return Look(f"source {name}", Mark.NOTED, f"{said}{waits}{again}")
    return Look(f"source {name}", Mark.OK, f"{source.address} answers")
