"""DICOM on the wire and on disk: listener, spool, indexer, assembly, sender."""
