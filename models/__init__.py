"""Model packages and the registry that reads and verifies them. Never imports an engine."""
