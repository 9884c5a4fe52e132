"""What `make up` prints is typed by strangers."""

import json
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path

from infra.demo.standing import example_lines, operating_line
from infra.native import Addresses
from infra.suite import Suite


def made(folder: Path) -> Suite:
    return Suite(folder, Addresses("127.0.0.1:1", "mongodb://127.0.0.1:2/?replicaSet=rs0"))


def test_the_lines_are_one_shell_script_that_sends_json(tmp_path: Path) -> None:
    """`curl` is stood in for: it answers with an object and shows what it was given."""
    answer = '{"id": "o1", "fee": 7, "balance_transaction": "b1"}'
    curl = f"""curl() {{ for word; do case $word in
        \\{{*) echo "$word" >&2;; esac; done; echo '{answer}'; }}"""
    script = "\n".join(["set -e", curl, *example_lines(made(tmp_path))])
    told = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    launch, payment, destination, draft = (json.loads(line) for line in told.stderr.splitlines())
    assert datetime.fromisoformat(launch["deadline"]).tzinfo is not None
    assert datetime.fromisoformat(payment.pop("occurred_at")).tzinfo is not None
    assert payment == {
        "status": "captured",
        "provider": "sandbox",
        "payment_reference": "o1",
        "balance_transaction": "b1",
        "provider_fee": 7,
        "pledge_id": "pledge-1",
        "backer_id": "backer-1",
        "money": {"amount": 60_000, "currency": "EUR"},
    }
    assert payment["money"]["amount"] > launch["goal"]["amount"]
    assert destination == {"provider": "sandbox", "account": "o1"}
    assert draft["texts"]


def test_an_operators_line_brings_the_settings_along(tmp_path: Path) -> None:
    """Also values that a shell would read otherwise; nobody else can read the file."""
    payouts = made(tmp_path).services["payouts"]
    line = operating_line(payouts, tmp_path / "payouts 1.sh")
    shown = line.replace(f"{sys.executable} -m payouts --help", "env")
    assert shown != line
    told = subprocess.run(["sh", "-c", shown], capture_output=True, text=True, check=True)
    assert set(payouts.settings()) <= set(told.stdout.splitlines())
    assert os.stat(tmp_path / "payouts 1.sh").st_mode & 0o077 == 0
