"""The `dicom-node` command. The only room that wires the others together."""
