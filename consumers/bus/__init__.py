"""How events reach their handlers: the protocol, both buses, the loop, the relay, dead letters, outages."""
