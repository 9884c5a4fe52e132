"""The API of payouts."""

from payouts.http.api import build_api

__all__ = ["build_api"]
