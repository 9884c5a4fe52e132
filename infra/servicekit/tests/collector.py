"""A collector of traces for tests: OTLP over HTTP, read by the protocol's official library."""

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True, slots=True)
class Seen:
    """One span and the service that sent it."""

    service: str
    span: Span

    def is_context_of(self, traceparent: str | None) -> bool:
        """Whether somebody who carries this context was made in this span."""
        return (traceparent or "").startswith(
            f"00-{self.span.trace_id.hex()}-{self.span.span_id.hex()}-"
        )

    @property
    def links(self) -> set[bytes]:
        """Return the ids of the spans it links to."""
        return {link.span_id for link in self.span.links}


class Collector:
    """Keeps every span that is sent to `endpoint`."""

    def __init__(self) -> None:
        self.spans: list[Seen] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"

    def by_id(self) -> dict[bytes, Seen]:
        return {seen.span.span_id: seen for seen in list(self.spans)}

    def named(self, name: str, service: str | None = None) -> list[Seen]:
        """Return the spans whose name begins so."""
        return [
            seen
            for seen in list(self.spans)
            if seen.span.name.startswith(name) and service in (None, seen.service)
        ]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                collector._take(ExportTraceServiceRequest.FromString(body))
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def _take(self, request: ExportTraceServiceRequest) -> None:
        for sent in request.resource_spans:
            names = {a.key: a.value.string_value for a in sent.resource.attributes}
            for scope in sent.scope_spans:
                self.spans += [Seen(names["service.name"], span) for span in scope.spans]
