"""The names of the database's roles: one for each process of the node and each kind of command, and one for all.

What each may do is `store.rights`. A site gives a login to a role by making it one, or a member of it.
"""

#: A member of every other: the login of a node whose processes share one, as those of `up` do.
APPLICATION_ROLE = "dicom_node_app"
#: Commands that change something, commands that only look, and those of the trail.
OPERATOR, READER, AUDITOR = "operator", "reader", "auditor"

#: No role of the node's: whoever has logged in.
WHOEVER = "none"


def role_of(process: str) -> str:
    """The database's role of a process (`index`, ...) or of a kind of command."""
    return f"dicom_node_{process}"
