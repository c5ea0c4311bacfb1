"""The ledger of credits under random operations and under kill -9.

"Identity" counts the operations, refused ones among them, after which issued = held + retired + cancelled and each of
the four equals a plain count kept beside the ledger: 50 operations a run asked for, each on disk before the next.
"Killed" counts the writers that were killed at a random moment and lost nothing that they had reported, with every
digest in place: one for 20 runs asked for.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from decimal import Decimal
from pathlib import Path

from calibration import Row, share
from citylab.ledger.credits import CreditLedger, NotEnoughError

ROOT = Path(__file__).resolve().parent.parent
ACCOUNTS = tuple(f"a{i}" for i in range(8))
OPERATIONS_A_RUN = 50
RUNS_A_KILL = 20
LONGEST_S = 0.4
DIGITS = 3

WRITER = """
import sys
from citylab.ledger.credits import CreditLedger
path, name, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
with CreditLedger.open(path) as ledger:
    for i in range(most):
        entry = ledger.issue(name, "0.001", batch="b", request_id=f"{name}-{i}")
        print(entry.seq, entry.digest, flush=True)
"""
"""A program that issues and tells each entry after it was written."""


def new_ledger(folder: Path) -> CreditLedger:
    """Return an empty ledger of kilograms with one batch."""
    ledger = CreditLedger.create(folder / "credits.sqlite", unit="kg_co2", decimals=DIGITS)
    ledger.open_batch("b", {"methodology": "db11t3043-2024", "vintage": "2024-10"})
    return ledger


def writer(ledger: CreditLedger, name: str, most: int) -> subprocess.Popen[str]:
    """Start :data:`WRITER` on a ledger."""
    command = [sys.executable, "-c", WRITER, str(ledger.path), name, str(most)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=dict(os.environ))


def random_operations(ledger: CreditLedger, n: int, seed: int) -> list[bool]:
    """Return, for each of ``n`` random operations, whether the ledger says what a plain count says."""
    rng = random.Random(seed)
    held = dict.fromkeys(ACCOUNTS, 0)
    issued = retired = cancelled = 0
    agreed = []
    for i in range(n):
        op, who = rng.choice(("issue", "transfer", "retire", "cancel")), rng.choice(ACCOUNTS)
        steps = rng.randint(1, 500)
        amount, name, enough = Decimal(steps).scaleb(-DIGITS), f"q{i}", held[who] >= steps
        refused = False
        try:
            if op == "issue":
                ledger.issue(who, amount, batch="b", request_id=name)
                issued, held[who] = issued + steps, held[who] + steps
            elif op == "transfer":
                other = rng.choice([a for a in ACCOUNTS if a != who])
                ledger.transfer(who, other, amount, batch="b", request_id=name)
                held[who], held[other] = held[who] - steps, held[other] + steps
            elif op == "retire":
                ledger.retire(who, amount, batch="b", purpose="voluntary", request_id=name)
                retired, held[who] = retired + steps, held[who] - steps
            else:
                ledger.cancel(who, amount, batch="b", reason="test", request_id=name)
                cancelled, held[who] = cancelled + steps, held[who] - steps
        except NotEnoughError:
            refused = True
        found = ledger.totals()
        counted = tuple(Decimal(x).scaleb(-DIGITS) for x in (issued, sum(held.values()), retired, cancelled))
        agreed.append(
            refused == (op != "issue" and not enough)
            and found.is_balanced
            and (found.issued, found.held, found.retired, found.cancelled) == counted
        )
    return agreed


def killed(ledger: CreditLedger, name: str, wait_s: float) -> bool:
    """Kill a writer some time after its first entry; return whether all that it reported is there and sound."""
    process = writer(ledger, name, 1_000_000)
    assert process.stdout is not None
    told = [process.stdout.readline()]
    time.sleep(wait_s)
    os.kill(process.pid, signal.SIGKILL)
    told += process.stdout.read().splitlines(keepends=True)
    process.wait()
    # The last line may have been cut off by the kill.
    reported = dict(line.split() for line in told if line.endswith("\n"))
    written = {str(seq): made for seq, made in ledger.entries().select("seq", "digest").iter_rows()}
    return reported.items() <= written.items() and ledger.verify().is_sound and ledger.totals().is_balanced


def run(n: int, seed: int) -> list[Row]:
    """Return the shares; ``n`` scales both."""
    rng = random.Random(seed)
    operations, kills = OPERATIONS_A_RUN * n, max(1, n // RUNS_A_KILL)
    with tempfile.TemporaryDirectory() as folder, new_ledger(Path(folder)) as ledger:
        agreed = random_operations(ledger, operations, seed)
        agreed.append(ledger.verify().is_sound)
    with tempfile.TemporaryDirectory() as folder, new_ledger(Path(folder)) as ledger:
        survived = [killed(ledger, f"w{i}", rng.uniform(0, LONGEST_S)) for i in range(kills)]
    return [
        share("identity after each operation", 1.0, agreed),
        share("killed in the middle, nothing reported was lost", 1.0, survived),
    ]
