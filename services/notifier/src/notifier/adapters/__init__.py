"""Stores over MongoDB."""
