"""The API of funding."""

from funding.http.api import build_api
from funding.http.parts import Parts

__all__ = ["Parts", "build_api"]
