"""The acceptor of associations: C-STORE and C-ECHO, each instance durable in the spool before its success.

`Listener` serves a port from threads of this process, `serve` is a whole listener process. The upper layer's inner path
is here and nowhere else; it never looks at a data set.
"""

from dicom_node.listener.events import ListenerEvents, NoEvents
from dicom_node.listener.server import LONGEST_STOP, Listener, serve

__all__ = ["LONGEST_STOP", "Listener", "ListenerEvents", "NoEvents", "serve"]
