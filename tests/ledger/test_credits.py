"""The ledger of credits: nothing appears, nothing vanishes, nothing is altered unseen."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from calibration.ledger import killed, random_operations, writer
from citylab.errors import IntegrityError, RangeError, SchemaError, UnknownNameError
from citylab.ledger import chain
from citylab.ledger.credits import CreditLedger, LedgerError, NotEnoughError, ReplayError


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[CreditLedger]:
    with CreditLedger.create(tmp_path / "credits.sqlite", unit="kg_co2", decimals=3) as made:
        made.open_batch("b", {"methodology": "db11t3043-2024", "vintage": "2024-10"})
        yield made


def tampered(ledger: CreditLedger, *statements: str) -> sqlite3.Connection:
    """Write behind the ledger's back, as somebody with the file in hand could."""
    with sqlite3.connect(ledger.path) as db:
        db.execute("DROP TRIGGER entries_stay")
        db.execute("DROP TRIGGER entries_are_kept")
        for statement in statements:
            db.execute(statement)
        db.execute(
            "CREATE TRIGGER entries_stay BEFORE UPDATE ON entry BEGIN SELECT RAISE(ABORT, 'an entry is kept'); END"
        )
        db.execute(
            "CREATE TRIGGER entries_are_kept BEFORE DELETE ON entry BEGIN SELECT RAISE(ABORT, 'an entry is kept'); END"
        )
    return db


def some_entries(ledger: CreditLedger, n: int = 10) -> None:
    for i in range(n):
        ledger.issue(f"r{i % 3}", "1.5", batch="b", request_id=f"i{i}")


# ------------------------------------------------------------------------------------------------------------ rules


def test_what_was_issued_is_held_retired_or_cancelled(ledger: CreditLedger) -> None:
    # 0.468 kg issued, 0.1 sent on, 0.2 + 0.05 leave circulation: 0.468 - 0.2 - 0.05 = 0.218 are held.
    ledger.issue("a", "0.468", batch="b", request_id="1")
    ledger.transfer("a", "c", "0.1", batch="b", request_id="2")
    ledger.retire("a", "0.2", batch="b", purpose="voluntary", request_id="3")
    ledger.cancel("c", "0.05", batch="b", reason="claimed twice", request_id="4")
    totals = ledger.totals()
    assert (totals.issued, totals.held, totals.retired, totals.cancelled) == tuple(
        map(Decimal, ("0.468", "0.218", "0.200", "0.050"))
    )
    assert totals.is_balanced
    assert ledger.balance("a") == Decimal("0.168")
    assert ledger.balance("c", batch="b") == Decimal("0.050")
    assert ledger.balance("nobody") == 0
    assert ledger.verify().is_sound


def test_the_unit_is_a_parameter(tmp_path: Path) -> None:
    with CreditLedger.create(tmp_path / "hours.sqlite", unit="h_volunteering", decimals=2) as hours:
        hours.open_batch("2026", {})
        hours.issue("li", "2.25", batch="2026", request_id="1")
        hours.transfer("li", "wang", "0.25", batch="2026", request_id="2")
        assert hours.totals().unit == "h_volunteering"
        assert hours.balances().to_dicts() == [
            {"account": "li", "batch": "2026", "amount": 2.0, "unit": "h_volunteering"},
            {"account": "wang", "batch": "2026", "amount": 0.25, "unit": "h_volunteering"},
        ]


@pytest.mark.parametrize("leave", ["transfer", "retire", "cancel"])
def test_more_than_is_held_cannot_leave_and_nothing_is_written(ledger: CreditLedger, leave: str) -> None:
    ledger.issue("a", 1, batch="b", request_id="1")
    before = ledger.anchor()
    how = {
        "transfer": lambda: ledger.transfer("a", "c", "1.001", batch="b", request_id="2"),
        "retire": lambda: ledger.retire("a", "1.001", batch="b", purpose="voluntary", request_id="2"),
        "cancel": lambda: ledger.cancel("a", "1.001", batch="b", reason="error", request_id="2"),
    }[leave]
    with pytest.raises(NotEnoughError, match=r"'a' holds 1\.000 kg_co2 of batch 'b', and 1\.001 were to leave"):
        how()
    assert ledger.anchor() == before


def test_credits_of_one_batch_do_not_pay_for_another(ledger: CreditLedger) -> None:
    ledger.open_batch("c", {})
    ledger.issue("a", 5, batch="b", request_id="1")
    with pytest.raises(NotEnoughError, match="of batch 'c'"):
        ledger.retire("a", 1, batch="c", purpose="voluntary", request_id="2")


def test_a_request_sent_twice_is_carried_out_once(ledger: CreditLedger) -> None:
    ledger.issue("a", 1, batch="b", request_id="trip-1")
    with pytest.raises(ReplayError, match=r"'trip-1' was carried out before, as entry 2 \(issue\)"):
        ledger.issue("a", 1, batch="b", request_id="trip-1")
    with pytest.raises(ReplayError):
        ledger.transfer("a", "c", 1, batch="b", request_id="trip-1")
    assert ledger.totals().issued == 1


def test_a_batch_is_opened_once_and_before_it_is_issued(ledger: CreditLedger) -> None:
    with pytest.raises(UnknownNameError, match=r"Unknown batch 'bb'\. Nearest: 'b'"):
        ledger.issue("a", 1, batch="bb", request_id="1")
    with pytest.raises(ReplayError, match="opened before"):
        ledger.open_batch("b", {"methodology": "another"}, request_id="again")


@pytest.mark.parametrize(
    ("amount", "match"),
    [
        (0, "above 0"),
        (-1, "above 0"),
        ("0.4685", "more than the 3 digits"),
        ("nan", "no amount"),
        (float("inf"), "no amount"),
        ("much", "no amount"),
        (None, "no amount"),
        (True, "no amount"),
        ("1e30", "cannot be booked"),
    ],
)
def test_an_amount_that_cannot_be_booked_is_refused(ledger: CreditLedger, amount: object, match: str) -> None:
    with pytest.raises(LedgerError, match=match):
        ledger.issue("a", amount, batch="b", request_id="1")  # type: ignore[arg-type]
    assert ledger.anchor().seq == 1


def test_rounding_down_never_issues_more_than_was_reduced(ledger: CreditLedger) -> None:
    assert ledger.issue("a", "0.46899", batch="b", request_id="1", rounding="down").amount == Decimal("0.468")
    with pytest.raises(LedgerError, match="above 0"):
        ledger.issue("a", "0.0009", batch="b", request_id="2", rounding="down")


def test_a_float_is_what_it_prints_as(ledger: CreditLedger) -> None:
    # 0.1 + 0.2 prints as 0.30000000000000004: that has too many digits, and is not quietly taken for 0.3.
    ledger.issue("a", 0.1, batch="b", request_id="1")
    with pytest.raises(LedgerError, match="more than the 3 digits"):
        ledger.issue("a", 0.1 + 0.2, batch="b", request_id="2")
    assert ledger.balance("a") == Decimal("0.1")


@pytest.mark.parametrize("name", ["", "  ", "@issued", "@mine", None])
def test_an_account_of_the_ledger_itself_cannot_be_named(ledger: CreditLedger, name: object) -> None:
    with pytest.raises(LedgerError, match="no name for an account"):
        ledger.issue(name, 1, batch="b", request_id="1")  # type: ignore[arg-type]


def test_an_account_does_not_pay_itself(ledger: CreditLedger) -> None:
    ledger.issue("a", 1, batch="b", request_id="1")
    with pytest.raises(LedgerError, match="pay itself"):
        ledger.transfer("a", "a", 1, batch="b", request_id="2")


@pytest.mark.parametrize("request_id", ["", " ", None])
def test_a_request_without_a_name_is_refused(ledger: CreditLedger, request_id: object) -> None:
    with pytest.raises(LedgerError, match="Give each request a name"):
        ledger.issue("a", 1, batch="b", request_id=request_id)  # type: ignore[arg-type]


def test_a_table_is_issued_whole_or_not_at_all(ledger: CreditLedger) -> None:
    good = pl.DataFrame({"account": ["a", "b"], "amount": [0.4689, 1.0], "request_id": ["1", "2"]})
    done = ledger.issue_many(good, batch="b", rounding="down")
    assert done["issued"].item() == pytest.approx(1.468)
    assert done["not_issued"].item() == pytest.approx(0.0009)
    before = ledger.anchor()
    twice = pl.DataFrame({"account": ["a", "b"], "amount": [1.0, 1.0], "request_id": ["3", "2"]})
    with pytest.raises(ReplayError):
        ledger.issue_many(twice, batch="b")
    with pytest.raises(LedgerError, match="A row without"):
        ledger.issue_many(good.with_columns(amount=pl.lit(None, pl.Float64)), batch="b")
    with pytest.raises(SchemaError, match="'account'"):
        ledger.issue_many(good.drop("account"), batch="b")
    assert ledger.anchor() == before


def test_together_stands_or_falls_as_one(ledger: CreditLedger) -> None:
    before = ledger.anchor()
    with pytest.raises(NotEnoughError), ledger.together():
        ledger.issue("a", 1, batch="b", request_id="1")
        with ledger.together():
            ledger.issue("a", 1, batch="b", request_id="2")
        ledger.retire("a", 3, batch="b", purpose="voluntary", request_id="3")
    assert ledger.anchor() == before
    assert ledger.totals().issued == 0


# ---------------------------------------------------------------------------------------------------------- offsets


def test_a_retirement_is_used_as_an_offset_once_in_whichever_market(ledger: CreditLedger) -> None:
    ledger.issue("a", 10, batch="b", request_id="1")
    retired = ledger.retire("a", 4, batch="b", purpose="offset", request_id="2")
    ledger.use_as_offset(retired.id, market="beijing-ets", obligation="plant 7, 2025", request_id="3")
    with pytest.raises(ReplayError, match="in 'beijing-ets' for 'plant 7, 2025'"):
        ledger.use_as_offset(retired.id, market="national-ets", obligation="plant 9, 2025", request_id="4")
    assert ledger.totals().offset == 4
    assert ledger.totals().is_balanced


def test_only_what_was_retired_for_offsetting_is_an_offset(ledger: CreditLedger) -> None:
    ledger.issue("a", 10, batch="b", request_id="1")
    gift = ledger.retire("a", 4, batch="b", purpose="voluntary", request_id="2")
    with pytest.raises(LedgerError, match="retired for 'voluntary'"):
        ledger.use_as_offset(gift.id, market="m", obligation="o", request_id="3")
    for name in ("elsewhere:3", f"{ledger.ledger_id}:2", f"{ledger.ledger_id}:99", "x"):
        with pytest.raises(UnknownNameError, match="no retirement of this ledger"):
            ledger.use_as_offset(name, market="m", obligation="o", request_id="4")


def test_what_another_mechanism_claims_is_no_offset(ledger: CreditLedger) -> None:
    ledger.open_batch("priced", {"claimed_under": "beijing-ets"})
    ledger.issue("a", 1, batch="priced", request_id="1")
    retired = ledger.retire("a", 1, batch="priced", purpose="offset", request_id="2")
    with pytest.raises(LedgerError, match="claimed under 'beijing-ets' already"):
        ledger.use_as_offset(retired.id, market="beijing-ets", obligation="o", request_id="3")


# -------------------------------------------------------------------------------------------------------- tampering


def test_an_altered_entry_is_located(ledger: CreditLedger) -> None:
    some_entries(ledger)
    tampered(ledger, "UPDATE entry SET amount = 99000 WHERE seq = 5")
    faults = ledger.verify().faults
    assert [(f.seq, f.kind) for f in faults][:1] == [(5, "altered")]
    # Entry 5 issued to r0: its entries no longer add up to what it is said to hold.
    assert [f.kind for f in faults[1:]] == ["position", "position"]


def test_a_deleted_entry_is_located(ledger: CreditLedger) -> None:
    some_entries(ledger)
    tampered(ledger, "DELETE FROM entry WHERE seq = 6")
    faults = ledger.verify().faults
    assert (faults[0].seq, faults[0].kind) == (6, "missing")


def test_exchanged_entries_are_located(ledger: CreditLedger) -> None:
    some_entries(ledger)
    tampered(
        ledger,
        "UPDATE entry SET seq = 1000 WHERE seq = 4",
        "UPDATE entry SET seq = 4 WHERE seq = 7",
        "UPDATE entry SET seq = 7 WHERE seq = 1000",
    )
    found = {f.seq for f in ledger.verify().faults if f.kind == "altered"}
    assert found == {4, 7}


def test_an_entry_with_a_digest_made_anew_breaks_the_next_link(ledger: CreditLedger) -> None:
    some_entries(ledger)
    with sqlite3.connect(ledger.path) as db:
        row = list(db.execute("SELECT * FROM entry WHERE seq = 5").fetchone())
    row[7] = 99_000
    forged = chain.digest(row[:10], row[10])
    tampered(ledger, f"UPDATE entry SET amount = 99000, digest = '{forged}' WHERE seq = 5")
    faults = ledger.verify().faults
    assert (faults[0].seq, faults[0].kind) == (6, "broken_link")


def rewrite_from(ledger: CreditLedger, seq: int, amount: int) -> None:
    """Alter an entry and compute everything after it anew, as a careful forger without a key would."""
    with sqlite3.connect(ledger.path) as db:
        rows = [list(r) for r in db.execute("SELECT * FROM entry ORDER BY seq")]
    previous, statements = rows[seq - 2][11], []
    for row in rows[seq - 1 :]:
        if row[0] == seq:
            statements.append(f"UPDATE position SET amount = amount + {amount - row[7]} WHERE account = '{row[6]}'")
            statements.append(f"UPDATE position SET amount = amount - {amount - row[7]} WHERE account = '@issued'")
            row[7] = amount
        row[10], row[11] = previous, chain.digest(row[:10], previous)
        previous = row[11]
        statements.append(
            f"UPDATE entry SET amount = {row[7]}, previous = '{row[10]}', digest = '{row[11]}' WHERE seq = {row[0]}"
        )
    tampered(ledger, *statements)


def test_a_chain_made_anew_is_found_by_an_anchor_and_by_nothing_else(ledger: CreditLedger) -> None:
    some_entries(ledger)
    early, late = chain.Anchor(ledger.ledger_id, 3, ledger.entries(last=3)["digest"][-1]), ledger.anchor()
    rewrite_from(ledger, 5, 99_000)
    assert ledger.verify().is_sound
    assert ledger.verify([early]).is_sound
    assert [(f.seq, f.kind) for f in ledger.verify([early, late]).faults] == [(late.seq, "rewritten")]


def test_a_chain_made_anew_without_the_key_is_found_without_an_anchor(tmp_path: Path) -> None:
    with CreditLedger.create(tmp_path / "keyed.sqlite", unit="kg_co2", key=b"secret") as keyed:
        keyed.open_batch("b", {})
        some_entries(keyed)
        assert keyed.verify().is_sound
        rewrite_from(keyed, 5, 99_000)
        assert {f.seq for f in keyed.verify().faults if f.kind == "altered"} == set(range(5, 12))


def test_entries_cut_off_at_the_end_are_found_by_an_anchor(ledger: CreditLedger) -> None:
    some_entries(ledger)
    kept = ledger.anchor()
    tampered(ledger, "DELETE FROM entry WHERE seq > 8", "DELETE FROM position")
    assert [(f.seq, f.kind) for f in ledger.verify([kept]).faults if f.seq] == [(11, "cut_off")]


def test_a_balance_altered_alone_is_found(ledger: CreditLedger) -> None:
    some_entries(ledger)
    with sqlite3.connect(ledger.path) as db:
        db.execute("UPDATE position SET amount = amount + 1 WHERE account = 'r1'")
    (fault,) = ledger.verify().faults
    assert fault.kind == "position"
    assert "'r1' is said to hold 4.501 of 'b'; its entries add up to 4.500" in fault.message


def test_the_head_is_part_of_the_chain(ledger: CreditLedger) -> None:
    some_entries(ledger)
    path = ledger.path
    with sqlite3.connect(path) as db:
        db.execute("UPDATE meta SET value = 't_co2' WHERE name = 'unit'")
    with CreditLedger.open(path) as again:
        assert (again.verify().faults[0].seq, again.verify().faults[0].kind) == (1, "broken_link")


def test_ordinary_sql_cannot_alter_an_entry(ledger: CreditLedger) -> None:
    some_entries(ledger)
    with sqlite3.connect(ledger.path) as db:
        with pytest.raises(sqlite3.IntegrityError, match="never altered"):
            db.execute("UPDATE entry SET amount = 1 WHERE seq = 3")
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            db.execute("DELETE FROM entry WHERE seq = 3")
        db.execute("DROP TRIGGER entries_stay")
    assert [f.kind for f in ledger.verify().faults] == ["unguarded"]


def test_a_clock_set_back_does_not_make_the_ledger_run_backwards(
    ledger: CreditLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = ledger.issue("a", 1, batch="b", request_id="1").at
    monkeypatch.setattr("citylab.ledger.credits._now", lambda: "2001-01-01T00:00:00.000000+00:00")
    assert ledger.issue("a", 1, batch="b", request_id="2").at == first


# ------------------------------------------------------------------------------------------- files, export, restore


def test_a_file_is_neither_made_twice_nor_opened_as_what_it_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    CreditLedger.create(path, unit="kg_co2").close()
    with pytest.raises(LedgerError, match="exists"):
        CreditLedger.create(path, unit="kg_co2")
    with pytest.raises(LedgerError, match="No ledger at"):
        CreditLedger.open(tmp_path / "b.sqlite")
    (tmp_path / "c.sqlite").write_text("no ledger at all, but long enough to be read as one" * 100)
    with pytest.raises(LedgerError, match="not a ledger"):
        CreditLedger.open(tmp_path / "c.sqlite")
    with sqlite3.connect(tmp_path / "d.sqlite") as db:
        db.execute("CREATE TABLE meta (name TEXT, value TEXT)")
    with pytest.raises(LedgerError, match="the layout None"):
        CreditLedger.open(tmp_path / "d.sqlite")
    with pytest.raises(SchemaError, match="unit"):
        CreditLedger.create(tmp_path / "e.sqlite", unit=" ")
    with pytest.raises(RangeError, match="decimals is 12"):
        CreditLedger.create(tmp_path / "e.sqlite", unit="kg_co2", decimals=12)


def test_a_keyed_ledger_opens_with_its_key_only(tmp_path: Path) -> None:
    CreditLedger.create(tmp_path / "keyed.sqlite", unit="kg_co2", key=b"secret").close()
    CreditLedger.create(tmp_path / "plain.sqlite", unit="kg_co2").close()
    for key in (None, b"guess"):
        with pytest.raises(IntegrityError, match="made with a key"):
            CreditLedger.open(tmp_path / "keyed.sqlite", key=key)
    with pytest.raises(IntegrityError, match="made without a key"):
        CreditLedger.open(tmp_path / "plain.sqlite", key=b"secret")


@pytest.mark.parametrize("name", ["out.jsonl", "out.parquet"])
@pytest.mark.parametrize("key", [None, b"secret"])
def test_an_export_restores_to_the_same_ledger(tmp_path: Path, name: str, key: bytes | None) -> None:
    with CreditLedger.create(tmp_path / "a.sqlite", unit="kg_co2", title="一年的试点", key=key) as one:
        one.open_batch("b", {"scheme": "北京", "factor": 0.072})
        some_entries(one)
        one.transfer("r0", "市民", "0.5", batch="b", request_id="t")
        retired = one.retire("市民", "0.5", batch="b", purpose="offset", request_id="u")
        one.use_as_offset(retired.id, market="m", obligation="o", request_id="v")
        with CreditLedger.restore(one.export(tmp_path / name), tmp_path / "again.sqlite", key=key) as other:
            assert other.anchor() == one.anchor()
            assert other.totals() == one.totals()
            assert other.entries().equals(one.entries())
            assert other.balances().equals(one.balances())
            assert other.batches().equals(one.batches())
            with pytest.raises(ReplayError):
                other.use_as_offset(retired.id, market="m2", obligation="o", request_id="w")
            other.issue("r0", 1, batch="b", request_id="goes on")
            assert other.verify([one.anchor()]).is_sound


def test_an_altered_export_is_refused_and_leaves_nothing(ledger: CreditLedger, tmp_path: Path) -> None:
    some_entries(ledger)
    lines = ledger.export(tmp_path / "out.jsonl").read_text("utf-8").splitlines()
    entry = json.loads(lines[5])
    lines[5] = json.dumps({**entry, "amount": 99_000})
    (tmp_path / "out.jsonl").write_text("\n".join(lines), "utf-8")
    with pytest.raises(IntegrityError, match="Entry 5 does not say"):
        CreditLedger.restore(tmp_path / "out.jsonl", tmp_path / "again.sqlite")
    lines[5] = json.dumps({**entry, "request_id": "i0"})
    (tmp_path / "out.jsonl").write_text("\n".join(lines), "utf-8")
    with pytest.raises(IntegrityError, match="breaks the ledger's rules"):
        CreditLedger.restore(tmp_path / "out.jsonl", tmp_path / "again.sqlite")
    assert sorted(p.name for p in tmp_path.iterdir() if "again" in p.name) == []


def test_an_export_that_is_none_is_refused(ledger: CreditLedger, tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match=r"\.jsonl or \.parquet"):
        ledger.export(tmp_path / "out.csv")
    (tmp_path / "x.jsonl").write_text('{"format": "another"}\n')
    with pytest.raises(LedgerError, match="the layout 'another'"):
        CreditLedger.restore(tmp_path / "x.jsonl", tmp_path / "y.sqlite")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "x.parquet")
    with pytest.raises(LedgerError, match="no export of a ledger"):
        CreditLedger.restore(tmp_path / "x.parquet", tmp_path / "y.sqlite")
    with pytest.raises(LedgerError, match="exists"):
        CreditLedger.restore(ledger.export(tmp_path / "o.jsonl"), ledger.path)


# ----------------------------------------------------------------------------------------------- crashes and crowds


def test_a_writer_killed_in_the_middle_loses_nothing_that_it_reported(ledger: CreditLedger) -> None:
    assert all(killed(ledger, f"w{turn}", 0.02 * turn) for turn in range(3))
    assert ledger.anchor().seq > 3
    ledger.issue("after", 1, batch="b", request_id="goes on")


def test_two_writers_do_not_corrupt_it(ledger: CreditLedger) -> None:
    processes = [writer(ledger, name, 60) for name in ("one", "two")]
    told = [line.split()[0] for p in processes for line in p.communicate()[0].splitlines()]
    assert [p.returncode for p in processes] == [0, 0]
    assert sorted(map(int, told)) == list(range(2, 122))
    assert ledger.verify().is_sound
    assert (ledger.balance("one"), ledger.balance("two")) == (Decimal("0.060"), Decimal("0.060"))


def test_a_reader_sees_whole_transactions_only(ledger: CreditLedger) -> None:
    seen: list[Decimal] = []
    begun, stop = threading.Event(), threading.Event()

    def read() -> None:
        with CreditLedger.open(ledger.path) as other:
            while not stop.is_set():
                seen.append(other.totals().issued)
                begun.set()

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert begun.wait(60)
        for i in range(20):
            with ledger.together():
                ledger.issue("a", 1, batch="b", request_id=f"{i}a")
                ledger.issue("a", 1, batch="b", request_id=f"{i}b")
    finally:
        stop.set()
        reader.join()
    assert seen
    assert all(amount % 2 == 0 for amount in seen)


# ------------------------------------------------------------------------------------------------ random operations


def test_the_identity_holds_at_every_step_of_random_operations(ledger: CreditLedger) -> None:
    with ledger.together():
        assert all(random_operations(ledger, 3_000, seed=20240628))
    assert ledger.verify().is_sound


class Operations(RuleBasedStateMachine):
    """Any order of operations keeps the identity, the chain, and each account above zero."""

    retirements = Bundle("retirements")

    @initialize()
    def begin(self) -> None:
        import tempfile

        self.folder = tempfile.TemporaryDirectory()
        self.ledger = CreditLedger.create(Path(self.folder.name) / "l.sqlite", unit="kg_co2", decimals=3)
        self.ledger.open_batch("b", {})
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return f"q{self.count}"

    @rule(who=st.sampled_from("xyz"), grams=st.integers(1, 1000))
    def issue(self, who: str, grams: int) -> None:
        self.ledger.issue(who, Decimal(grams).scaleb(-3), batch="b", request_id=self.name())

    @rule(pair=st.permutations("xyz"), grams=st.integers(1, 1000))
    def transfer(self, pair: list[str], grams: int) -> None:
        amount, has = Decimal(grams).scaleb(-3), self.ledger.balance(pair[0])
        if has >= amount:
            self.ledger.transfer(pair[0], pair[1], amount, batch="b", request_id=self.name())
        else:
            with pytest.raises(NotEnoughError):
                self.ledger.transfer(pair[0], pair[1], amount, batch="b", request_id=self.name())

    @rule(target=retirements, who=st.sampled_from("xyz"))
    def retire_all(self, who: str) -> str | None:
        has = self.ledger.balance(who)
        if not has:
            return None
        return self.ledger.retire(who, has, batch="b", purpose="offset", request_id=self.name()).id

    @rule(retirement=consumes(retirements))
    def use_twice(self, retirement: str | None) -> None:
        if retirement is not None:
            self.ledger.use_as_offset(retirement, market="m", obligation="o", request_id=self.name())
            with pytest.raises(ReplayError):
                self.ledger.use_as_offset(retirement, market="n", obligation="o", request_id=self.name())

    @rule()
    def open_again(self) -> None:
        path = self.ledger.path
        self.ledger.close()
        self.ledger = CreditLedger.open(path)

    @invariant()
    def identity(self) -> None:
        if hasattr(self, "ledger"):
            assert self.ledger.totals().is_balanced
            assert self.ledger.verify().is_sound

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            self.folder.cleanup()


TestOperations = Operations.TestCase
TestOperations.settings = settings(max_examples=20, stateful_step_count=20, deadline=None)
