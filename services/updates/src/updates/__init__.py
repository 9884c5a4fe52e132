"""updates: what creators tell their backers, and the project view."""
