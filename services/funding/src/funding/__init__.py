"""funding: campaigns, pledges, deadlines and the verdict."""
