"""What payouts can be asked on the command line beyond what every service can."""

from argparse import ArgumentParser, Namespace

from payouts.handlers.verify_ledger import Proof, verify_from_topic, verify_ledger
from payouts.ports import LedgerTopic, Queries

PROVEN = 0
FINDINGS = 1


def describe_verify_ledger(parser: ArgumentParser) -> None:
    parser.add_argument("--campaign", metavar="ID", help="one campaign only")
    parser.add_argument(
        "--from-topic", action="store_true", help="prove what was published, without the database"
    )


async def perform_verify_ledger(arguments: Namespace, queries: Queries, topic: LedgerTopic) -> int:
    """Print every finding, then the heads that somebody else may have noted, then one line."""
    campaign_id = arguments.campaign
    if arguments.from_topic:
        proof = await verify_from_topic(topic, campaign_id)
        for one, (number, head) in sorted(proof.heads.items()):
            print(f"campaign {one} ends at block {number} {head}")
    else:
        proof = await verify_ledger(queries, topic, campaign_id)
    for side, finding in proof.findings:
        print(f"{side}: {finding}")
    if campaign_id is not None and not proof.heads:
        print(f"campaign {campaign_id} has no book")
        return FINDINGS
    print(_summary(proof))
    return FINDINGS if proof.findings else PROVEN


def _summary(proof: Proof) -> str:
    read = f"{len(proof.heads)} campaigns, {proof.blocks} blocks"
    waiting = f", {proof.waiting} of them not yet published" if proof.waiting else ""
    what = f"{len(proof.findings)} findings in" if proof.findings else "proven:"
    return f"{what} {read}{waiting}"
