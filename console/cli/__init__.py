"""The `dicom-node` command: its commands and what they print."""
