"""The ledger of credits: operations a second, each on disk, in one transaction, and read again.

The limit beside it writes the same rows into a table of SQLite in one transaction, with no digest, no rule and no
balance: what chain and rules cost.
"""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl

from benchmarks.measure import Disagreement, Row
from citylab.ledger.credits import CreditLedger

BULK = 20_000
SINGLE = 500


def table(n: int = BULK) -> pl.DataFrame:
    """Synthetic requests: 0.468 kg to one of 97 accounts."""
    return pl.select(
        account=pl.format("r{}", pl.int_range(n) % 97),
        amount=pl.repeat("0.468", n),
        request_id=pl.format("t{}", pl.int_range(n)),
    )


def plain(path: Path, requests: pl.DataFrame) -> int:
    """Write the rows with no rule at all and return how many grams there are."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE entry (seq INTEGER PRIMARY KEY, account TEXT, amount INTEGER, request_id TEXT UNIQUE)")
        grams = ((a, int(Decimal(x).scaleb(3)), r) for a, x, r in requests.iter_rows())
        db.executemany("INSERT INTO entry (account, amount, request_id) VALUES (?, ?, ?)", grams)
        return int(db.execute("SELECT SUM(amount) FROM entry").fetchone()[0])


def _rate(work: str, who: str, n: int, seconds: float, ratio: float | None = None) -> Row:
    return Row(f"{work}, synthetic, {n:,} entries", who, f"{n / seconds:,.0f} /s", ratio=ratio)


def rows() -> Iterator[Row]:
    """Compare results, then tell rates; one run each, into a temporary folder."""
    requests = table()
    with (
        tempfile.TemporaryDirectory() as folder,
        CreditLedger.create(Path(folder) / "a.sqlite", unit="kg_co2", decimals=3) as ledger,
    ):
        ledger.open_batch("b", {})
        start = time.perf_counter()
        ledger.issue_many(requests, batch="b")
        ours = time.perf_counter() - start
        start = time.perf_counter()
        grams = plain(Path(folder) / "b.sqlite", requests)
        limit = time.perf_counter() - start
        if int(ledger.totals().issued.scaleb(3)) != grams:
            raise Disagreement(f"{ledger.totals().issued} kg issued, {grams} g by the plain table")
        start = time.perf_counter()
        sound = ledger.verify().is_sound
        check = time.perf_counter() - start
        if not sound:
            raise Disagreement("the ledger does not verify")
        start = time.perf_counter()
        for i in range(SINGLE):
            ledger.transfer(f"r{i % 97}", "shop", "0.001", batch="b", request_id=f"s{i}")
        single = time.perf_counter() - start
    yield _rate("credits issued in one transaction", "citylab", BULK, ours)
    yield _rate("credits issued in one transaction", "plain SQLite table", BULK, limit, ours / limit)
    yield _rate("transfers, each on disk before the next", "citylab", SINGLE, single)
    yield _rate("every digest and rule checked again", "citylab", BULK, check)
