"""The commands of `dicom-node`, a module a subject. Each parses, calls and prints; nothing is decided here."""
