"""Frozen settings, the metrics registry, logging set-up and the default files."""
