"""Styles stand on each element, where every mail program looks; what only some know stays above."""

from functools import cache

import css_inline


@cache
def _inliner() -> css_inline.CSSInliner:
    return css_inline.CSSInliner(
        keep_style_tags=False, keep_at_rules=True, load_remote_stylesheets=False
    )


def inlined(html: str) -> str:
    """Return the page with its styles on its elements; it loads nothing from anywhere."""
    return _inliner().inline(html)
