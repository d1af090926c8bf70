"""Segmentations: label volumes as binary or label map SEG."""
