"""Pages as a person without a script uses them: forms are filled in and sent."""

import re
from html import unescape

import httpx

_FORM = re.compile(r'<form method="post" action="([^"]+)">(.*?)</form>', re.DOTALL)
_HIDDEN = re.compile(r'type="hidden" name="([^"]+)" value="([^"]*)"')


async def press(
    http: httpx.AsyncClient, page: httpx.Response, action: str, **fields: object
) -> httpx.Response:
    """Send the page's first form whose target is matched, with all that it carries and these."""
    for target, inside in _FORM.findall(page.text):
        if re.fullmatch(action, unescape(target)):
            carried = {unescape(n): unescape(v) for n, v in _HIDDEN.findall(inside)}
            return await http.post(page.url.join(unescape(target)), data=carried | fields)
    raise AssertionError(f"no form of {page.url.path} leads to {action}")
