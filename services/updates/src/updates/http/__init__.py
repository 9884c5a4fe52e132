"""The API of updates."""

from updates.http.api import build_api
from updates.http.parts import Parts

__all__ = ["Parts", "build_api"]
