"""Alerts as code, the situations that prove them, and what to do about each."""
