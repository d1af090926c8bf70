"""What runs a network: one protocol, one module for each library, each of which may be absent."""
