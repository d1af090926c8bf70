"""What the node of a data folder serves and answers to, as far as a command can know of it."""

from config.settings import Settings
from domain.errors import ConfigurationError
from roles.reports import ask
from roles.run_files import running


def served(settings: Settings) -> set[str]:
    """Destinations of the settings, and of the node that runs on the data folder: `up` may have been given others."""
    said = running(settings.data, "deliver")
    return {one.name for one in settings.destinations} | set(said.facts.destinations if said else ())


def certainly_served(settings: Settings) -> set[str]:
    """As `served`; raises ConfigurationError where a node runs on the data folder and what it serves is not known."""
    others = sorted(one.stem for one in (settings.data / "run").glob("*.json"))
    living = [name for name in others if running(settings.data, name) is not None]
    if living and "deliver" not in living:
        raise ConfigurationError(
            f"a node runs on {settings.data} ({', '.join(living)}) and its role deliver does not say what it serves: "
            "wait until it is back (dicom-node status), run this where it runs, or stop the node first"
        )
    return served(settings)


def people_door(settings: Settings) -> str:
    """Where people reach the API: of the node that runs on the data folder, else by the settings that are at hand."""
    said = running(settings.data, "serve")
    return (said.facts.api if said else "") or settings.console.url


def former_aet(settings: Settings) -> str:
    """The AE title that the running listener answers to where the settings say another, else ""."""
    if running(settings.data, "listen") is None:
        return ""
    said = ask(settings.data, "listen").aet or ""
    return said if said != settings.listener.aet else ""
