"""Calls of what runs on this machine and speaks HTTP without TLS."""

import ssl

# By itself every client of httpx loads all authorities of the world: 50 ms of a processor, also for
# one look at `http://`, and who waits for a process looks many times. These are none, so whoever
# meets TLS here by mistake is refused.
NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
