"""Timed work of payouts, a module for each subject; `app` says how often each is done."""
