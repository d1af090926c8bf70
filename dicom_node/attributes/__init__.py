"""What images from outside say: files opened, attributes read and judged, in one way for all who see data sets."""
