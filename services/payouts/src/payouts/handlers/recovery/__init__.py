"""The parts of a recovery, a module for each subject; `handlers.recover` says in which order."""
