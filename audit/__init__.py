"""The trail: canonical entries, their hash chain, the verifier. Nothing here knows DICOM."""
