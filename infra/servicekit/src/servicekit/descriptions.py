"""What every service's OpenAPI says beside its routes' own answers: problems, pages, files."""

from typing import Any

from servicekit.problems import MEDIA_TYPE

Descriptions = dict[int | str, dict[str, Any]]

_REFUSED = "Refused; `type` is stable and says why."
_PROBLEM: dict[str, Any] = {
    MEDIA_TYPE: {
        "schema": {
            "type": "object",
            "title": "Problem",
            "required": ["type", "title", "status"],
            "properties": {
                "type": {"type": "string", "format": "uri-reference"},
                "title": {"type": "string"},
                "status": {"type": "integer", "minimum": 400, "maximum": 599},
                "detail": {"type": "string"},
            },
        }
    }
}
# What every route may answer beside its own; 500 is promised to nobody.
PROBLEMS: Descriptions = {
    "4XX": {"description": _REFUSED, "content": _PROBLEM},
    503: {"description": "Something does not answer: send the same again.", "content": _PROBLEM},
}
# A page for people says as a page that there is nothing to show.
PAGES: Descriptions = {
    "4XX": {"description": _REFUSED, "content": {"text/html": {}} | _PROBLEM},
}


def files(media_type: str, shape: str = "string") -> Descriptions:
    """Describe a route that answers with a file; its `response_class` must have no type."""
    return {200: {"content": {media_type: {"schema": {"type": shape}}}}}
