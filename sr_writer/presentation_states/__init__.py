"""Presentation states: outlines and words over the images, for viewers that read neither SEG nor SR."""
