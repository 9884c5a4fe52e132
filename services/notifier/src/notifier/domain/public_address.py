"""Which addresses may be sent to: those of the public internet, in whatever form they come.

A webhook's address is somebody else's word. Inside our own network it would reach what trusts
its neighbours: databases, the cloud's metadata, this very service.
"""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

_IPV4_BITS = 0xFFFFFFFF
# Networks without IPv4 reach it through these; what counts is the IPv4 address in the last bits.
_NAT64 = IPv6Network("64:ff9b::/96")
_UNICAST = IPv6Network("2000::/3")
# Ways into IPv4 networks by relays that nobody runs any more: Teredo and 6to4.
_TUNNELS = (IPv6Network("2001::/32"), IPv6Network("2002::/16"))
# Assigned to protocols; older interpreters take parts of it for public.
_PROTOCOLS = IPv4Network("192.0.0.0/24")


def is_public(address: str) -> bool:
    """Whether this is an address of the public internet; anything that is no address is not."""
    found = _address(address)
    if isinstance(found, IPv6Address):
        return found in _UNICAST and found.is_global and not any(found in t for t in _TUNNELS)
    if found is None or found in _PROTOCOLS:
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def is_loopback(address: str) -> bool:
    """Whether this is this very machine, also written as IPv6."""
    found = _address(address)
    return found is not None and found.is_loopback


def _address(text: str) -> IPv4Address | IPv6Address | None:
    """Return the address that is meant: of one that stands for an IPv4 address, that one."""
    try:
        found = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, IPv4Address):
        return found
    if found in _NAT64:
        return IPv4Address(int(found) & _IPV4_BITS)
    return found.ipv4_mapped or found
