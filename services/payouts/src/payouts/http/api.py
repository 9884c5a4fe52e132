"""The application of payouts: a module of routes for each subject, all of them added here."""

from fastapi import FastAPI

from payouts.domain.errors import Refused
from payouts.handlers.adjustments import Adjust
from payouts.handlers.approve_refunds import ApproveRefunds
from payouts.handlers.say_of_break import SayOfBreaks
from payouts.handlers.simulate import Simulate
from payouts.handlers.waivers import WaiveFees
from payouts.http.adjustments import add_adjustment_routes
from payouts.http.callers import Callers, unknown_campaign, unknown_refund
from payouts.http.claim_money import add_claim_money_route
from payouts.http.claims import add_claim_routes
from payouts.http.debts import add_debt_routes
from payouts.http.destinations import add_destination_routes
from payouts.http.fec import add_fec_route
from payouts.http.holdings import add_holding_route
from payouts.http.invoices import add_invoice_routes
from payouts.http.ledger import add_ledger_routes
from payouts.http.money import add_money_routes
from payouts.http.parts import Parts
from payouts.http.people import add_people_routes
from payouts.http.periods import add_period_routes
from payouts.http.queues import add_queue_routes
from payouts.http.reconciliation import add_reconciliation_routes
from payouts.http.refund_reading import add_refund_reading_routes
from payouts.http.refunds import add_refund_routes
from payouts.http.refusals import problem_of
from payouts.http.simulation import add_simulation_route
from payouts.http.statements import add_statement_routes
from payouts.http.waivers import add_waiver_routes
from payouts.http.webhook_route import add_webhook_route
from servicekit.access import guarded_api
from servicekit.auth import Role
from servicekit.problems import answer_refusals


def build_api(parts: Parts) -> FastAPI:
    """Return the application."""
    guard, units, queries, clock = parts.guard, parts.units, parts.queries, parts.clock
    stages, ceilings, reconciliation = parts.stages, parts.ceilings, parts.reconciliation
    api = guarded_api("payouts")
    answer_refusals(api, Refused, problem_of)
    callers = Callers(queries)
    creator, backer = callers.creator, callers.backer
    add_destination_routes(api, callers, parts)
    add_money_routes(api, callers, parts)
    add_refund_reading_routes(api, callers, parts)
    approve = ApproveRefunds(units, queries, stages.funds, ceilings, clock)
    add_refund_routes(api, guard, units, queries, approve, clock, backer, unknown=unknown_refund)
    add_claim_money_route(api, guard, units, queries, ceilings, clock)
    add_queue_routes(api, guard, units, queries, approve, clock, parts.window_warning)
    add_claim_routes(api, guard, units, parts.claim_links, parts.public_url, clock, backer)
    owner_or_staff = guard.allow(Role.STAFF, creator, unknown=unknown_campaign)
    add_simulation_route(api, Simulate(units), clock, owner_or_staff)
    add_people_routes(api, guard, units, queries, stages, clock, creator, unknown=unknown_campaign)

    waive = WaiveFees(units, queries, stages.funds, clock)
    add_waiver_routes(api, guard, waive, owner_or_staff)
    add_adjustment_routes(api, guard, Adjust(units, queries, parts.checks, clock))
    add_holding_route(api, guard, queries, clock)
    say_of_break = SayOfBreaks(reconciliation, stages.provider, queries)
    add_reconciliation_routes(api, guard, reconciliation, say_of_break, clock)
    add_ledger_routes(api, guard, queries, parts.signatures, parts.head_keys)
    add_period_routes(api, guard, units, queries, clock)
    add_fec_route(api, guard, reconciliation, queries, clock, parts.siren)
    add_debt_routes(api, guard, units, queries, clock, creator, unknown=unknown_campaign)
    add_invoice_routes(api, guard, queries, creator, unknown=unknown_campaign)
    add_statement_routes(api, guard, queries, creator, unknown=unknown_campaign)
    add_webhook_route(api, parts)
    return api
