"""When the certificates run out that a service was given in files (`operations.md` 2).

A connection that stands outlives its certificate, and the next one is refused: nothing would show
it before.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import structlog
from cryptography.x509 import load_pem_x509_certificates

from servicekit import metrics
from servicekit.loops import Pulse, pause
from servicekit.secret_files import first_line
from servicekit.settings import ServiceSettings

log = structlog.get_logger()

LOOK_SECONDS = 30.0
# By the option of the address of MongoDB that names the file; options are told by any letter case.
_OF_MONGODB = {"tlscafile": "mongodb_ca", "tlscertificatekeyfile": "mongodb_client"}


def certificate_files(settings: ServiceSettings) -> dict[str, Path]:
    """Return the files that hold certificates, by the credential's name in the metric."""
    files = {"kafka_ca": settings.kafka_ca_file}
    for option, value in parse_qsl(urlsplit(first_line(settings.mongodb_uri)).query):
        if name := _OF_MONGODB.get(option.lower()):
            files[name] = value
    return {name: Path(file) for name, file in files.items() if file}


def runs_out_at(file: Path) -> datetime:
    """Return when the first of a file's certificates runs out.

    Raises OSError where it cannot be read, ValueError where it holds no certificate.
    """
    found = load_pem_x509_certificates(file.read_bytes())
    return min(certificate.not_valid_after_utc for certificate in found)


class Certificates:
    """Looks at the files again and again: whoever renews one replaces its file."""

    def __init__(self, files: Mapping[str, Path], look_seconds: float = LOOK_SECONDS) -> None:
        self._files = files
        self._look_seconds = look_seconds

    async def run(self, pulse: Pulse, stopping: asyncio.Event) -> None:
        """Measure until `stopping`; a file that is no certificate keeps what it was before."""
        while not stopping.is_set():
            pulse.beat()
            self.measure()
            await pause(stopping, self._look_seconds)

    def measure(self) -> None:
        """Publish when each runs out."""
        for name, file in self._files.items():
            try:
                runs_out = runs_out_at(file)
            except (OSError, ValueError) as error:
                log.warning("certificate not read", credential=name, error=repr(error))
                continue
            metrics.CREDENTIAL_EXPIRY.labels(name).set(runs_out.timestamp())
