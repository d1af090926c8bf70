"""HTTP: asking archives by DICOMweb and REST, and the door by which others store here (PS3.18)."""
