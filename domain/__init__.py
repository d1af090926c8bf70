"""The node's vocabulary and its pure decisions. Standard library only, no I/O."""
