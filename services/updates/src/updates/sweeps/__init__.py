"""Timed work of updates, a module for each subject."""
