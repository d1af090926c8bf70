"""Volumes in, findings out: geometry, pre- and postprocessing, engines, the child process."""
