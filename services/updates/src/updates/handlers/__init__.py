"""One function per command or message: load, decide, save in one unit."""
