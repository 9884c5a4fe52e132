"""Events of the SOSST suite: what other teams install to read our topics."""
