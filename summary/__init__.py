"""Findings to a few sentences that a radiologist may trust: facts, words for them, and checks that no words evade."""
