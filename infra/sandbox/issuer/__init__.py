"""A development issuer of bearer tokens, for demo and tests only."""
