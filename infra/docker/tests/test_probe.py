"""The image's health check against something that answers, refuses, or is not there."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from infra.docker import probe


class Answering(BaseHTTPRequestHandler):
    """Answers `/livez` with the server's `status`, anything else with 404."""

    def do_GET(self) -> None:
        self.send_response(self.server.status if self.path == "/livez" else 404)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:
        pass


@pytest.fixture
def health_port() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.status = 200
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_living_service_is_healthy(health_port: HTTPServer) -> None:
    """200 on `/livez` is 0, whatever proxy the environment names."""
    environment = {"FUNDING_HEALTH_PORT": str(health_port.server_port)}
    assert probe.main(environment) == 0


def test_a_stuck_service_is_not(
    health_port: HTTPServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """503 on `/livez` is 1, and the engine's log has the answer."""
    health_port.status = 503
    assert probe.main({"FUNDING_HEALTH_PORT": str(health_port.server_port)}) == 1
    assert "503" in capsys.readouterr().out


def test_nobody_there_is_not(health_port: HTTPServer) -> None:
    """A port on which nobody listens is 1."""
    free = HTTPServer(("127.0.0.1", 0), Answering)
    free.server_close()
    assert probe.main({"FUNDING_HEALTH_PORT": str(free.server_port)}) == 1


@pytest.mark.parametrize("environment", [{}, {"A_HEALTH_PORT": "1", "B_HEALTH_PORT": "2"}])
def test_an_environment_that_names_not_one_port_is_refused(environment: dict[str, str]) -> None:
    """No port and two ports are 1: the probe never guesses."""
    assert probe.main(environment) == 1
