"""Payouts: the campaigns' money."""
