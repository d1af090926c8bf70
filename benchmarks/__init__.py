"""What the node is measured by, beside the programs that others use for the same work.

`python -m benchmarks` lists and runs them all; each keeps its newest result in RESULTS.md. No test depends on a time.
"""
