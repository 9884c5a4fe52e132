"""Tools of the contracts: freeze, compare, lint, catalogue. Run as `python -m contracts.tools`."""
