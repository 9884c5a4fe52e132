"""Stand-ins for what surrounds the suite, each speaking the real protocol."""
