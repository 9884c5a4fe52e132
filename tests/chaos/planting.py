"""Bugs that must be found: what makes each show, and the rule that must find it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.native import NativeStack
from tests.chaos.plan import Channel, Fault, FaultKind, Plan, PlannedCampaign, ProviderFault
from tests.chaos.planted_suite import PlantedSuite
from tests.chaos.run import Report, run_chaos
from tests.chaos.zombie import wake_a_zombie
from tests.world import opened

# The run ends as soon as something is found; only a bug that is missed takes all of the time.
SECONDS, OPEN_SECONDS, PLEDGES = 60.0, 4.0, 20
Say = Callable[[str], None]


@dataclass(frozen=True)
class Planted:
    """A bug in one service, by its name in `planted/planted_bugs.py`.

    `services` are those that run: enough for the bug to show.
    """

    bug: str
    service: str
    services: Sequence[str]
    rule: str
    reachable: bool = False
    faults: tuple[Fault, ...] = ()
    provider_faults: tuple[ProviderFault, ...] = ()

    def plan(self) -> Plan:
        """Return a plan that makes the bug show at once."""
        campaign = PlannedCampaign(
            campaign_id="planted",
            launch_at_seconds=0.0,
            open_seconds=OPEN_SECONDS,
            pledges=PLEDGES,
            late=0,
            reachable=self.reachable,
            channel=Channel.TOPIC,
            updates_at_seconds=(),
            declined=(),
            bounced=(),
        )
        return Plan(0, SECONDS, (campaign,), self.provider_faults, self.faults)


PLANTED = (
    # The guard of every projection: a republished history would be shown twice.
    Planted(
        bug="repeats_are_applied",
        service="updates",
        services=("funding", "updates"),
        rule="view-too-high",
        faults=tuple(
            Fault(at, FaultKind.REPUBLISHED, "funding.pledges", 0.0)
            for at in (4.0, 7.0, 12.0, 20.0, 30.0, 45.0)
        ),
    ),
    Planted(
        bug="relay_out_of_order",
        service="funding",
        services=("funding",),
        rule="sequence-gap",
    ),
    Planted(
        bug="marked_before_sent",
        service="notifier",
        services=("funding", "notifier"),
        rule="done-but-not-told",
    ),
    # The provider makes the transfer and its answer gets lost: only the same key asks safely again.
    Planted(
        bug="fresh_key_for_every_call",
        service="payouts",
        services=("funding", "payouts"),
        rule="paid-twice",
        reachable=True,
        provider_faults=(ProviderFault(0.5, "timeout_after", "transfers.create", 1.0, 55.0),),
    ),
)
LEASE_IGNORED = "slow_and_lease_ignored"


async def run_planted(planted: Planted, folder: Path, stack: NativeStack, say: Say) -> Report:
    """Run the bug's plan on a suite of its own and return what was found."""
    bugs = {f"{planted.service}-1": planted.bug}
    async with opened(PlantedSuite(folder, stack.addresses, bugs), *planted.services) as world:
        return await run_chaos(
            planted.plan(), world, stack, say, services=planted.services, to_the_end=False
        )


async def run_all_planted(
    folder: Path, stack: NativeStack, say: Say
) -> list[tuple[str, str, set[str]]]:
    """Run every bug; return its name, the rule that must find it, and the rules that did."""
    results = []
    for planted in PLANTED:
        report = await run_planted(planted, folder / planted.bug, stack, say)
        results.append((planted.bug, planted.rule, report.rules))
        say(f"{planted.bug}: {[str(finding) for finding in report.findings]}")
    suite = PlantedSuite(folder / LEASE_IGNORED, stack.addresses, {"payouts-1": LEASE_IGNORED})
    async with opened(suite, "funding", "payouts") as world:
        findings = await wake_a_zombie(world)
    say(f"{LEASE_IGNORED}: {[str(finding) for finding in findings]}")
    return [*results, (LEASE_IGNORED, "paid-twice", {finding.rule for finding in findings})]
