"""Pictures for people: key images with overlays, as a Secondary Capture, as a PDF, as the demonstration's preview."""
