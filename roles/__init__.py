"""The node's processes, one file a role, and what runs them: supervisor, health, the table of handlers."""
