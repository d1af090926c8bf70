"""The trail as others read it: pure mappings from entries to the messages of standards."""
