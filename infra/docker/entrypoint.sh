#!/bin/sh
# `run`, `check`, `migrate`: the service replaces this shell, so that it is process 1 and hears SIGTERM.
exec python -m "$SERVICE" "$@"
