"""Articles about what was found, to read on: looked for by coded terms alone, and shown only where they are sound."""
