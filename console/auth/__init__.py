"""The people's door: who asks, and how they prove it. What each may do is `domain.permissions`."""
