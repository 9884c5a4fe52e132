"""Bringing reports of bounces and complaints to who sent the mail, as a mail server does."""

import asyncio
import logging

import httpx

from infra.sandbox.mail.app import Reporting

SECRET_HEADER = "X-Report-Secret"
PAUSE_SECONDS = 1.0


async def deliver(
    reporting: Reporting, report: bytes, pause_seconds: float = PAUSE_SECONDS
) -> None:
    """Post the report, again and again while nobody takes it; one that is refused is given up."""
    while reporting.to is not None:
        headers = {SECRET_HEADER: reporting.to.secret, "Content-Type": "message/rfc822"}
        try:
            async with httpx.AsyncClient(timeout=10, trust_env=False) as http:
                answer = await http.post(reporting.to.url, content=report, headers=headers)
        except httpx.HTTPError as error:
            logging.warning("a report is brought again: %r", error)
        else:
            if not answer.is_server_error:
                if answer.is_client_error:
                    logging.warning("a report was refused: %s", answer.text)
                return
        await asyncio.sleep(pause_seconds)
