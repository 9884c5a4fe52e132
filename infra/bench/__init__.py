"""What the suite costs, each time beside the raw limit of the same bytes in the same run."""
