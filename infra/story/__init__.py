"""The story of one campaign, read from where it is kept: topics, positions, databases."""
