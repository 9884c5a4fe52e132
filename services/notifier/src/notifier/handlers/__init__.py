"""One function per message or piece of work: load, decide, save in one unit."""
