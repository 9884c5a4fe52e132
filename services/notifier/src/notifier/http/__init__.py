"""The API of notifier."""

from notifier.http.api import build_api

__all__ = ["build_api"]
