"""The rules: pure functions over values; no clock, no input or output."""
