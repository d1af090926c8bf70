"""The node as the one who calls: associations, C-STORE, C-ECHO, and what a peer takes."""
