"""The API of funding."""

from funding.http.api import build_api

__all__ = ["build_api"]
