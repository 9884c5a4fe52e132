"""Pages that a personal link opens: one's own pledge, and the few acts that harm nobody.

Every page is the answer to a form that carries the link's token (RFC 6750, section 2.2): it stands
in no address, no cookie holds it, and what another site can make a browser send lacks it. Campaign
and person are those of the token; no path and no field names another.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

from fastapi import FastAPI, Request, Response

from servicekit.access import Guard
from servicekit.clock import Clock
from servicekit.descriptions import PAGES
from servicekit.errors import DuplicateKey
from servicekit.link_tokens import LinkAct, LinkTokenVerifier
from servicekit.pages import Page
from servicekit.problems import Problem
from servicekit.units import UnitsOfWork
from updates.domain.claim import Claim, Moved, Side
from updates.domain.claim_reason import Reason
from updates.domain.claim_turns import Moment, Said, accept, escalate, write
from updates.domain.errors import Refused
from updates.domain.tracking import TrackingTerms
from updates.handlers.claims import ClaimDesk, Opening, move_claim, open_of_backer
from updates.handlers.own_pledge import AskedSurvey, OwnPledge, own_pledge
from updates.handlers.surveys import answer_survey
from updates.handlers.tracking import receive_reward, undo_receipt
from updates.http.mine_pages import Asking, Shown, closed_page, own_page, survey_page
from updates.http.mine_survey import ballot_from, values_from_fields
from updates.http.page_names import PageNames
from updates.http.paths import ClaimId, EntryId, RewardId, SurveyId
from updates.http.refusals import problem_of
from updates.http.visits import Visit, language_of_visit, read_fields, visit_of
from updates.ports.claims import ClaimQueries
from updates.ports.surveys import SurveyQueries
from updates.ports.tracking import TrackingPlace
from updates.ports.unit import UpdatesUnit

PATH = "/mine"
# What a backer says of a reward at (campaign, reward, backer).
Receipt = Callable[[UpdatesUnit, TrackingPlace, datetime, TrackingTerms], Awaitable[object]]
# As many of one person, or of one campaign, as a page shows.
SHOWN_MAX = 200


def add_mine_routes(
    api: FastAPI,
    guard: Guard,
    units: UnitsOfWork[UpdatesUnit],
    claims: ClaimQueries,
    surveys: SurveyQueries,
    desk: ClaimDesk,
    tracking: TrackingTerms,
    links: LinkTokenVerifier,
    clock: Clock,
    after_failure: timedelta,
) -> None:
    """Add them."""
    names = PageNames()

    def page_route(path: str, act: LinkAct) -> Callable[..., object]:
        rule = guard.proven_by(f"token of a personal link, to {act}")
        return api.post(path, dependencies=[rule], response_class=Page, responses=PAGES)

    async def known(visit: Visit) -> OwnPledge:
        about, person = visit.holder.about, visit.holder.person_id
        found = await surveys.surveys(about, "", SHOWN_MAX, drafts=False)
        return await units.run(lambda unit: own_pledge(unit, about, person, found, clock.now()))

    async def shown(visit: Visit, note: str = "", status: int = 200) -> Response:
        holder = visit.holder
        own = await known(visit)
        mine = await claims.claims(holder.about, holder.person_id, "", SHOWN_MAX)
        return own_page(visit, Shown(own, mine, note, status), names)

    async def visited(
        request: Request, act: LinkAct, answer: Callable[[Visit], Awaitable[Response]]
    ) -> Response:
        """Answer whoever may do this; say in a page what is refused, and keep what they wrote."""
        fields = await read_fields(request)
        try:
            visit = await visit_of(request, links, act, fields)
        except Problem as refusal:
            language = language_of_visit(request, fields)
            # Only to who had a link of ours: else any site could have its words on our page.
            kept = fields.one("text") if refusal.name == "token-expired" else ""
            return closed_page(language, "closed", refusal.status, kept)
        try:
            return await answer(visit)
        except Refused as refusal:
            status = problem_of(refusal).status
            if refusal.reason == "pledge-unknown":
                return closed_page(visit.language, "stranger", status, "")
            return await shown(visit, refusal.reason, status)

    async def asked(visit: Visit, survey_id: str) -> AskedSurvey:
        for one in (await known(visit)).surveys:
            if one.survey.survey_id == survey_id:
                return one
        raise Refused("survey-unknown", "no such survey takes your answer now")

    async def claim_moved(
        visit: Visit, claim_id: str, act: Callable[[Claim, Moment], Moved]
    ) -> None:
        holder = visit.holder
        claim = await claims.claim(holder.about, claim_id)
        if claim is None or claim.subject.backer_id != holder.person_id:
            raise Refused("claim-unknown", "you have no such claim")
        now = clock.now()
        await units.run(lambda unit: move_claim(unit, desk, holder.about, claim_id, act, now))

    async def of_receipt(request: Request, reward_id: str, said: Receipt, note: str) -> Response:
        async def say(visit: Visit) -> Response:
            place = (visit.holder.about, reward_id, visit.holder.person_id)
            now = clock.now()
            await units.run(lambda unit: said(unit, place, now, tracking))
            return await shown(visit, note)

        return await visited(request, LinkAct.CONFIRM, say)

    @page_route(PATH, LinkAct.READ)
    async def show_own_pledge(request: Request) -> Response:
        """Show one's own pledge, what became of it, and what can be done."""
        return await visited(request, LinkAct.READ, shown)

    @page_route(f"{PATH}/receipts/{{reward_id}}", LinkAct.CONFIRM)
    async def confirm_own_receipt(request: Request, reward_id: RewardId) -> Response:
        """Say that the reward came; said again it is the same."""

        return await of_receipt(request, reward_id, receive_reward, "confirmed")

    @page_route(f"{PATH}/receipts/{{reward_id}}/undoing", LinkAct.CONFIRM)
    async def undo_own_receipt(request: Request, reward_id: RewardId) -> Response:
        """Take back that it came, for a while."""

        return await of_receipt(request, reward_id, undo_receipt, "undone")

    @page_route(f"{PATH}/surveys/{{survey_id}}", LinkAct.ANSWER)
    async def show_own_survey(request: Request, survey_id: SurveyId) -> Response:
        """Show the questions of a survey, to be answered."""

        async def ask(visit: Visit) -> Response:
            return survey_page(visit, Asking(await asked(visit, survey_id)), names)

        return await visited(request, LinkAct.ANSWER, ask)

    @page_route(f"{PATH}/surveys/{{survey_id}}/answer", LinkAct.ANSWER)
    async def answer_own_survey(request: Request, survey_id: SurveyId) -> Response:
        """Answer, or change one's answer; what does not answer its questions is asked again."""

        async def answer(visit: Visit) -> Response:
            one = await asked(visit, survey_id)
            try:
                ballot = ballot_from(one.survey, visit.fields)
                values = values_from_fields(one.survey, visit.fields)
                await units.run(
                    lambda unit: answer_survey(
                        unit,
                        visit.holder.about,
                        survey_id,
                        visit.holder.person_id,
                        ballot,
                        values,
                        clock.now(),
                        after_failure,
                    )
                )
            except Refused as refusal:
                asking = Asking(one, refusal.reason, problem_of(refusal).status)
                return survey_page(visit, asking, names)
            answered = replace(one, answered=True)
            return survey_page(visit, Asking(answered, "answered", ballot=ballot or ""), names)

        return await visited(request, LinkAct.ANSWER, answer)

    @page_route(f"{PATH}/claims/{{claim_id}}", LinkAct.CLAIM)
    async def open_own_claim(request: Request, claim_id: ClaimId) -> Response:
        """Open a claim about one's own pledge; the same form again is the same claim."""

        async def open_it(visit: Visit) -> Response:
            opening = _opening(claim_id, visit)
            opened = partial(_opened, desk, visit.holder.about, opening, clock.now())
            try:
                await units.run(opened)
            except DuplicateKey:  # The same claim from another tab was faster.
                await units.run(opened)
            return await shown(visit, "opened")

        return await visited(request, LinkAct.CLAIM, open_it)

    @page_route(f"{PATH}/claims/{{claim_id}}/messages/{{entry_id}}", LinkAct.CLAIM)
    async def write_to_own_claim(
        request: Request, claim_id: ClaimId, entry_id: EntryId
    ) -> Response:
        """Answer in the thread of one's own claim."""

        async def write_it(visit: Visit) -> Response:
            said = _said(entry_id, visit)
            await claim_moved(visit, claim_id, lambda claim, at: write(claim, said, at))
            return await shown(visit, "written")

        return await visited(request, LinkAct.CLAIM, write_it)

    @page_route(f"{PATH}/claims/{{claim_id}}/escalations/{{entry_id}}", LinkAct.CLAIM)
    async def ask_staff_for_own_claim(
        request: Request, claim_id: ClaimId, entry_id: EntryId
    ) -> Response:
        """Decline what is proposed, or call staff before an answer."""

        async def ask_staff(visit: Visit) -> Response:
            said = _said(entry_id, visit)
            await claim_moved(visit, claim_id, lambda claim, at: escalate(claim, said, at))
            return await shown(visit, "escalated")

        return await visited(request, LinkAct.CLAIM, ask_staff)

    @page_route(f"{PATH}/claims/{{claim_id}}/acceptance", LinkAct.CLAIM)
    async def accept_for_own_claim(request: Request, claim_id: ClaimId) -> Response:
        """Accept the proposal that was shown; its money goes to the means that paid the pledge."""

        async def accept_it(visit: Visit) -> Response:
            number, by = _number(visit.fields.one("proposal")), visit.holder.person_id
            await claim_moved(visit, claim_id, lambda claim, at: accept(claim, number, by, at))
            return await shown(visit, "accepted")

        return await visited(request, LinkAct.CLAIM, accept_it)


async def _opened(
    desk: ClaimDesk, campaign_id: str, opening: Opening, now: datetime, unit: UpdatesUnit
) -> Claim:
    return await open_of_backer(unit, desk, campaign_id, opening, now)


def _opening(claim_id: str, visit: Visit) -> Opening:
    fields = visit.fields
    if fields.one("reason") not in set(Reason):
        raise Refused("choice-unknown", "the form was not sent by the page")
    reason = Reason(fields.one("reason"))
    text, pledge_id = fields.one("text").strip(), fields.one("pledge")
    return Opening(claim_id, pledge_id, visit.holder.person_id, reason, text)


def _said(entry_id: str, visit: Visit) -> Said:
    text = visit.fields.one("text").strip()
    return Said(entry_id, visit.holder.person_id, Side.BACKER, text)


def _number(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 6 else 0
