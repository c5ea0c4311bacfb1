"""Credits: issued, transferred, retired, cancelled and used as an offset once, in one SQLite file that shows tampering.

The ledger is double entry over whole numbers: an entry moves an amount from one account to another, where
``@issued``, ``@retired`` and ``@cancelled`` are the ledger's own. Balances are sums of entries, so

    issued = held + retired + cancelled

cannot fail but by tampering, which :meth:`CreditLedger.verify` locates. An amount is kept in the smallest unit that the
ledger was made for (``decimals=3`` of ``kg_co2`` counts grams); nothing is rounded unless the caller says how.

The unit is a parameter: kilograms of CO2 and the hours of a time bank obey the same rules. A ledger has one.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hmac
import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from citylab.errors import (
    CitylabError,
    IntegrityError,
    RangeError,
    SchemaError,
    UnknownNameError,
    suggest,
)
from citylab.files import written_whole
from citylab.ledger.chain import Anchor, canonical, digest

if TYPE_CHECKING:
    import polars as pl

Amount: TypeAlias = "int | str | Decimal | float"
Operation = Literal["batch", "issue", "transfer", "retire", "cancel", "offset"]

ISSUED, RETIRED, CANCELLED = "@issued", "@retired", "@cancelled"
FORMAT = "citylab-credits-1"
"""Name of the file's layout; written into each ledger and into each export."""

_FIELDS = ("seq", "at", "op", "request_id", "batch", "source", "target", "amount", "ref", "detail")
_COLUMNS = (*_FIELDS, "previous", "digest")
_MOST = 2**63 - 1  # what SQLite's integers hold
_PATIENCE_S = 30.0  # how long a writer waits for another one
_ROWS_AT_ONCE = 10_000

_SCHEMA = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE entry (
  seq INTEGER PRIMARY KEY,
  at TEXT NOT NULL,
  op TEXT NOT NULL CHECK (op IN ('batch', 'issue', 'transfer', 'retire', 'cancel', 'offset')),
  request_id TEXT NOT NULL UNIQUE,
  batch TEXT NOT NULL,
  source TEXT,
  target TEXT,
  amount INTEGER NOT NULL CHECK (amount >= 0),
  ref TEXT,
  detail TEXT NOT NULL,
  previous TEXT NOT NULL,
  digest TEXT NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_batch ON entry (batch) WHERE op = 'batch';
CREATE UNIQUE INDEX one_use ON entry (ref) WHERE op = 'offset';
CREATE TABLE position (
  account TEXT NOT NULL, batch TEXT NOT NULL, amount INTEGER NOT NULL,
  PRIMARY KEY (account, batch),
  CHECK (amount >= 0 OR account = '@issued')
) STRICT, WITHOUT ROWID;
CREATE TRIGGER entries_stay BEFORE UPDATE ON entry BEGIN
  SELECT RAISE(ABORT, 'an entry of a ledger is never altered'); END;
CREATE TRIGGER entries_are_kept BEFORE DELETE ON entry BEGIN
  SELECT RAISE(ABORT, 'an entry of a ledger is never deleted'); END;
"""
_INSERT = f"INSERT INTO entry ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
_ADD = (
    "INSERT INTO position (account, batch, amount) VALUES (?, ?, ?) "
    "ON CONFLICT (account, batch) DO UPDATE SET amount = amount + excluded.amount"
)


class LedgerError(CitylabError, ValueError):
    """An operation that the ledger's rules forbid; nothing of it was written."""


class NotEnoughError(LedgerError):
    """More was to leave an account than it holds."""


class ReplayError(LedgerError):
    """A request that was already carried out, or a retirement that was already used, came again."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was written.

    Attributes
    ----------
    seq
        Its number, from 1 without gaps.
    at
        When it was written (UTC, ISO 8601).
    op
        What it does.
    request_id
        The caller's name for the request; each is carried out once.
    batch
        Batch of credits that it concerns.
    source, target
        Accounts that the amount left and reached; ``None`` where nothing moves.
    amount
        Amount in the ledger's unit.
    ref
        Retirement that an offset uses.
    detail
        What else was told: the terms of a batch, the reason of a cancellation.
    digest
        Digest that chains it to all before it.
    id
        Name of the entry that no other ledger uses.
    """

    seq: int
    at: str
    op: str
    request_id: str
    batch: str
    source: str | None
    target: str | None
    amount: Decimal
    ref: str | None
    detail: Mapping[str, Any]
    digest: str
    id: str


@dataclass(frozen=True, slots=True)
class Totals:
    """What became of all that was issued, in the ledger's unit.

    ``offset`` is the part of ``retired`` that has been used as an offset.
    """

    unit: str
    issued: Decimal
    held: Decimal
    retired: Decimal
    cancelled: Decimal
    offset: Decimal

    @property
    def is_balanced(self) -> bool:
        """Return whether issued = held + retired + cancelled, exactly."""
        return self.issued == self.held + self.retired + self.cancelled


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that :meth:`CreditLedger.verify` found.

    Attributes
    ----------
    seq
        Number of the entry at which it shows; ``None`` where it concerns the file as a whole.
    kind
        ``altered``, ``missing``, ``broken_link``, ``overdrawn``, ``position``, ``cut_off``, ``rewritten``,
        ``unguarded``, ``rule``.
    message
        What was found, what was expected.
    """

    seq: int | None
    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Verification:
    """What :meth:`CreditLedger.verify` found.

    Attributes
    ----------
    entry_count
        Entries looked at.
    anchor
        Where the ledger stands now; give it to somebody else to keep.
    faults
        Everything wrong, in order; empty if nothing is.
    """

    entry_count: int
    anchor: Anchor
    faults: tuple[Fault, ...]

    @property
    def is_sound(self) -> bool:
        """Return whether nothing was found."""
        return not self.faults

    def tidy(self) -> pl.DataFrame:
        """Return the faults as a frame: one row each, with ``seq``, ``kind`` and ``message``."""
        import polars as pl

        return pl.DataFrame(
            [(f.seq, f.kind, f.message) for f in self.faults],
            schema={"seq": pl.Int64, "kind": pl.String, "message": pl.String},
            orient="row",
        )


class CreditLedger:
    """A ledger of credits in one SQLite file.

    Make one with :meth:`create`, open it again with :meth:`open`; it is a context manager. Each operation is a
    transaction of its own, on disk before the method returns (write-ahead log, ``synchronous=FULL``): after a crash
    everything that was returned is there, and nothing else in part. Several writers take turns. Within
    :meth:`together` operations stand or fall as one.

    A connection belongs to the thread that opened it; open the file once in each thread.

    Examples
    --------
    >>> import tempfile; folder = Path(tempfile.mkdtemp())
    >>> with CreditLedger.create(folder / "credits.sqlite", unit="kg_co2", decimals=3) as ledger:
    ...     _ = ledger.open_batch("metro-2024-10", {"methodology": "db11t3043-2024", "vintage": "2024-10"})
    ...     _ = ledger.issue("resident-1", "0.468", batch="metro-2024-10", request_id="trip-1")
    ...     _ = ledger.transfer("resident-1", "museum", "0.4", batch="metro-2024-10", request_id="gift-1")
    ...     done = ledger.retire("museum", "0.4", batch="metro-2024-10", purpose="visit", request_id="ticket-1")
    ...     print(ledger.totals().held, ledger.totals().retired, ledger.verify().is_sound)
    0.068 0.400 True
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, key: bytes | None) -> None:
        self._path = path
        self._db = connection
        self._key = key
        self._meta = dict(connection.execute("SELECT name, value FROM meta"))
        self._scale = Decimal(1).scaleb(-int(self._meta["decimals"]))
        self._deep = 0

    # ------------------------------------------------------------------------------------------------- open, close

    @classmethod
    def create(
        cls, path: str | Path, *, unit: str, decimals: int = 3, title: str = "", key: bytes | None = None
    ) -> CreditLedger:
        """Make a new, empty ledger.

        Parameters
        ----------
        path
            Where the file shall be; it must not exist.
        unit
            What is counted, such as ``"kg_co2"`` or ``"h_volunteering"``.
        decimals
            Digits after the point that an amount may have.
        title
            What the ledger is for.
        key
            Secret for keyed digests; who does not have it cannot write the chain anew. It is not stored: lose it and
            the chain can no longer be checked or continued.

        Raises
        ------
        LedgerError
            Something is there already.
        RangeError
            ``decimals`` is not between 0 and 9.
        """
        import json

        path = Path(path)
        if path.exists():
            raise LedgerError(f"{path} exists. Open it with CreditLedger.open, or name another file.")
        if not unit.strip():
            raise SchemaError("A ledger needs a unit, for example 'kg_co2': amounts without one cannot be compared.")
        if isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= 9:
            raise RangeError(f"decimals is {decimals!r}; a ledger keeps 0 to 9 digits after the point.")
        meta = {
            "format": FORMAT,
            "ledger_id": secrets.token_hex(8),
            "unit": unit.strip(),
            "decimals": str(decimals),
            "title": title,
            "created": _now(),
            "is_keyed": json.dumps(key is not None),
        }
        _write_new(path, meta, (), key)
        return cls.open(path, key=key)

    @classmethod
    def open(cls, path: str | Path, *, key: bytes | None = None) -> CreditLedger:
        """Open a ledger that :meth:`create` made.

        Raises
        ------
        LedgerError
            There is none, or the file is something else.
        IntegrityError
            The ledger was made with a key and another one, or none, is given (or the other way round).
        """
        path = Path(path)
        if not path.is_file():
            raise LedgerError(f"No ledger at {path}. Make one with CreditLedger.create.")
        db = sqlite3.connect(path, timeout=_PATIENCE_S, isolation_level=None)
        try:
            db.execute("PRAGMA synchronous = FULL")
            db.execute("PRAGMA foreign_keys = ON")
            found = dict(db.execute("SELECT name, value FROM meta"))
        except sqlite3.DatabaseError as cause:
            db.close()
            raise LedgerError(f"{path} is not a ledger of credits ({cause}).") from cause
        if found.get("format") != FORMAT:
            db.close()
            raise LedgerError(f"{path} has the layout {found.get('format')!r}; this version reads {FORMAT!r}.")
        try:
            _check_key(found, key, path)
        except IntegrityError:
            db.close()
            raise
        return cls(path, db, key)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> CreditLedger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def path(self) -> Path:
        """Where the ledger lies."""
        return self._path

    @property
    def unit(self) -> str:
        """What is counted."""
        return self._meta["unit"]

    @property
    def decimals(self) -> int:
        """Digits after the point that an amount may have."""
        return int(self._meta["decimals"])

    @property
    def ledger_id(self) -> str:
        """Name of this ledger that no other has."""
        return self._meta["ledger_id"]

    # -------------------------------------------------------------------------------------------------- operations

    @contextlib.contextmanager
    def together(self) -> Iterator[CreditLedger]:
        """Carry out all operations of a block as one: all are written, or, if one raises, none.

        Examples
        --------
        >>> import tempfile; folder = Path(tempfile.mkdtemp())
        >>> ledger = CreditLedger.create(folder / "hours.sqlite", unit="h_volunteering", decimals=2)
        >>> with contextlib.suppress(NotEnoughError), ledger.together():
        ...     _ = ledger.open_batch("2026", {})
        ...     _ = ledger.issue("li", "2.5", batch="2026", request_id="r1")
        ...     _ = ledger.transfer("li", "wang", 3, batch="2026", request_id="r2")
        >>> ledger.anchor().seq
        0
        """
        if self._deep:
            # Already within a transaction: the outer block decides.
            self._deep += 1
            try:
                yield self
            finally:
                self._deep -= 1
            return
        self._begin()
        self._deep = 1
        try:
            yield self
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        else:
            self._db.execute("COMMIT")
        finally:
            self._deep = 0

    def open_batch(self, batch: str, terms: Mapping[str, Any], *, request_id: str | None = None) -> Entry:
        """Declare a batch of credits: methodology, edition, vintage and whatever makes its credits alike.

        Parameters
        ----------
        batch
            Its name.
        terms
            What all credits of the batch share; text, numbers, lists. ``claimed_under`` names another mechanism that
            counts the same reduction, if one does.
        request_id
            Name of the request; ``batch:`` and the name by default.
        """
        return self._record(
            "batch", batch, None, None, 0, detail=dict(terms), request_id=request_id or f"batch:{batch}"
        )

    def issue(
        self, account: str, amount: Amount, *, batch: str, request_id: str, rounding: Literal["down"] | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> Entry:  # fmt: skip
        """Issue new credits of a batch to an account.

        Parameters
        ----------
        account
            Who receives them.
        amount
            How much, in the ledger's unit.
        batch
            An opened batch.
        request_id
            Name of the request; it is carried out once.
        rounding
            ``"down"`` cuts an amount to the ledger's digits, so that no more is issued than was reduced; by default an
            amount with more digits is an error.
        detail
            What else shall be kept, such as the activity.

        Raises
        ------
        LedgerError
            An amount of 0 or less, with too many digits or no number; an account name that begins with ``@``.
        UnknownNameError
            The batch was not opened.
        ReplayError
            The request was carried out before.
        """
        minor = self._minor(amount, rounding)
        return self._record("issue", batch, ISSUED, _account(account), minor, detail=detail, request_id=request_id)

    def transfer(
        self, source: str, target: str, amount: Amount, *, batch: str, request_id: str,
        detail: Mapping[str, Any] | None = None,
    ) -> Entry:  # fmt: skip
        """Move credits from one account to another.

        Raises
        ------
        NotEnoughError
            The source holds less of the batch.
        LedgerError, UnknownNameError, ReplayError
            As in :meth:`issue`; source and target are one account.
        """
        if source == target:
            raise LedgerError(f"{source!r} would pay itself. Name two accounts.")
        minor = self._minor(amount)
        return self._record(
            "transfer", batch, _account(source), _account(target), minor, detail=detail, request_id=request_id
        )

    def retire(
        self, account: str, amount: Amount, *, batch: str, purpose: str, request_id: str,
        detail: Mapping[str, Any] | None = None,
    ) -> Entry:  # fmt: skip
        """Take credits out of circulation for good, for a purpose.

        Parameters
        ----------
        account, amount, batch, request_id, detail
            As in :meth:`issue`.
        purpose
            What for, such as ``"offset"``, ``"voluntary"`` or ``"reward"``. Only what was retired as ``"offset"`` can
            be used as one.

        Returns
        -------
        Entry
            Its ``id`` is the serial number of the retirement.

        Raises
        ------
        NotEnoughError
            The account holds less of the batch.
        """
        if not purpose.strip():
            raise LedgerError("A retirement needs a purpose, for example 'offset', 'voluntary' or 'reward'.")
        told = {**(detail or {}), "purpose": purpose.strip()}
        minor = self._minor(amount)
        return self._record("retire", batch, _account(account), RETIRED, minor, detail=told, request_id=request_id)

    def cancel(
        self, account: str, amount: Amount, *, batch: str, reason: str, request_id: str,
        detail: Mapping[str, Any] | None = None,
    ) -> Entry:  # fmt: skip
        """Withdraw credits that should not have been issued: a double claim, a corrected factor.

        Raises
        ------
        NotEnoughError
            The account holds less of the batch.
        """
        if not reason.strip():
            raise LedgerError("A cancellation needs a reason, for example 'claimed twice: trip 17 and trip 18'.")
        told = {**(detail or {}), "reason": reason.strip()}
        minor = self._minor(amount)
        return self._record("cancel", batch, _account(account), CANCELLED, minor, detail=told, request_id=request_id)

    def use_as_offset(self, retirement: str, *, market: str, obligation: str, request_id: str) -> Entry:
        """Use a retirement as an offset in an emission market: once, in whichever market.

        Parameters
        ----------
        retirement
            ``id`` of an entry that :meth:`retire` returned, with the purpose ``"offset"``.
        market
            Market that accepts it, such as ``"beijing-ets"``.
        obligation
            Whose obligation of which year it meets.
        request_id
            Name of the request.

        Raises
        ------
        ReplayError
            It was used before; the message says where.
        LedgerError
            It was retired for another purpose, or its batch says that another mechanism claims the reduction.
        UnknownNameError
            No such retirement in this ledger.
        """
        import json

        if not market.strip() or not obligation.strip():
            raise LedgerError("An offset needs the market and the obligation that it meets; one of them is empty.")
        with self.together():
            row = self._db.execute(
                "SELECT batch, amount, detail FROM entry WHERE seq = ? AND op = 'retire'", (self._seq_of(retirement),)
            ).fetchone()
            if row is None:
                raise UnknownNameError(
                    f"{retirement!r} is no retirement of this ledger. Give the id of an entry that retire() returned."
                )
            batch, amount, detail = row
            purpose = json.loads(detail)["purpose"]
            if purpose != "offset":
                raise LedgerError(
                    f"{retirement} was retired for {purpose!r}. Only credits retired for 'offset' can be used as one."
                )
            terms = self._terms(batch)
            if terms.get("claimed_under"):
                raise LedgerError(
                    f"The reductions of batch {batch!r} are claimed under {terms['claimed_under']!r} already; using "
                    "them as an offset would count them twice."
                )
            used = self._db.execute(
                "SELECT seq, detail FROM entry WHERE op = 'offset' AND ref = ?", (retirement,)
            ).fetchone()
            if used is not None:
                where = json.loads(used[1])
                raise ReplayError(
                    f"{retirement} was used as an offset before: in {where['market']!r} for {where['obligation']!r} "
                    f"(entry {used[0]}). Retire other credits."
                )
            told = {"market": market.strip(), "obligation": obligation.strip()}
            return self._record("offset", batch, None, None, amount, ref=retirement, detail=told, request_id=request_id)

    def issue_many(
        self, frame: pl.DataFrame, *, batch: str, account: str = "account", amount: str = "amount",
        request_id: str = "request_id", rounding: Literal["down"] | None = None,
    ) -> pl.DataFrame:  # fmt: skip
        """Issue credits for each row of a table, all of them or none.

        Parameters
        ----------
        frame
            One row per credit to issue.
        batch
            An opened batch.
        account, amount, request_id
            Columns that hold them.
        rounding
            As in :meth:`issue`.

        Returns
        -------
        polars.DataFrame
            One row: ``issued``, ``not_issued`` (what rounding down left over, in the ledger's unit), ``entry_count``.

        Raises
        ------
        SchemaError
            A column is missing.
        LedgerError, ReplayError
            A row that cannot be issued; nothing of the table was.
        """
        import polars as pl

        missing = [c for c in (account, amount, request_id) if c not in frame.columns]
        if missing:
            raise SchemaError(
                f"issue_many needs the columns {', '.join(map(repr, missing))}; the frame has "
                f"{', '.join(map(repr, frame.columns))}. Name them with account=, amount= and request_id=."
            )
        asked = left = Decimal(0)
        with self.together():
            for who, how_much, name in frame.select(account, amount, request_id).iter_rows():
                if who is None or how_much is None or name is None:
                    raise LedgerError(
                        f"A row without {account!r}, {amount!r} or {request_id!r}: ({who!r}, {how_much!r}, {name!r}). "
                        "Leave out rows that earn nothing before you issue."
                    )
                exact = _decimal(how_much)
                entry = self.issue(who, exact, batch=batch, request_id=name, rounding=rounding)
                asked += entry.amount
                left += exact - entry.amount
        return pl.DataFrame({"issued": [float(asked)], "not_issued": [float(left)], "entry_count": [frame.height]})

    # ----------------------------------------------------------------------------------------------------- reading

    def totals(self) -> Totals:
        """Return what was issued and what became of it."""
        minor = dict.fromkeys((ISSUED, RETIRED, CANCELLED, "held"), 0)
        rows = self._db.execute(
            "SELECT CASE WHEN account LIKE '@%' THEN account ELSE 'held' END AS place, SUM(amount) "
            "FROM position GROUP BY place"
        )
        for place, amount in rows:
            minor[place] = amount
        offset = self._db.execute("SELECT COALESCE(SUM(amount), 0) FROM entry WHERE op = 'offset'").fetchone()[0]
        return Totals(
            unit=self.unit,
            issued=self._major(-minor[ISSUED]),
            held=self._major(minor["held"]),
            retired=self._major(minor[RETIRED]),
            cancelled=self._major(minor[CANCELLED]),
            offset=self._major(offset),
        )

    def balance(self, account: str, *, batch: str | None = None) -> Decimal:
        """Return what an account holds, of one batch or of all; 0 for an account that never held anything."""
        where, given = ("account = ?", [account]) if batch is None else ("account = ? AND batch = ?", [account, batch])
        found = self._db.execute(f"SELECT COALESCE(SUM(amount), 0) FROM position WHERE {where}", given).fetchone()[0]
        return self._major(found)

    def balances(self) -> pl.DataFrame:
        """Return what every account holds: one row per ``account`` and ``batch`` with ``amount`` and ``unit``."""
        import polars as pl

        rows = self._db.execute(
            "SELECT account, batch, amount FROM position WHERE amount > 0 AND account NOT LIKE '@%' ORDER BY 1, 2"
        ).fetchall()
        schema = {"account": pl.String, "batch": pl.String, "amount": pl.Int64}
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            amount=pl.col("amount") * float(self._scale), unit=pl.lit(self.unit)
        )

    def batches(self) -> pl.DataFrame:
        """Return the batches: ``batch``, ``opened_at``, ``terms`` (JSON) and what was issued, retired, cancelled."""
        import polars as pl

        rows = self._db.execute(
            "SELECT e.batch, e.at, e.detail, "
            "-COALESCE((SELECT amount FROM position p WHERE p.batch = e.batch AND account = '@issued'), 0), "
            "COALESCE((SELECT amount FROM position p WHERE p.batch = e.batch AND account = '@retired'), 0), "
            "COALESCE((SELECT amount FROM position p WHERE p.batch = e.batch AND account = '@cancelled'), 0) "
            "FROM entry e WHERE e.op = 'batch' ORDER BY e.seq"
        ).fetchall()
        amounts = ("issued", "retired", "cancelled")
        schema = {"batch": pl.String, "opened_at": pl.String, "terms": pl.String, **dict.fromkeys(amounts, pl.Int64)}
        return pl.DataFrame(rows, schema=schema, orient="row").with_columns(
            pl.col(amounts) * float(self._scale), unit=pl.lit(self.unit)
        )

    def entries(self, *, first: int = 1, last: int | None = None) -> pl.DataFrame:
        """Return entries by number: one row each, amounts in the ledger's unit.

        Parameters
        ----------
        first, last
            Numbers of the first and the last entry wanted.
        """
        import polars as pl

        rows = self._db.execute(
            f"SELECT {', '.join(_COLUMNS)} FROM entry WHERE seq BETWEEN ? AND ? ORDER BY seq",
            (first, _MOST if last is None else last),
        ).fetchall()
        return pl.DataFrame(rows, schema=_polars_schema(), orient="row").with_columns(
            amount=pl.col("amount") * float(self._scale), unit=pl.lit(self.unit)
        )

    def anchor(self) -> Anchor:
        """Return how far the ledger has come. Published or kept elsewhere, it proves later that nothing was undone."""
        seq, _, last = self._last()
        return Anchor(self.ledger_id, seq, last)

    def verify(self, anchors: Iterable[Anchor] = (), *, most: int = 100) -> Verification:
        """Read every entry again and tell what does not fit, and where.

        Parameters
        ----------
        anchors
            Anchors that others kept. Without one, entries cut off at the end cannot be noticed, nor, where there is no
            key, a chain that was computed anew from some entry on.
        most
            Faults to tell at the most.

        Returns
        -------
        Verification
            Faults in order. An entry altered in place is told as ``altered`` at its number; one deleted as ``missing``
            at its number; two exchanged as ``altered`` at both; one whose digest was computed anew as ``broken_link``
            at the next.
        """
        faults: list[Fault] = []
        kept = {a.seq: a for a in anchors}
        for a in kept.values():
            if a.ledger_id != self.ledger_id:
                faults.append(
                    Fault(None, "rewritten", f"The anchor is of ledger {a.ledger_id}, this is {self.ledger_id}.")
                )
        # One snapshot: another writer may go on meanwhile.
        if not self._deep:
            self._db.execute("BEGIN")
        try:
            last, last_digest, positions = self._walk(faults, kept)
            self._check_positions(positions, faults)
        finally:
            if not self._deep:
                self._db.execute("COMMIT")
        for a in kept.values():
            if a.seq > last and a.ledger_id == self.ledger_id:
                faults.append(
                    Fault(a.seq, "cut_off", f"An anchor knows entry {a.seq}, but the last one here is {last}.")
                )
        return Verification(last, Anchor(self.ledger_id, last, last_digest), tuple(faults[:most]))

    def _walk(self, faults: list[Fault], kept: Mapping[int, Anchor]) -> tuple[int, str, dict[tuple[str, str], int]]:
        previous, expected = self._genesis(), 1
        positions: dict[tuple[str, str], int] = {}
        opened: set[str] = set()
        retired: dict[str, int] = {}
        if 0 in kept and kept[0].digest != previous:
            faults.append(
                Fault(None, "rewritten", "The head of the ledger (unit, decimals, title) is not as anchored.")
            )
        cursor = self._db.execute(f"SELECT {', '.join(_COLUMNS)} FROM entry ORDER BY seq")
        while rows := cursor.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                *fields, told_previous, told = row
                seq, _, op, _, batch, source, target, amount, ref, _ = fields
                if seq != expected:
                    faults.append(
                        Fault(expected, "missing", f"Entries {expected} to {seq - 1} are missing: {seq} follows "
                              f"{expected - 1}.")
                    )  # fmt: skip
                elif told_previous != previous:
                    faults.append(
                        Fault(seq, "broken_link", f"Entry {seq} follows a digest that entry {seq - 1} does not have: "
                              "one of the two was replaced.")
                    )  # fmt: skip
                if digest(fields, told_previous, key=self._key) != told:
                    faults.append(Fault(seq, "altered", f"Entry {seq} does not say what its digest was made of."))
                if seq in kept and kept[seq].digest != told:
                    faults.append(
                        Fault(seq, "rewritten", f"Entry {seq} is not the one that was anchored: the chain up to here "
                              "was computed anew.")
                    )  # fmt: skip
                if op == "batch":
                    opened.add(batch)
                elif batch not in opened:
                    faults.append(
                        Fault(seq, "rule", f"Entry {seq} is of batch {batch!r}, which was not opened before.")
                    )
                if op == "retire":
                    retired[self._id(seq)] = amount
                if op == "offset" and retired.pop(ref, None) != amount:
                    faults.append(
                        Fault(seq, "rule", f"Entry {seq} uses {ref!r}, which is no unused retirement of that amount.")
                    )
                self._post(positions, faults, seq, batch, source, target, amount)
                previous, expected = told, seq + 1
        return expected - 1, previous, positions

    def _post(
        self, positions: dict[tuple[str, str], int], faults: list[Fault], seq: int, batch: str, source: str | None,
        target: str | None, amount: int,
    ) -> None:  # fmt: skip
        if source is not None:
            left = positions[source, batch] = positions.get((source, batch), 0) - amount
            if left < 0 and source != ISSUED:
                faults.append(
                    Fault(
                        seq, "overdrawn", f"After entry {seq} {source!r} would hold {self._major(left)} of {batch!r}."
                    )
                )
        if target is not None:
            positions[target, batch] = positions.get((target, batch), 0) + amount

    def _check_positions(self, positions: Mapping[tuple[str, str], int], faults: list[Fault]) -> None:
        stored = {(a, b): x for a, b, x in self._db.execute("SELECT account, batch, amount FROM position")}
        for account, batch in sorted(stored.keys() | positions.keys()):
            here, summed = stored.get((account, batch), 0), positions.get((account, batch), 0)
            if here != summed:
                faults.append(
                    Fault(None, "position", f"{account!r} is said to hold {self._major(here)} of {batch!r}; its "
                          f"entries add up to {self._major(summed)}.")
                )  # fmt: skip
        guards = {r[0] for r in self._db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        if not {"entries_stay", "entries_are_kept"} <= guards:
            faults.append(Fault(None, "unguarded", "The triggers that keep entries from being altered were removed."))

    # ---------------------------------------------------------------------------------------------- export, import

    def export(self, path: str | Path) -> Path:
        """Write the whole ledger as JSON lines (``.jsonl``) or Parquet (``.parquet``), whole or not at all.

        Returns
        -------
        pathlib.Path
            The file. JSON lines: the head of the ledger first, then one entry a line, amounts in the smallest unit.
            Parquet: the same entries, the head in the file's metadata.

        Raises
        ------
        LedgerError
            Another ending.
        """
        import json

        import polars as pl

        path = Path(path)
        if path.suffix not in {".jsonl", ".parquet"}:
            raise LedgerError(f"{path.name}: export writes .jsonl or .parquet. Name the file so.")
        rows = self._db.execute(f"SELECT {', '.join(_COLUMNS)} FROM entry ORDER BY seq")
        with written_whole(path) as part:
            if path.suffix == ".jsonl":
                with part.open("w", encoding="utf-8") as file:
                    file.write(canonical(self._meta) + "\n")
                    file.writelines(canonical(dict(zip(_COLUMNS, row, strict=True))) + "\n" for row in rows)
            else:
                frame = pl.DataFrame(rows.fetchall(), schema=_polars_schema(), orient="row")
                frame.write_parquet(part, metadata={"citylab_ledger": json.dumps(self._meta, ensure_ascii=False)})
        return path

    @classmethod
    def restore(cls, source: str | Path, path: str | Path, *, key: bytes | None = None) -> CreditLedger:
        """Make a ledger from an export, after checking every digest and every rule.

        Parameters
        ----------
        source
            A file that :meth:`export` wrote.
        path
            Where the ledger shall be; it must not exist.
        key
            Secret of a keyed ledger.

        Raises
        ------
        IntegrityError
            The export was altered; the message says at which entry. Nothing is written.
        LedgerError
            The file is no export, or ``path`` exists.
        """
        path = Path(path)
        if path.exists():
            raise LedgerError(f"{path} exists. Name another file.")
        meta, rows = _exported(Path(source))
        _check_key(meta, key, source)
        try:
            with written_whole(path) as part:
                part.unlink()
                _write_new(part, meta, rows, key)
                with cls.open(part, key=key) as copy:
                    found = copy.verify(most=1)
                if not found.is_sound:
                    raise IntegrityError(f"{source} was altered. {found.faults[0].message} Nothing was written.")
        except sqlite3.DatabaseError as cause:
            raise IntegrityError(f"{source} breaks the ledger's rules ({cause}). Nothing was written.") from cause
        return cls.open(path, key=key)

    # ------------------------------------------------------------------------------------------------------- inside

    def _begin(self) -> None:
        try:
            # IMMEDIATE takes the writer's place at once: what is read next is what will be written upon.
            self._db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as cause:
            raise LedgerError(
                f"Another writer held {self._path.name} for more than {_PATIENCE_S:.0f} s ({cause}). Nothing was "
                "written; try again."
            ) from cause

    def _record(
        self, op: Operation, batch: str, source: str | None, target: str | None, amount: int, *, request_id: str,
        ref: str | None = None, detail: Mapping[str, Any] | None = None,
    ) -> Entry:  # fmt: skip
        import json

        if not isinstance(batch, str) or not batch.strip():
            raise LedgerError(f"batch is {batch!r}; name the batch of credits.")
        if not isinstance(request_id, str) or not request_id.strip():
            raise LedgerError(
                f"request_id is {request_id!r}. Give each request a name of its own (a trip's id, an order's number), "
                "so that sending it twice is noticed."
            )
        told = canonical(dict(detail or {}))
        with self.together():
            self._refuse_replay(request_id)
            if op != "batch":
                self._terms(batch)
            elif self._db.execute("SELECT 1 FROM entry WHERE op = 'batch' AND batch = ?", (batch,)).fetchone():
                raise ReplayError(f"Batch {batch!r} was opened before. Its terms do not change; name another batch.")
            if source is not None and source != ISSUED:
                self._refuse_overdraft(source, batch, amount)
            last, before, previous = self._last()
            # A clock set back must not make the ledger run backwards.
            at = max(_now(), before)
            fields = [last + 1, at, op, request_id, batch, source, target, amount, ref, told]
            made = digest(fields, previous, key=self._key)
            self._db.execute(_INSERT, (*fields, previous, made))
            if source is not None:
                self._move(source, batch, -amount)
            if target is not None:
                self._move(target, batch, amount)
        return Entry(
            seq=last + 1, at=at, op=op, request_id=request_id, batch=batch, source=source, target=target,
            amount=self._major(amount), ref=ref, detail=json.loads(told), digest=made, id=self._id(last + 1),
        )  # fmt: skip

    def _last(self) -> tuple[int, str, str]:
        """Return number, time and digest of the last entry."""
        row = self._db.execute("SELECT seq, at, digest FROM entry ORDER BY seq DESC LIMIT 1").fetchone()
        return tuple(row) if row else (0, "", self._genesis())

    def _move(self, account: str, batch: str, amount: int) -> None:
        try:
            # UPDATE first: the CHECK would judge a negative amount before the conflict is resolved.
            changed = self._db.execute(
                "UPDATE position SET amount = amount + ? WHERE account = ? AND batch = ?", (amount, account, batch)
            )
            if changed.rowcount == 0:
                self._db.execute(_ADD, (account, batch, amount))
        except (OverflowError, sqlite3.IntegrityError) as cause:
            raise LedgerError(
                f"{account!r} cannot hold that much of {batch!r} ({cause}). Nothing was written."
            ) from cause

    def _refuse_replay(self, request_id: str) -> None:
        row = self._db.execute("SELECT seq, op FROM entry WHERE request_id = ?", (request_id,)).fetchone()
        if row is not None:
            raise ReplayError(
                f"Request {request_id!r} was carried out before, as entry {row[0]} ({row[1]}). It is not carried out "
                "again; a new request needs a name of its own."
            )

    def _refuse_overdraft(self, account: str, batch: str, amount: int) -> None:
        row = self._db.execute(
            "SELECT amount FROM position WHERE account = ? AND batch = ?", (account, batch)
        ).fetchone()
        held = row[0] if row else 0
        if held < amount:
            raise NotEnoughError(
                f"{account!r} holds {self._major(held)} {self.unit} of batch {batch!r}, and {self._major(amount)} were "
                "to leave it. Nothing was written."
            )

    def _terms(self, batch: str) -> dict[str, Any]:
        import json

        row = self._db.execute("SELECT detail FROM entry WHERE op = 'batch' AND batch = ?", (batch,)).fetchone()
        if row is None:
            known = [r[0] for r in self._db.execute("SELECT batch FROM entry WHERE op = 'batch'")]
            raise suggest(batch, known, what="batch", see="CreditLedger.batches(); open_batch() makes a new one")
        return dict(json.loads(row[0]))

    def _minor(self, amount: Amount, rounding: Literal["down"] | None = None) -> int:
        exact = _decimal(amount)
        steps = exact / self._scale
        if rounding == "down":
            steps = steps.to_integral_value(rounding=ROUND_DOWN)
        elif steps != steps.to_integral_value():
            raise LedgerError(
                f"{amount} has more than the {self.decimals} digits after the point that this ledger keeps. Round it "
                "as your rules say, or issue with rounding='down'."
            )
        if not 0 < steps <= _MOST:
            raise LedgerError(f"{amount} {self.unit} cannot be booked: an amount is above 0 and below {_MOST} steps.")
        return int(steps)

    def _major(self, minor: int) -> Decimal:
        return minor * self._scale

    def _id(self, seq: int) -> str:
        return f"{self.ledger_id}:{seq}"

    def _seq_of(self, entry_id: str) -> int:
        ledger, _, seq = entry_id.rpartition(":")
        return int(seq) if ledger == self.ledger_id and seq.isdecimal() else 0

    def _genesis(self) -> str:
        return _genesis(self._meta, self._key)


def _genesis(meta: Mapping[str, str], key: bytes | None) -> str:
    """Return what the first entry follows: the head of the ledger, so that unit and digits are in the chain too."""
    return digest([[name, meta[name]] for name in sorted(meta) if name != "key_check"], "", key=key)


def _key_check(meta: Mapping[str, str], key: bytes | None) -> str:
    return digest(["key", meta["ledger_id"]], "", key=key)


def _check_key(meta: Mapping[str, str], key: bytes | None, path: object) -> None:
    if not hmac.compare_digest(meta["key_check"], _key_check(meta, key)):
        made = "with a key; give the one it was made with" if meta["is_keyed"] == "true" else "without a key; give none"
        raise IntegrityError(f"{path} was made {made}.")


def _write_new(path: Path, meta: Mapping[str, str], rows: Iterable[Sequence[Any]], key: bytes | None) -> None:
    """Write a ledger with the entries it is given; balances follow from them."""
    with written_whole(path) as part:
        db = sqlite3.connect(part, isolation_level=None)
        try:
            db.executescript(_SCHEMA)
            db.execute("BEGIN")
            head = {**meta, "key_check": _key_check(meta, key)}
            db.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", sorted(head.items()))
            db.executemany(_INSERT, rows)
            db.execute(
                "INSERT INTO position (account, batch, amount) SELECT account, batch, SUM(amount) FROM ("
                "SELECT source AS account, batch, -amount AS amount FROM entry WHERE source IS NOT NULL UNION ALL "
                "SELECT target, batch, amount FROM entry WHERE target IS NOT NULL) GROUP BY account, batch"
            )
            db.execute("COMMIT")
            db.execute("PRAGMA journal_mode = WAL")
        finally:
            db.close()
        if path.exists():
            raise LedgerError(f"{path} was made by somebody else meanwhile. Open it, or name another file.")


def _exported(source: Path) -> tuple[dict[str, str], list[Sequence[Any]]]:
    import json

    import polars as pl

    try:
        if source.suffix == ".parquet":
            meta = json.loads(pl.read_parquet_metadata(source)["citylab_ledger"])
            rows: list[Sequence[Any]] = pl.read_parquet(source).select(_COLUMNS).rows()  # type: ignore[assignment]
        else:
            head, *lines = source.read_text(encoding="utf-8").splitlines()
            meta = json.loads(head)
            rows = [[entry[c] for c in _COLUMNS] for entry in map(json.loads, lines)]
        if meta["format"] != FORMAT:
            raise LedgerError(f"{source} has the layout {meta['format']!r}; this version reads {FORMAT!r}.")
    except (OSError, KeyError, ValueError, TypeError, pl.exceptions.PolarsError) as cause:
        if isinstance(cause, LedgerError):
            raise
        raise LedgerError(f"{source} is no export of a ledger ({type(cause).__name__}: {cause}).") from cause
    return meta, rows


def _polars_schema() -> dict[str, Any]:
    import polars as pl

    return {c: pl.Int64 if c in {"seq", "amount"} else pl.String for c in _COLUMNS}


def _decimal(amount: Amount) -> Decimal:
    try:
        # A float is what it prints as: 0.1 means a tenth.
        exact = Decimal(str(amount)) if isinstance(amount, float) else Decimal(amount)
    except (InvalidOperation, TypeError, ValueError) as cause:
        raise LedgerError(f"{amount!r} is no amount. Give a number, or text such as '0.468'.") from cause
    if isinstance(amount, bool) or not exact.is_finite():
        raise LedgerError(f"{amount!r} is no amount. Give a number, or text such as '0.468'.")
    return exact


def _account(name: str) -> str:
    if not isinstance(name, str) or not name.strip() or name.startswith("@"):
        raise LedgerError(
            f"{name!r} is no name for an account: it must be text, not empty, and not begin with '@', which marks the "
            "ledger's own."
        )
    return name


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="microseconds")
