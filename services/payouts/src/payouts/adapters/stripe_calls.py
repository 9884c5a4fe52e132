"""Calls to Stripe by its own library: carried by aiohttp, sorted into what the port promises."""

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
import stripe
import structlog

from payouts.adapters.stripe_objects import FINAL_REASONS, Body
from payouts.metrics import PROVIDER_DURATION, PROVIDER_REQUESTS
from payouts.ports.provider import Declined, NoAnswer, NotThere, Throttled
from servicekit import traces
from servicekit.pace import Pace

log = structlog.get_logger()

PAGE = 100
FIRST_STEP_SECONDS = 60
RETRY_AFTER_SECONDS = 1.0
# Our key is refused, not the work: a person must give another one, and nothing is lost till then.
KEY_REFUSED_SECONDS = 30.0
# What concerns all calls of the account, and how long it rests where the answer does not say.
_REST = {429: RETRY_AFTER_SECONDS, 401: KEY_REFUSED_SECONDS}
UNKNOWN_ACCOUNT = "account_invalid"
_WITHOUT_FUNDS = frozenset({"balance_insufficient", "insufficient_funds"})

Call = Callable[[Any, stripe.RequestOptions], Awaitable[Any]]

# What is ours stays ours: nobody is told which machine this is, nor how long calls took.
stripe.enable_telemetry = False


class AiohttpTransport(stripe.HTTPClient):
    """Carries the library's calls; its own takes proxies from wherever and has no deadline.

    The whole call has a time-out, also one that drips, and the domain counts on it (`money.md` 6):
    aiohttp's own would be rounded up. Each call is counted for the pace of the account, which rests
    as long as any answer asks for.
    """

    name = "aiohttp"

    def __init__(self, timeout_seconds: float, pace: Pace) -> None:
        super().__init__()
        self._timeout_seconds = timeout_seconds
        self._pace = pace
        self._session: aiohttp.ClientSession | None = None

    async def request_async(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        if method == "get" and not self._pace.may_ask():
            raise _lost("the account rests, and this can wait")
        self._pace.spend()
        try:
            async with (
                asyncio.timeout(self._timeout_seconds),
                self._http.request(
                    method, url, headers=headers, data=post_data, allow_redirects=False
                ) as answer,
            ):
                content = await answer.read()
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _lost(repr(error)) from error
        if answer.status in _REST:
            self._pace.pause(_retry_after(answer.headers, _REST[answer.status]))
        return content, answer.status, answer.headers

    @property
    def _http(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Not at the start: it belongs to the loop that it is made in.
            trusted = ssl.create_default_context(cafile=stripe.ca_bundle_path)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(ssl=trusted),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._session

    async def close_async(self) -> None:
        if self._session is not None:
            await self._session.close()


def _lost(why: str) -> stripe.APIConnectionError:
    return stripe.APIConnectionError(why)  # type: ignore[no-untyped-call]


async def create(
    operation: str, call: Call, parameters: Any, key: str, account: str = ""
) -> Body | Declined | Throttled | NoAnswer:
    """Ask for something under a key."""
    try:
        return await _measured(operation, call, parameters, _options(account, key))
    except stripe.StripeError as error:
        return _what_it_means(operation, error)


async def read(
    operation: str, call: Callable[..., Awaitable[Any]], *arguments: Any, account: str = ""
) -> Body | NotThere | NoAnswer:
    """Read an object or a page as it was sent; `arguments` are what the library takes first."""

    async def reading(parameters: Any, options: stripe.RequestOptions) -> Any:
        return await call(*arguments, parameters, options)

    try:
        return await _measured(operation, reading, {}, _options(account))
    except stripe.StripeError as error:
        gone = error.http_status == 404 or _code_of(error) == UNKNOWN_ACCOUNT
        return NotThere() if gone else NoAnswer()


async def read_page(
    operation: str, call: Call, parameters: Mapping[str, Any], account: str = ""
) -> Body | NoAnswer:
    """Read one page of a list."""
    try:
        page = {**parameters, "limit": PAGE}
        return await _measured(operation, call, page, _options(account))
    except stripe.StripeError:
        return NoAnswer()


async def find_all(
    operation: str,
    call: Call,
    parameters: Mapping[str, Any],
    metadata: Mapping[str, str],
    account: str = "",
) -> list[Body] | NoAnswer:
    """Walk the whole list for the objects whose metadata says this."""
    wanted = dict(parameters)
    found: list[Body] = []
    while True:
        page = await read_page(operation, call, wanted, account)
        if isinstance(page, NoAnswer):
            return page
        found += [one for one in page["data"] if _says(one, metadata)]
        if not page["has_more"]:
            return found
        wanted["starting_after"] = page["data"][-1]["id"]


async def oldest_page(operation: str, call: Call, account: str = "") -> Body | NoAnswer:
    """Read the page from which `ending_before` goes on to everything; lists begin at the newest.

    Ever longer steps back, then halving what is left, find it in a few calls where the list is
    young and in some forty where it is years old.
    """
    page = await read_page(operation, call, {}, account)
    if isinstance(page, NoAnswer) or not page["has_more"]:
        return page
    nothing_before, something_at = 0, int(page["data"][-1]["created"])
    step = FIRST_STEP_SECONDS
    while nothing_before < something_at:
        back = something_at - step
        halfway = (nothing_before + something_at) // 2
        until = max(halfway, back)
        page = await read_page(operation, call, {"created": {"lte": until}}, account)
        if isinstance(page, NoAnswer):
            return page
        if not page["data"]:
            nothing_before = until + 1
        elif page["has_more"]:
            something_at, step = int(page["data"][-1]["created"]), step * 2
        else:
            return page
    return await _last_page(operation, call, {"created": {"lte": something_at}}, account)


async def _last_page(
    operation: str, call: Call, parameters: Mapping[str, Any], account: str
) -> Body | NoAnswer:
    """Walk a list to its end: more than a page may be of one second."""
    page = await read_page(operation, call, parameters, account)
    while not isinstance(page, NoAnswer) and page["has_more"]:
        after = {"starting_after": page["data"][-1]["id"]}
        page = await read_page(operation, call, {**parameters, **after}, account)
    return page


def _says(body: Body, metadata: Mapping[str, str]) -> bool:
    return metadata.items() <= (body.get("metadata") or {}).items()


def _options(account: str, key: str | None = None) -> stripe.RequestOptions:
    options: stripe.RequestOptions = {}
    if account:
        options["stripe_account"] = account
    if key is not None:
        options["idempotency_key"] = key
    return options


async def _measured(
    operation: str, call: Call, parameters: Any, options: stripe.RequestOptions
) -> Body:
    began, status = time.monotonic(), 0
    try:
        # What is ours stays ours: the provider is told neither trace nor story.
        with traces.span(f"provider {operation}", "client"):
            answer = (await call(parameters, options)).last_response
        status = answer.code
        body: Body = answer.data
        return body
    except stripe.StripeError as error:
        status = _status_of(error)
        log.warning(
            "the provider refuses" if status else "no answer of the provider",
            operation=operation,
            error=repr(error),
        )
        raise
    finally:
        PROVIDER_DURATION.labels(operation).observe(time.monotonic() - began)
        PROVIDER_REQUESTS.labels(operation, _outcome(status)).inc()


def _what_it_means(operation: str, error: stripe.StripeError) -> Declined | Throttled | NoAnswer:
    """Sort the answer to a call with an effect: was it done, and is its key still good."""
    status, code = _status_of(error), _code_of(error)
    if not status or status > 500:
        return NoAnswer()
    if status == 500:
        return NoAnswer(key_spent=True)
    if status == 429 or code == "idempotency_key_in_use":
        return Throttled(_retry_after(error.headers or {}, RETRY_AFTER_SECONDS))
    if _type_of(error) == "idempotency_error":
        # The key was for another body, which may have been done: only a look-up tells.
        log.error("the key was used for something else", operation=operation, error=str(error))
        return NoAnswer(key_spent=True)
    if status in (401, 403) and code != UNKNOWN_ACCOUNT:
        log.error("the provider refuses our key", operation=operation, error=str(error))
        return Throttled(KEY_REFUSED_SECONDS)
    return Declined(code, code not in FINAL_REASONS, code in _WITHOUT_FUNDS)


def _error_of(error: stripe.StripeError) -> Mapping[str, Any]:
    said = error.json_body
    inside = said.get("error") if isinstance(said, dict) else None
    return inside if isinstance(inside, dict) else {}


def _status_of(error: stripe.StripeError) -> int:
    """Return 0 where something else answered in the provider's place, or nobody did."""
    return (error.http_status or 0) if _error_of(error) else 0


def _type_of(error: stripe.StripeError) -> str:
    return str(_error_of(error).get("type"))


def _code_of(error: stripe.StripeError) -> str:
    # Not `error.code`: for some classes of error the library leaves it out.
    said = _error_of(error)
    return str(said.get("code") or said.get("type") or error.http_status)


def _retry_after(headers: Mapping[str, str], otherwise: float) -> float:
    try:
        return float(headers.get("Retry-After", otherwise))
    except ValueError:
        # A date is allowed there, too; nobody was seen to send one.
        return otherwise


def _outcome(status: int) -> str:
    if not status:
        return "unknown"
    if status < 300:
        return "ok"
    if status == 429:
        return "throttled"
    return "error" if status >= 500 else "declined"
