"""DICOM TLS (PS3.15 B.12): who proves what to whom, and the bytes of a connection that both sides have secured."""
