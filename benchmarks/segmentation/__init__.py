"""How fast a label volume becomes a segmentation file: this node's writer beside highdicom's and dcmqi's."""

from benchmarks.segmentation.command import run

__all__ = ["run"]
