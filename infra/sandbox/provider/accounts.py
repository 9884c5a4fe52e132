"""The platform's account, connected accounts, and webhook endpoints."""

from __future__ import annotations

import secrets

from infra.sandbox.provider.book import PLATFORM, Body, Session
from infra.sandbox.provider.calls import Call
from infra.sandbox.provider.errors import malformed, missing_resource, no_access


def create(session: Session, call: Call) -> Body:
    parameters = call.parameters
    fields: Body = {
        "type": "custom",
        "country": parameters.optional("country") or "FR",
        "email": parameters.optional("email"),
        "default_currency": parameters.optional("default_currency") or "eur",
        "payouts_enabled": True,
        "charges_enabled": True,
        "details_submitted": True,
        "capabilities": {"transfers": "active"},
        "requirements": {"currently_due": [], "disabled_reason": None},
        "settings": {"payouts": {"schedule": {"interval": "manual"}}},
        "metadata": parameters.metadata(),
    }
    return session.new_object("acct", "account", PLATFORM, fields)


def retrieve(session: Session, call: Call) -> Body:
    identifier = call.identifier or call.account
    if identifier == PLATFORM:
        return _platform(session)
    return by_id(session, identifier)


def by_id(session: Session, identifier: str) -> Body:
    account = session.find("account", identifier)
    if account is None:
        raise no_access(identifier)
    return account


def set_payouts_enabled(
    session: Session, identifier: str, enabled: bool, disabled_reason: str | None
) -> Body:
    account = by_id(session, identifier)
    account["payouts_enabled"] = enabled
    account["requirements"]["disabled_reason"] = None if enabled else disabled_reason
    session.save(account)
    return account


def set_payout_interval(session: Session, identifier: str, interval: str) -> Body:
    account = by_id(session, identifier)
    account["settings"]["payouts"]["schedule"]["interval"] = interval
    session.save(account)
    return account


def create_endpoint(session: Session, call: Call) -> Body:
    url = call.parameters.required("url")
    if not url.startswith(("http://", "https://")):
        raise malformed("url_invalid", "Invalid URL.", "url")
    fields = {
        "url": url,
        "enabled_events": call.parameters.listed("enabled_events") or ["*"],
        "status": "enabled",
        "secret": call.parameters.optional("secret") or f"whsec_{secrets.token_hex(16)}",
        "metadata": call.parameters.metadata(),
    }
    return session.new_object("we", "webhook_endpoint", PLATFORM, fields)


def delete_endpoint(session: Session, call: Call) -> Body:
    identifier = str(call.identifier)
    if session.find("webhook_endpoint", identifier) is None:
        raise missing_resource("webhook_endpoint", identifier)
    session.connection.execute("DELETE FROM objects WHERE id = ?", (identifier,))
    session.connection.execute(
        "UPDATE deliveries SET state = 'abandoned' WHERE endpoint = ? AND state = 'waiting'",
        (identifier,),
    )
    return {"id": identifier, "object": "webhook_endpoint", "deleted": True}


def _platform(session: Session) -> Body:
    interval = session.settings["payout_interval"]
    return {
        "id": PLATFORM,
        "object": "account",
        "country": "FR",
        "default_currency": "eur",
        "payouts_enabled": True,
        "charges_enabled": True,
        "details_submitted": True,
        "settings": {"payouts": {"schedule": {"interval": interval}}},
        "metadata": {},
    }
