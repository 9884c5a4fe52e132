"""What is expected, written by hand beside the rules of `domain.md` and not made from the code.

Each row has twelve answers, in the order of `callers.KINDS`: six whose token is missing or does
not count, then backer, other backer, creator, other creator, staff, service.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.access.applications import (
    APPROVAL,
    CLAIM_MONEY,
    DRAFT,
    ENDING,
    ITEM,
    LAUNCH,
    PAID_OTHERWISE,
    PAYMENT,
    REFUND_REQUEST,
    REPORT,
    signature,
    webhook,
)
from tests.access.callers import KINDS

NO_TOKEN = "401 401 401 401 401 401"
PUBLIC = "200 401 401 401 401 401   200 200 200 200 200 200"
OWN_CAMPAIGN = f"{NO_TOKEN}   403 403 200 404 403 403"
OWN_CAMPAIGN_OR_STAFF = f"{NO_TOKEN}   403 403 200 404 200 403"
OWN_OBJECT = f"{NO_TOKEN}   200 404 200 404 200 403"
OWN_INBOX = f"{NO_TOKEN}   200 404 404 404 404 404"
STAFF_ONLY = f"{NO_TOKEN}   403 403 403 403 200 403"
SERVICES_ONLY = f"{NO_TOKEN}   403 403 403 403 403 200"


@dataclass(frozen=True)
class Row:
    """One route, asked for one object, and what each kind of caller is told.

    `path` says in each brace which of the application's ids stands there, where that is not the
    id that the route names. A route that makes or moves something names the natural key under
    which a repeat is the same; `other` is a body that says something else under that key, and
    what it is told.
    """

    service: str
    method: str
    route: str
    answers: str
    path: str = ""
    body: Any = None
    signed: bool = False
    what: str = ""
    natural_key: str = ""
    other: tuple[Any, int] | None = None

    @property
    def expected(self) -> dict[str, int]:
        """Return the answer by kind of caller."""
        return dict(zip(KINDS, map(int, self.answers.split()), strict=True))

    @property
    def name(self) -> str:
        of = f" ({self.what})" if self.what else ""
        return f"{self.service} {self.method} {self.route}{of}"

    def address(self, ids: Mapping[str, str]) -> str:
        return (self.path or self.route).format(**ids)


ROWS = (
    Row(
        "funding",
        "PUT",
        "/campaigns/{campaign_id}",
        f"{NO_TOKEN}   403 403 201 403 201 201",
        path="/campaigns/{new}",
        body=LAUNCH,
        natural_key="the campaign's id",
        other=(LAUNCH | {"title": "Another lamp"}, 409),
    ),
    Row("funding", "GET", "/campaigns", PUBLIC),
    Row("funding", "GET", "/campaigns/{campaign_id}", PUBLIC),
    Row(
        "funding",
        "POST",
        "/campaigns/{campaign_id}/payments",
        SERVICES_ONLY,
        body=PAYMENT,
        natural_key="provider, payment reference, status",
        other=(PAYMENT | {"money": {"amount": 601, "currency": "EUR"}}, 409),
    ),
    Row(
        "funding",
        "POST",
        "/campaigns/{campaign_id}/pledges/{pledge_id}/withdrawal",
        f"{NO_TOKEN}   200 404 403 403 403 403",
        natural_key="the pledge's id",
    ),
    Row(
        "funding",
        "POST",
        "/campaigns/{campaign_id}/cancellation",
        OWN_CAMPAIGN_OR_STAFF,
        body={"reason": "It is over."},
        natural_key="the campaign's id",
        other=({"reason": "Something else."}, 409),
    ),
    Row(
        "funding",
        "POST",
        "/campaigns/{campaign_id}/pledges/import",
        f"{NO_TOKEN}   403 403 403 403 200 200",
        body={"csv": REPORT},
        natural_key="provider, payment reference, status of each row",
    ),
    Row("funding", "GET", "/campaigns/{campaign_id}/pledges", OWN_CAMPAIGN_OR_STAFF),
    Row("funding", "GET", "/campaigns/{campaign_id}/pledges/{pledge_id}", OWN_OBJECT),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/destination",
        OWN_CAMPAIGN,
        body={"provider": "sandbox", "account": "acct_1"},
        natural_key="the campaign's id; other content is the next version",
        other=({"provider": "sandbox", "account": "acct_2"}, 200),
    ),
    Row("payouts", "GET", "/campaigns/{campaign_id}/destination", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/campaigns/{campaign_id}/money", PUBLIC),
    Row("payouts", "GET", "/campaigns/{campaign_id}/refunds", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/campaigns/{campaign_id}/refunds/{refund_id}", OWN_OBJECT),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/refunds/{request_id}",
        STAFF_ONLY,
        path="/campaigns/{approvable}/refunds/{request_id}",
        body=REFUND_REQUEST,
        natural_key="campaign and the request's id",
        other=(REFUND_REQUEST | {"amount": 701}, 409),
    ),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/refunds/{refund_id}/approval",
        STAFF_ONLY,
        path="/campaigns/{approvable}/refunds/{asked}/approval",
        body={"amount": 500, "currency": "EUR"},
        natural_key="the refund's id and who approves",
        other=({"amount": 501, "currency": "EUR"}, 409),
    ),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/refunds/{refund_id}/rejection",
        STAFF_ONLY,
        path="/campaigns/{approvable}/refunds/{asked}/rejection",
        body={"reason": "the lamp was fine"},
        natural_key="the refund's id and who rejects; the first reason stays",
        other=({"reason": "another reason"}, 200),
    ),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/refunds/{refund_id}/cancellation",
        STAFF_ONLY,
        path="/campaigns/{approvable}/refunds/{asked}/cancellation",
        body={"reason": "a slip"},
        natural_key="the refund's id and who cancels; the first reason stays",
        other=({"reason": "another reason"}, 200),
    ),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/refunds/{refund_id}/retry",
        f"{NO_TOKEN}   200 404 403 403 200 403",
        path="/campaigns/campaign-claimable/refunds/{claimable}/retry",
        body={"after_attempt": 3},
        natural_key="the refund's id and the last attempt that was seen",
        other=({"after_attempt": 4}, 409),
    ),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/refunds/{refund_id}/other-means",
        STAFF_ONLY,
        path="/campaigns/campaign-claimable/refunds/{claimable}/other-means",
        body=PAID_OTHERWISE,
        natural_key="the refund's id, who says it, and the proof; one's own word can be mended",
        other=(PAID_OTHERWISE | {"proof": "b" * 64}, 200),
    ),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/refunds/{refund_id}/other-means/denial",
        f"{NO_TOKEN}   403 403 403 403 409 403",
        path="/campaigns/campaign-claimable/refunds/{claimable}/other-means/denial",
        body={"reason": "a slip"},
        natural_key="the refund's id and who denies",
    ),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/claims/{claim_id}/money",
        STAFF_ONLY,
        path="/campaigns/{approvable}/claims/{claim_id}/money",
        body=CLAIM_MONEY,
        natural_key="campaign and claim, also of the claim's own fact",
        other=(CLAIM_MONEY | {"amount": 301}, 409),
    ),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/refunds/{refund_id}/claim-links/{number}",
        f"{NO_TOKEN}   200 404 403 403 200 403",
        path="/campaigns/campaign-claimable/refunds/{claimable}/claim-links/2",
        natural_key="the refund's id and the link's number",
    ),
    Row(
        "payouts",
        "GET",
        "/claims",
        "200 200 200 200 200 200   200 200 200 200 200 200",
        path="/claims?link={link}",
        what="a personal link that counts",
    ),
    Row(
        "payouts",
        "POST",
        "/claims",
        "303 303 303 303 303 303   303 303 303 303 303 303",
        path="/claims?link={link}",
        body=b"wish=other",
        what="a personal link that counts",
        natural_key="the refund's id and the choice; trying again also by the last attempt seen",
    ),
    Row("payouts", "GET", "/ledger/unclaimed", STAFF_ONLY),
    Row("payouts", "GET", "/queues/{name}", STAFF_ONLY, path="/queues/claimable"),
    Row(
        "payouts",
        "POST",
        "/refunds/approvals",
        STAFF_ONLY,
        body={"items": [ITEM | {"amount": 500, "currency": "EUR"}]},
        natural_key="each refund's id and who approves; a result for each",
    ),
    Row(
        "payouts",
        "POST",
        "/refunds/retries",
        STAFF_ONLY,
        body={"items": [ITEM | {"after_attempt": 3}]},
        natural_key="each refund's id and the last attempt that was seen; a result for each",
    ),
    Row("payouts", "GET", "/campaigns/{campaign_id}/refunds/{refund_id}/acts", STAFF_ONLY),
    Row("payouts", "GET", "/campaigns/{campaign_id}/stages", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/campaigns/{campaign_id}/simulation", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/campaigns/{campaign_id}/blocks", PUBLIC),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/stages/{stage}/evidence",
        f"{NO_TOKEN}   403 403 200 404 403 403",
        path="/campaigns/{paid}/stages/3/evidence",
        body={"evidence": "a" * 64},
        natural_key="campaign and stage; other evidence is the next revision",
        other=({"evidence": "b" * 64}, 200),
    ),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/stages/{stage}/milestone",
        STAFF_ONLY,
        path="/campaigns/{paid}/stages/2/milestone",
        body={"revision": 1, "decision": "approve"},
        natural_key="campaign, stage and revision of the evidence",
        other=({"revision": 1, "decision": "reject", "reason": "another product"}, 409),
    ),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/stages/{stage}/approvals",
        STAFF_ONLY,
        path="/campaigns/{approvable}/stages/2/approvals",
        body=APPROVAL,
        natural_key="campaign, stage, who approves, and what is signed",
        other=(APPROVAL | {"amount": 1}, 409),
    ),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/holds/{hold_id}",
        STAFF_ONLY,
        body={"reason": "a question"},
        natural_key="campaign and the hold's id",
        other=({"reason": "another question"}, 409),
    ),
    Row(
        "payouts",
        "DELETE",
        "/campaigns/{campaign_id}/holds/{hold_id}",
        STAFF_ONLY,
        path="/campaigns/{campaign_id}/holds/{placed}",
        natural_key="campaign and the hold's id",
    ),
    Row("payouts", "GET", "/ledger/periods", STAFF_ONLY),
    Row(
        "payouts",
        "POST",
        "/ledger/periods/{month}/closings",
        STAFF_ONLY,
        path="/ledger/periods/2026-01/closings",
        natural_key="the month and who says it; another person's word of the same balance ends it",
    ),
    Row(
        "payouts",
        "GET",
        "/ledger/fec",
        STAFF_ONLY,
        path="/ledger/fec?ending=2025-12-31",
    ),
    Row(
        "payouts",
        "GET",
        "/ledger/trial-balance",
        STAFF_ONLY,
        path="/ledger/trial-balance?as_of=2026-03-01",
    ),
    Row("payouts", "GET", "/ledger/signatures", PUBLIC),
    Row("payouts", "GET", "/ledger/signatures/{day}/heads/{place}", PUBLIC),
    Row("payouts", "GET", "/holdings", STAFF_ONLY),
    Row(
        "payouts",
        "PUT",
        "/campaigns/{campaign_id}/fee-waivers/{waiver_id}",
        STAFF_ONLY,
        path="/campaigns/{approvable}/fee-waivers/waiver-1",
        body={"amount": 10, "reason": "a late payout"},
        natural_key="campaign, waiver, and who says it; a second person's same word gives it",
        other=({"amount": 11, "reason": "a late payout"}, 409),
    ),
    Row("payouts", "GET", "/campaigns/{campaign_id}/fee-waivers", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/reconciliation/breaks", STAFF_ONLY),
    Row(
        "payouts",
        "POST",
        "/reconciliation/breaks/{break_id}/resolution",
        STAFF_ONLY,
        body={"verdict": "let_be", "reason": "a fee of the scheme"},
        natural_key="the break, who says it, and what; a second person's same word ends it",
        other=({"verdict": "assign", "campaign_id": "campaign-2", "reason": "its fee"}, 200),
    ),
    Row("payouts", "GET", "/disputes", STAFF_ONLY),
    Row("payouts", "GET", "/campaigns/{campaign_id}/disputes", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/campaigns/{campaign_id}/receivables", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/campaigns/{campaign_id}/invoices", OWN_CAMPAIGN_OR_STAFF),
    Row(
        "payouts",
        "GET",
        "/campaigns/{campaign_id}/stages/{stage}/statement",
        OWN_CAMPAIGN_OR_STAFF,
        path="/campaigns/{paid}/stages/1/statement",
    ),
    Row(
        "payouts",
        "GET",
        "/campaigns/{campaign_id}/stages/{stage}/statement/page",
        OWN_CAMPAIGN_OR_STAFF,
        path="/campaigns/{paid}/stages/1/statement/page",
    ),
    Row("payouts", "GET", "/campaigns/{campaign_id}/invoices/{number}", OWN_CAMPAIGN_OR_STAFF),
    Row("payouts", "GET", "/campaigns/{campaign_id}/invoices/{number}/page", OWN_CAMPAIGN_OR_STAFF),
    Row(
        "payouts",
        "POST",
        "/campaigns/{campaign_id}/receivables/{receivable_id}/endings",
        STAFF_ONLY,
        path="/campaigns/{approvable}/receivables/{receivable_id}/endings",
        body=ENDING,
        natural_key="campaign, debt, who says it, and what is said",
        other=(ENDING | {"amount": 1}, 409),
    ),
    Row(
        "payouts",
        "POST",
        "/webhooks/{provider}",
        "200 200 200 200 200 200   200 200 200 200 200 200",
        body=webhook(),
        signed=True,
        what="signed by the provider",
        natural_key="the provider's object, which is only looked at",
    ),
    Row(
        "payouts",
        "POST",
        "/webhooks/{provider}",
        f"{NO_TOKEN}   401 401 401 401 401 401",
        body=webhook(),
        what="not signed",
        natural_key="the provider's object, which is only looked at",
    ),
    Row(
        "updates",
        "PUT",
        "/campaigns/{campaign_id}/updates/{update_id}",
        OWN_CAMPAIGN,
        path="/campaigns/{campaign_id}/updates/{draft}",
        body=DRAFT,
        natural_key="campaign and the update's id; a draft is rewritten, what is published is not",
        other=(DRAFT | {"visibility": "backers"}, 200),
    ),
    Row(
        "updates",
        "GET",
        "/campaigns/{campaign_id}/updates/{update_id}/audience",
        OWN_CAMPAIGN_OR_STAFF,
        path="/campaigns/{campaign_id}/updates/{draft}/audience",
    ),
    Row(
        "updates",
        "POST",
        "/campaigns/{campaign_id}/updates/{update_id}/publish",
        OWN_CAMPAIGN,
        path="/campaigns/{campaign_id}/updates/{draft}/publish",
        natural_key="campaign and the draft's id",
    ),
    Row("updates", "GET", "/campaigns/{campaign_id}/updates", PUBLIC),
    Row(
        "updates",
        "GET",
        "/campaigns/{campaign_id}/updates/{update_id}",
        PUBLIC,
        path="/campaigns/{campaign_id}/updates/{public}",
        what="for everybody",
    ),
    Row(
        "updates",
        "GET",
        "/campaigns/{campaign_id}/updates/{update_id}",
        "404 401 401 401 401 401   200 404 200 404 200 404",
        path="/campaigns/{campaign_id}/updates/{inside}",
        what="for backers only",
    ),
    Row(
        "updates",
        "GET",
        "/campaigns/{campaign_id}/updates/{update_id}",
        "404 401 401 401 401 401   404 404 200 404 200 404",
        path="/campaigns/{campaign_id}/updates/{draft}",
        what="a draft",
    ),
    Row("updates", "GET", "/campaigns/{campaign_id}", PUBLIC),
    Row("notifier", "GET", "/people/{person_id}/inbox", OWN_INBOX),
    Row(
        "notifier",
        "PUT",
        "/people/{person_id}/inbox/read",
        OWN_INBOX,
        body={"up_to": "2026-03-01T12:00:00Z"},
        natural_key="person and instant; a watermark that only moves forward",
        other=({"up_to": "2020-01-01T00:00:00Z"}, 200),
    ),
    Row("notifier", "GET", "/campaigns/{campaign_id}/notices", OWN_CAMPAIGN_OR_STAFF),
    Row(
        "notifier",
        "GET",
        "/campaigns/{campaign_id}/notices/{kind}/{subject}",
        OWN_CAMPAIGN_OR_STAFF,
    ),
)


def signed_headers(row: Row) -> dict[str, str]:
    """Return what stands beside the caller's own headers."""
    return signature(row.body) if row.signed else {}
