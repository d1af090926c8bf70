"""How fast studies come in: this node beside Orthanc, DCMTK, dicom-rs and stock pynetdicom.

Four tables from one run: one association with Nagle's algorithm off everywhere, senders in their default state, four
associations at once, and the listener's memory over a long study.
"""

from benchmarks.ingest.command import run

__all__ = ["run"]
