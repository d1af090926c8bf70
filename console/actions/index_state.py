"""Whether what arrives at a data folder is indexed, and anything goes on, as far as a command can know of it."""

from config.settings import Settings
from roles.database import KEEPER
from roles.reports import ask
from roles.run_files import all_running, running


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


def stopped(settings: Settings) -> str:
    """That no role runs where the node has a database of its own; "" where one does, or where others may elsewhere."""
    if settings.database.url is not None or any(name != KEEPER for name in all_running(settings.data)):
        return ""
    start = "dicom-node up, or of a service: systemctl start dicom-node"
    return f"no node runs on {settings.data}, and nothing goes on until it is started ({start})"
