"""Spans for OpenTelemetry, exported only where a collector is configured; the trace context always.

A batch has many origins, so its span *links* to each of them instead of being the child of one
(decision 0015). Without a collector nothing is recorded: a span costs one comparison, and facts
carry on the trace context of what caused them.
"""

import asyncio
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
)

# Above the records of a batch and the rows of a page: a link that is cut is a lost story.
LINKS_MAX = 1_024
SENDING_DEADLINE_SECONDS = 2.0
CLOSING_DEADLINE_SECONDS = 3.0
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_NOTHING: AbstractContextManager[None] = nullcontext()

Kind = Literal["internal", "server", "client", "consumer", "producer"]

_tracer: Tracer | None = None
_shutdown: Callable[[], None] | None = None


def export_to(endpoint: str, service: str, instance_id: str) -> None:
    """Send spans to the OTLP collector at `endpoint` (http://host:4318) from now on.

    A thread of its own sends them; what a collector that is away does not take is dropped.
    """
    # Imported only where it is used: a service without a collector needs none of it.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import SpanLimits, TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    global _tracer, _shutdown
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "service.instance.id": instance_id}),
        span_limits=SpanLimits(max_links=LINKS_MAX),
        shutdown_on_exit=False,
    )
    address = f"{endpoint.rstrip('/')}/v1/traces"
    exporter = OTLPSpanExporter(endpoint=address, timeout=SENDING_DEADLINE_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    _tracer, _shutdown = provider.get_tracer("servicekit"), provider.shutdown


async def close() -> None:
    """Send what is left, for at most a moment: an absent collector keeps no process alive."""
    global _tracer, _shutdown
    shutdown, _tracer, _shutdown = _shutdown, None, None
    if shutdown is None:
        return
    # The SDK joins its thread for up to 30 s; nobody waits for a thread that dies with us.
    closing = threading.Thread(target=shutdown, daemon=True)
    closing.start()
    try:
        async with asyncio.timeout(CLOSING_DEADLINE_SECONDS):
            while closing.is_alive():
                await asyncio.sleep(0.02)
    except TimeoutError:
        pass  # Spans may be lost, nothing else.


def span(
    name: str,
    kind: Kind = "internal",
    *,
    parent: str | None = None,
    links: Iterable[str | None] | None = None,
    **attributes: str | int,
) -> AbstractContextManager[None]:
    """Record what happens inside.

    `parent` and `links` are traceparents; a span with links begins a trace of its own, any other
    one is the child of `parent` or of the span around it.
    """
    if _tracer is None:
        return _NOTHING
    return _recorded(_tracer, name, kind, parent, links, attributes)


def inner_span(name: str) -> AbstractContextManager[None]:
    """Record what happens inside, if it is part of something that is recorded."""
    return _NOTHING if current_traceparent() is None else span(name)


@contextmanager
def _recorded(
    tracer: Tracer,
    name: str,
    kind: Kind,
    parent: str | None,
    links: Iterable[str | None] | None,
    attributes: dict[str, str | int],
) -> Iterator[None]:
    # What one transaction made carries one context: a batch of it needs one link.
    origins = [_context(origin) for origin in dict.fromkeys(links or ())]
    with tracer.start_as_current_span(
        name,
        context=_beginning(parent, linked=links is not None),
        kind=SpanKind[kind.upper()],
        links=[Link(origin) for origin in origins if origin is not None],
        attributes=attributes,
        # The words of an exception may hold addresses and ids; its type says enough here.
        record_exception=False,
        set_status_on_exception=False,
    ) as recorded:
        try:
            yield
        except BaseException as error:
            recorded.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def _beginning(parent: str | None, *, linked: bool) -> Context | None:
    origin = _context(parent)
    if origin is not None:
        return trace.set_span_in_context(NonRecordingSpan(origin), Context())
    return Context() if linked else None


def current_traceparent() -> str | None:
    """Return the context of the span that is recorded now, None if there is none."""
    if _tracer is None:
        return None
    found = trace.get_current_span().get_span_context()
    if not found.is_valid:
        return None
    return f"00-{found.trace_id:032x}-{found.span_id:016x}-{found.trace_flags:02x}"


def new_traceparent() -> str:
    """Begin a trace that nobody here records, so that what follows can still be put together."""
    random = secrets.token_hex(24)
    return f"00-{random[:32]}-{random[32:]}-00"


def trace_id_of(traceparent: str | None) -> str | None:
    """Return the trace's id, None for a context that cannot be read."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    return match[1] if match else None


def _context(traceparent: str | None) -> SpanContext | None:
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return None
    found = SpanContext(
        int(match[1], 16),
        int(match[2], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(match[3], 16)),
    )
    return found if found.is_valid else None
