"""Event handlers, the two buses that bring them events, and the loop that runs them."""
