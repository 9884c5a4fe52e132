"""The mail sandbox: an SMTP server that keeps what it took, and misbehaves on demand."""
