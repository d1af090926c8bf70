"""How fast a volume becomes a mask: this node's pipeline beside MONAI's, the same network and weights in both.

From voxels in memory to labels on the source's grid. The peer is MONAI's transforms and torch, as its bundles are made.
"""

from benchmarks.inference.command import run

__all__ = ["run"]
