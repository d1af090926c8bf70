"""Whether what arrives at a data folder is indexed, as far as a command can know of it."""

from config.settings import Settings
from roles.reports import ask
from roles.run_files import running


def trouble(settings: Settings) -> str:
    """Why nothing that the listener of this data folder takes is indexed at present; "" where no listener runs."""
    if running(settings.data, "listen") is None:
        return ""
    if running(settings.data, "index") is None:
        return (
            "the role index does not run, so that what arrives stays in the spool: see its log, and dicom-node doctor"
        )
    said = ask(settings.data, "index")
    return "" if said.ready else f"the role index is not ready: it waits for {', '.join(said.waiting_for)}"
