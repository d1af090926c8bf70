"""The trail for others to read: as JSON lines that prove themselves, and as CSV for people."""
