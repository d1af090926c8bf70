"""The spool between the network and the index: durable before a sender hears success.

A folder for each listener process holds segments that are filled with zeroes once and then recycled. `SpoolWriter` is
the listener's side, `SpoolReader` the indexer's, `BacklogMeter` anybody's. No database is needed here.
"""

from dicom_node.spool.association_writer import AssociationWriter, Peer
from dicom_node.spool.backlog import Backlog, BacklogMeter
from dicom_node.spool.entries import Entry, Mark, Marked, decode_message
from dicom_node.spool.errors import DamagedRecord, SpoolUnavailable
from dicom_node.spool.identity import known_identity
from dicom_node.spool.reader import SpoolReader
from dicom_node.spool.records import PART, WITH_DATA, Close, Kind
from dicom_node.spool.writer import SpoolWriter

__all__ = [
    "PART",
    "WITH_DATA",
    "AssociationWriter",
    "Backlog",
    "BacklogMeter",
    "Close",
    "DamagedRecord",
    "Entry",
    "Kind",
    "Mark",
    "Marked",
    "Peer",
    "SpoolReader",
    "SpoolUnavailable",
    "SpoolWriter",
    "decode_message",
    "known_identity",
]
