"""The trail for others to read: lines that prove themselves, CSV for people, and the messages of standards."""
