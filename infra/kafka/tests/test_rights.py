"""Rights read from topic files, and what counts as taking away."""

from pathlib import Path

import pytest

from infra.kafka import Right, read_rights
from infra.kafka.rights import differences

FILE = """\
topic: funding.pledges
producers: [funding, "the platform's checkout"]
consumers:
  - service: payouts
    group: payouts-funding-pledges
    kind: reaction
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One topic with a producer of ours, one in words, and a consumer."""
    (tmp_path / "funding.pledges.yaml").write_text(FILE)
    return tmp_path


def test_operations_are_spelt_out(folder: Path) -> None:
    """A producer writes, describes, reads; a consumer reads, describes, has its group; no more."""
    assert read_rights(folder) == [
        Right("funding", "topic", "funding.pledges", "describe"),
        Right("funding", "topic", "funding.pledges", "read"),
        Right("funding", "topic", "funding.pledges", "write"),
        Right("payouts", "group", "payouts-funding-pledges", "read"),
        Right("payouts", "topic", "funding.pledges", "describe"),
        Right("payouts", "topic", "funding.pledges", "read"),
    ]


def test_a_prefix_is_before_every_name(folder: Path) -> None:
    """Users, topics and groups of two suites stay apart; a service is given its own only."""
    rights = read_rights(folder, "t-1-", "payouts")
    assert {right.user for right in rights} == {"t-1-payouts"}
    assert all(right.name.startswith("t-1-") for right in rights) and len(rights) == 3


def test_taking_away_waits_to_be_told(folder: Path) -> None:
    """A missing right is given, one too many is refused until somebody says so."""
    wanted = read_rights(folder)
    odd = Right("funding", "topic", "payouts.refunds", "write", pattern="prefixed")
    given, taken = differences(wanted, [*wanted[1:], odd], revoke=False)
    assert given.gives and given.right == wanted[0] and given.refusal is None
    assert not taken.gives and taken.right == odd and taken.refusal
    assert taken.text == "- funding: write topic payouts.refunds prefixed"
    assert [change.refusal for change in differences([], [odd], revoke=True)] == [None]
