"""Findings to DICOM objects: SEG and SR that show in every viewer. The only room that imports highdicom."""
