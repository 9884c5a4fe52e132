"""The API of payouts."""

from payouts.http.api import build_api
from payouts.http.parts import Parts

__all__ = ["Parts", "build_api"]
