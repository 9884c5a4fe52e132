"""One function per command, message or timer: load, decide, save in one unit."""
