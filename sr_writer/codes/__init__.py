"""The words and codes of results: every concept with its source, and findings in sentences."""
