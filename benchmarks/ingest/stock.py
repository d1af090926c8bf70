"""A storage SCP as most scripts write it with pynetdicom: `python -m benchmarks.ingest.stock PORT FOLDER`."""

import sys
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt

_SUCCESS = 0x0000


def serve(port: int, folder: Path) -> None:
    """Decode and save everything that comes, until the process is killed."""

    def store(event: evt.Event) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
        return _SUCCESS

    receiver = AE("NODE")
    receiver.supported_contexts = AllStoragePresentationContexts
    receiver.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, store)])


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
