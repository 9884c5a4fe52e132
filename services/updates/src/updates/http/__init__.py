"""The API of updates."""

from updates.http.api import build_api

__all__ = ["build_api"]
