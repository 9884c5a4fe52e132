"""Every route of the four services, every kind of caller, and what each is told."""
