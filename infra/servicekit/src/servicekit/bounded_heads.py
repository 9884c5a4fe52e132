"""Reading HTTP with httptools, which by itself keeps a head of any length."""

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# Of a whole head: the target, the names and values of all headers, four bytes around each.
HEAD_BYTES_MAX = 16 * 1024
AROUND_A_HEADER = len(b": \r\n")


class BoundedHeads(HttpToolsProtocol):
    """Refuses a head above `HEAD_BYTES_MAX` with 400 and closes; nobody has shown a token yet.

    Trailers are no headers: they are counted with the head, and nobody sees them. Until now they
    were added to a request that was being answered.
    """

    _head_bytes = 0
    _head_complete = False
    # What was fed since the parser told anything: a part of a name or value that it gathers.
    _untold_bytes = 0
    _told = False

    def data_received(self, data: bytes) -> None:
        self._told = False
        super().data_received(data)
        self._untold_bytes = 0 if self._told else self._untold_bytes + len(data)
        if self._untold_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            self.send_400_response("Too much for one header.")

    def on_message_begin(self) -> None:
        self._told = True
        self._head_bytes = 0
        self._head_complete = False
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + AROUND_A_HEADER)
        if not self._head_complete:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._told = True
        self._head_complete = True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._told = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._told = True
        super().on_message_complete()

    def _count(self, size: int) -> None:
        self._told = True
        self._head_bytes += size
        if self._head_bytes > HEAD_BYTES_MAX:
            # The parser ends, and uvicorn answers 400 and closes.
            raise httptools.HttpParserError("a head above the limit")
