"""One function per fact, command or timer: load, decide, save in one unit."""
