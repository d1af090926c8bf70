"""What modalities and information systems say of procedures: steps (MPPS), what is available (IAN), and worklists."""
