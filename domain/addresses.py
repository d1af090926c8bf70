"""IP addresses of peers, written in one way."""

import ipaddress


def plain_address(address: str) -> str:
    """An IP address as text, without a zone, an IPv4 address mapped into IPv6 as IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)
