"""The log between the network and the index: durable before a sender hears success.

A folder for each listener process holds segments that are filled with zeroes once and then recycled. `LogWriter` is
the listener's side, `LogReader` the indexer's, `BacklogMeter` anybody's. No database is needed here.
"""

from dicom_node.spool.association_log import AssociationLog, Peer
from dicom_node.spool.backlog import Backlog, BacklogMeter
from dicom_node.spool.entries import Entry
from dicom_node.spool.errors import DamagedRecord, LogUnavailable
from dicom_node.spool.reader import LogReader
from dicom_node.spool.records import PART, Close, Kind
from dicom_node.spool.writer import LogWriter

__all__ = [
    "PART",
    "AssociationLog",
    "Backlog",
    "BacklogMeter",
    "Close",
    "DamagedRecord",
    "Entry",
    "Kind",
    "LogReader",
    "LogUnavailable",
    "LogWriter",
    "Peer",
]
