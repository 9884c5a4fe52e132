"""Launching again what failed: which campaigns may be, and what is different, field by field."""

from collections.abc import Iterator
from dataclasses import dataclass

from funding.domain.campaign import Campaign, CampaignState, Launch
from funding.domain.errors import Refused


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that changed; None where the old or the new campaign has no such thing."""

    field: str
    old: str | None
    new: str | None


def check_relaunch(old: Campaign | None, launch: Launch) -> None:
    """Refuse to relaunch what another creator owns, what still runs, and what met its goal.

    What was refunded in full after a met goal may not be either (decision 0035).
    """
    if old is None:
        raise Refused("relaunch-of-unknown", f"no campaign {launch.relaunch_of!r} to relaunch")
    if old.launch.creator_id != launch.creator_id:
        raise Refused("relaunch-of-another", "a creator relaunches campaigns of their own")
    if old.state is CampaignState.GOAL_MET:
        raise Refused("relaunch-of-met", "its goal was met: there is something to deliver")
    if not old.is_over:
        raise Refused("relaunch-of-running", "it still runs: it has no verdict yet")
    cancelled = old.cancellation
    after_verdict = cancelled is not None and old.verdict is not None
    if after_verdict or (cancelled and cancelled.cancelled_at > old.launch.deadline):
        raise Refused("relaunch-of-cancelled-late", "it was cancelled after its deadline")


def differences(old: Launch, new: Launch) -> tuple[Difference, ...]:
    """Return what the new campaign says otherwise, in a fixed order; terms and rewards singly."""
    return tuple(
        Difference(name, before.get(name), after.get(name))
        for before, after in [(dict(_fields(old)), dict(_fields(new)))]
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    )


def _fields(launch: Launch) -> Iterator[tuple[str, str]]:
    for name in ("title", "currency", "goal", "zone"):
        yield name, str(getattr(launch, name))
    yield "deadline", launch.deadline.isoformat()
    for reward in launch.rewards:
        yield f"rewards/{reward.reward_id}", reward.title
    for name in launch.terms.__slots__:
        value = getattr(launch.terms, name)
        said = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        yield f"terms/{name}", said
