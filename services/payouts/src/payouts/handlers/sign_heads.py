"""Signing the heads of all chains once a day, and proving what was signed."""

import secrets
from dataclasses import dataclass, field, replace
from datetime import datetime

from payouts.domain.head_signing import (
    HEADS_PER_PAGE,
    STALE,
    DaySigned,
    Head,
    draft,
    follows,
    is_due,
    page_hash,
)
from payouts.ports.head_signing import HeadKeys, HeadSignatures
from payouts.ports.queries import Queries

PAGE = 500


async def sign_heads(
    queries: Queries, store: HeadSignatures, keys: HeadKeys, now: datetime
) -> DaySigned | None:
    """Sign what moved since the last signature; None where the day has one, whoever made it."""
    last = await store.last()
    if not is_due(last, now):
        return None
    set_id, pages = secrets.token_hex(8), await _moved(queries, store)
    day = draft(last, pages, keys.current, set_id, now)
    signed = replace(day, signature=keys.sign(bytes.fromhex(day.digest)))
    return signed if await store.keep(signed, pages) else None


async def _moved(queries: Queries, store: HeadSignatures) -> list[list[Head]]:
    moved: list[Head] = []
    after = ""
    while books := await queries.books(after, PAGE):
        heads = [Head(b.campaign_id, b.head.block, b.head.hash) for b in books if b.head.block]
        known = await store.signed([one.campaign_id for one in heads])
        moved += [one for one in heads if known.get(one.campaign_id) != one]
        after = books[-1].campaign_id
    return [moved[i : i + HEADS_PER_PAGE] for i in range(0, len(moved), HEADS_PER_PAGE)]


@dataclass(slots=True)
class Signed:
    """Every head that was ever signed, with its day, and what is wrong with the signatures."""

    heads: dict[str, list[tuple[str, Head]]] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


async def read_signed(store: HeadSignatures, keys: HeadKeys, now: datetime) -> Signed:
    """Read all signatures in the order of their days, and check each and their chain."""
    signed, before = Signed(), None
    after = ""
    while days := await store.days(after, PAGE):
        for day in days:
            for problem in (follows(before, day), _signature_problem(day, keys)):
                if problem:
                    signed.findings.append(f"{day.date}: {problem}")
            await _read_pages(store, day, signed)
            before = day
        after = days[-1].date
    if before is None or now - before.signed_at > STALE:
        last = f"the last one is of {before.date}" if before else "there is none"
        signed.findings.append(f"no signature for two days: {last}")
    return signed


def _signature_problem(day: DaySigned, keys: HeadKeys) -> str | None:
    verdict = keys.verifies(day.key_id, bytes.fromhex(day.digest), day.signature)
    if verdict is None:
        return f"signed by key {day.key_id}, which is not among ours"
    return None if verdict else "the signature is not of this document"


async def _read_pages(store: HeadSignatures, day: DaySigned, signed: Signed) -> None:
    for place, expected in enumerate(day.pages):
        heads = await store.page(day, place)
        if heads is None or page_hash(heads) != expected:
            what = "is gone" if heads is None else "is not what was signed"
            signed.findings.append(f"{day.date}: page {place} of its heads {what}")
            continue
        for head in heads:
            signed.heads.setdefault(head.campaign_id, []).append((day.date, head))
