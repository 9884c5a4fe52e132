"""Plumbing shared by the four services; it knows no topic, event or service by name."""
