"""The claims register says what the plan texts say, in other words, and no status outlives its date."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from citylab import tables
from citylab.catalog.declaration import Declaration, read

FOLDER = Path(__file__).parents[2] / "datasets" / "plans__undated_plan_claim"

# The number as the text prints it, with its counter. A claim that is not here has no printed number.
PRINTED = {
    "c01": "市级80%", "c02": "区级70%", "c03": "6大方向", "c04": "30个", "c05": "十个方面",
    "c06": "三个片区", "c13": "15个", "c17": "一年", "c21": "20余年", "c22": "1000项", "c23": "55个",
    "c24": "10个", "c27": "4万家", "c28": "七大方面", "c31": "1.5万亿元", "c32": "41.8%", "c36": "三大平台",
    "c37": "300%", "c38": "42个", "c39": "16个区级", "c40": "10P", "c41": "百万级", "c42": "三大核心",
    "c44": "25%", "c45": "15项", "c46": "18类", "c47": "30分钟", "c48": "2000余项", "c49": "200种",
    "c50": "92%", "c51": "500万", "c52": "80%", "c53": "65万", "c54": "12项", "c55": "200万小时",
    "c56": "12个", "c57": "23家", "c58": "100%", "c59": "40%", "c61": "50万吨", "c63": "16个行政区",
    "c65": "50亿元", "c66": "1000亿元", "c67": "10万名", "c68": "60%", "c69": "45%", "c70": "38%",
    "c72": "三年行动", "c74": "35%", "c75": "1268字", "c76": "85%", "c81": "一套",
}  # fmt: skip
# Words by which a text says "all" without a number; text 004 is in traditional characters.
SAID_WITHOUT_NUMBER = {
    "c29": "全覆盖", "c30": "全面普及", "c43": "全覆盖", "c60": "全市", "c71": "全覆盖", "c78": "全部事項",
    "c79": "全覆蓋", "c80": "全人群", "c82": "全面普及",
}  # fmt: skip
NUMBERS_IN_WORDS = {"百万": 10**6, "一": 1, "三": 3, "七": 7, "十": 10}
# Units that already hold the multiplier which the text prints after the number.
UNITS_WITH_MULTIPLIER = {"trillion yuan": "万亿元", "100 million yuan": "亿元"}
# How a date is printed where the text does not print the digits of the register.
DATES_IN_WORDS = {
    "c01": "2020年底前", "c02": "2020年底前", "c10": "去年11月", "c13": "2019年末", "c14": "2019年末",
    "c19": "2021年初", "c25": "今年1月1日", "c83": "“十四五”",
}  # fmt: skip
RUN = re.compile(r"[0-9]+(?:[.\-][0-9]+)*")
RUNS = 143
EXCLUSIONS = {
    "publication_date", "numbering", "name", "year_in_passing", "contact", "page_furniture", "reference_mark",
    "document_number", "document_title", "event",
}  # fmt: skip
LONGEST_SHARED_RUN = 11
LONGEST_SHARED_RUN_ACROSS_SCRIPTS = 7


@pytest.fixture(scope="module")
def declared() -> Declaration:
    return read(FOLDER / "dataset.yml")


@pytest.fixture(scope="module")
def claims() -> dict[str, dict[str, str]]:
    with (FOLDER / "claims.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row["claim_id"]: row for row in rows}


@pytest.fixture(scope="module")
def texts(mirror: Path) -> dict[str, str]:
    """Return the plan texts; a converter left Latin readings in brackets in one of them."""
    found = sorted((mirror.parent / "plans").glob("*.txt"))
    assert [p.stem for p in found] == ["000", "001", "002", "003", "004"]
    return {p.stem: re.sub(r"\([a-zü\u00e0-\u01dc]+\)", "", p.read_text(encoding="utf-8")) for p in found}


def magnitude(printed: str, unit: str) -> Decimal:
    """Return the number that a printed form states, in the unit of the register."""
    found = re.search(r"[0-9]+(?:\.[0-9]+)?", printed)
    kept = UNITS_WITH_MULTIPLIER.get(unit)
    if kept is not None:
        assert found and printed.endswith(kept), f"{printed} is not in {kept}"
        return Decimal(found.group())
    if found is None:
        return Decimal(next(n for word, n in NUMBERS_IN_WORDS.items() if word in printed))
    times = 10**4 if printed[found.end() :].startswith("万") else 1
    return Decimal(found.group()) * times


def letters(text: str) -> str:
    """Return a text without spaces and punctuation, so that those cannot hide a copied phrase."""
    return re.sub(r"[\W_]+", "", text)


def shared(text: str, codec: str) -> str:
    """Return the characters that an encoding of the other script also has."""
    return letters(text).encode(codec, "ignore").decode(codec)


def longest_run(phrase: str, text: str) -> str:
    """Return the longest piece of a phrase that stands in a text."""
    best = ""
    for start in range(len(phrase)):
        while phrase[start : start + len(best) + 1] in text and start + len(best) < len(phrase):
            best = phrase[start : start + len(best) + 1]
    return best


# structure


def test_ids_run_from_c01_to_c83_once_each_and_in_order() -> None:
    lines = (FOLDER / "claims.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [f"c{n:02d}" for n in range(1, 84)]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("claim_class", {"quantity": 57, "date": 18, "universal": 8}),
        ("plan", {"000": 9, "001": 18, "002": 3, "003": 46, "004": 7}),
        ("kind", {"target": 47, "observation": 19, "advert": 11, "document_fact": 4, "self_claim": 2}),
    ],
)
def test_claims_are_counted_as_the_register_announces(claims, column, expected) -> None:
    assert Counter(row[column] for row in claims.values()) == expected


def test_the_file_is_the_one_that_the_declaration_describes(claims, declared) -> None:
    assert len(claims) == declared.coverage.rows
    assert (FOLDER / str(declared.table)).is_file()
    assert list(claims["c01"]) == [c.name for c in declared.columns]


def test_every_cell_is_filled_allowed_and_free_of_stray_spaces(claims, declared) -> None:
    for column in declared.columns:
        for claim_id, row in claims.items():
            cell = row[column.name]
            assert cell == cell.strip(), (claim_id, column.name)
            assert cell or column.nullable, f"{claim_id} has no {column.name}"
            assert not column.allowed or cell in column.allowed, (claim_id, column.name, cell)


def test_a_claim_has_a_value_or_words_for_it_and_dates_are_never_numbers(claims) -> None:
    for claim_id, row in claims.items():
        assert row["value"] or row["value_text"], claim_id
        if row["claim_class"] == "date":
            assert not row["value"], f"{claim_id} would be added up as a number"
        if row["value"] and row["value_text"]:
            number = re.search(r"[0-9.]+", row["value_text"])
            assert number and Decimal(number.group()) == Decimal(row["value"]), claim_id


@pytest.mark.parametrize("what", ["note", "needs"])
def test_a_note_stands_in_both_languages_or_in_neither(claims, what) -> None:
    assert [i for i, row in claims.items() if bool(row[f"{what}_zh"]) != bool(row[f"{what}_en"])] == []


def test_both_languages_of_a_note_state_the_same_decimals_and_percentages(claims) -> None:
    figures = re.compile(r"[0-9]+\.[0-9]+|[0-9]+(?= ?%)")
    for claim_id, row in claims.items():
        assert Counter(figures.findall(row["note_zh"])) == Counter(figures.findall(row["note_en"])), claim_id


# dates and status


def test_nothing_whose_date_has_passed_is_called_future(claims, declared) -> None:
    for claim_id, row in claims.items():
        due = dt.date.fromisoformat(row["due_date"]) if row["due_date"] else None
        if row["status"] == "future":
            assert due and due > declared.accessed, claim_id
        if row["status"] == "due":
            assert due and due <= declared.accessed, claim_id


def test_a_target_that_has_fallen_due_has_a_verdict_or_is_called_due(claims, declared) -> None:
    settled = {"due", "overtaken", "met"}
    fallen_due = {
        claim_id: row["status"]
        for claim_id, row in claims.items()
        if row["kind"] == "target" and row["due_date"] and row["due_date"] <= declared.accessed.isoformat()
    }
    # c83 names a rhythm of reporting for the whole plan period; nothing was found on whether it was kept.
    assert {i: s for i, s in fallen_due.items() if s not in settled} == {"c83": "open"}


def test_a_due_date_is_the_end_of_the_period_that_the_claim_names(claims) -> None:
    for claim_id, row in claims.items():
        named = re.findall(r"[0-9]{4}(?:-[0-9]{2})*(?![0-9])", row["date_text"])
        if row["kind"] in {"document_fact", "self_claim"} or not named:
            assert not row["due_date"], claim_id
            continue
        last = re.sub(r"^([0-9]{4})-([0-9]{4})$", r"\2", row["date_text"].split("+")[0].split(" ")[0])
        parts = [int(n) for n in last.split("-")]
        if len(parts) == 3:
            end = dt.date(*parts)
        elif len(parts) == 2:
            end = dt.date(parts[0] + parts[1] // 12, parts[1] % 12 + 1, 1) - dt.timedelta(days=1)
        else:
            end = dt.date(parts[0], 12, 31)
        assert row["due_date"] == end.isoformat(), claim_id


# arithmetic of the notes


@pytest.mark.parametrize(
    ("claim_id", "says", "derived"),
    [
        ("c24", "62.5 %", 10 / 16 * 100),
        ("c32", "3.589", 1.5 / 0.418),
        ("c40", "0.02 %", 10 / (45 * 1000) * 100),  # 45 EFLOPS are 45 000 PFLOPS
        ("c51", "1.9 times", 5_000_000 / 2_591_507),
        ("c53", "15.1 %", 650_000 / 4_298_590 * 100),
        ("c55", "3.1 hours", 2_000_000 / 650_000),
        ("c61", "3.2", 500_000_000 / 0.6776 / 1400 * 6 / 1e6),  # km²: kg, kWh, kWp, m²
        ("c61", "4.7", 500_000_000 / 0.5580 / 1150 * 6 / 1e6),
        ("c61", "2.0", 500_000_000 / 0.6776 / 1400 * 6 / 1e6 / 155 * 100),
        ("c61", "3.0", 500_000_000 / 0.5580 / 1150 * 6 / 1e6 / 155 * 100),
        ("c61", "410", 500_000 / 1220),
        ("c74", "0.81", (35 - 25.3) / 12),
        ("c74", "2.7 %", ((35 / 25.3) ** (1 / 12) - 1) * 100),
    ],
)
def test_a_figure_derived_in_a_note_follows_from_the_figures_beside_it(claims, claim_id, says, derived) -> None:
    assert says in claims[claim_id]["note_en"]
    number = says.split(" ")[0]
    decimals = len(number.partition(".")[2])
    assert round(derived, decimals) == float(number)


# against the texts


def test_every_number_is_printed_in_its_text_or_declared_as_implied(claims) -> None:
    with_value = {i for i, row in claims.items() if row["value"]}
    assert with_value == PRINTED.keys() | SAID_WITHOUT_NUMBER.keys()
    assert not PRINTED.keys() & SAID_WITHOUT_NUMBER.keys()


@pytest.mark.parametrize("claim_id", PRINTED)
def test_the_value_is_the_number_that_the_text_prints(claims, texts, claim_id) -> None:
    row = claims[claim_id]
    assert PRINTED[claim_id] in texts[row["plan"]]
    assert Decimal(row["value"]) == magnitude(PRINTED[claim_id], row["unit"])


@pytest.mark.parametrize("claim_id", SAID_WITHOUT_NUMBER)
def test_a_hundred_that_is_not_printed_stands_for_a_word_that_means_all(claims, texts, claim_id) -> None:
    row = claims[claim_id]
    assert SAID_WITHOUT_NUMBER[claim_id] in texts[row["plan"]]
    assert row["value"] == "100"
    assert row["unit"].startswith("% of")


def test_every_year_and_month_of_a_date_claim_is_printed_in_its_text(claims, texts) -> None:
    for claim_id, row in claims.items():
        text = texts[row["plan"]]
        if claim_id in DATES_IN_WORDS:
            assert DATES_IN_WORDS[claim_id] in text, claim_id
        elif re.fullmatch(r"[0-9]{4}-[0-9]{2}", row["date_text"]):
            year, month = row["date_text"].split("-")
            assert f"{year}年{int(month)}月" in text, claim_id
        else:
            for year in re.findall(r"[0-9]{4}", row["date_text"]):
                assert year in text, (claim_id, year)


@pytest.mark.parametrize("column", ["claim_zh", "claim_en"])
def test_every_digit_of_a_claim_is_in_the_text_or_in_its_own_row(claims, texts, column) -> None:
    for claim_id, row in claims.items():
        own = " ".join(row[c] for c in ("value", "value_text", "date_text"))
        printed = set(re.findall(r"[0-9]+(?:\.[0-9]+)?", texts[row["plan"]] + " " + own))
        words = re.sub(r"(?<=[0-9]),(?=[0-9]{3})", "", row[column].replace("CO2", ""))
        stated = set(re.findall(r"[0-9]+(?:\.[0-9]+)?", words))
        # Money and millions are also written out in English; the value itself is compared above.
        spelled_out = {"c51": {"5"}, "c55": {"2"}, "c65": {"5", "100"}, "c66": {"100"}}
        assert stated <= printed | spelled_out.get(claim_id, set()), (claim_id, stated - printed)


@pytest.mark.parametrize("column", ["claim_zh", "note_zh", "needs_zh"])
def test_no_phrase_of_twelve_characters_is_copied_from_a_plan_text(claims, texts, column) -> None:
    plans = [letters(t) for t in texts.values()]
    for claim_id, row in claims.items():
        own_words = re.sub(r"[0-9]{8}-T-[0-9]{3}", "", row[column])  # the number of a draft standard
        run = max((longest_run(letters(own_words), plan) for plan in plans), key=len)
        assert len(run) <= LONGEST_SHARED_RUN, (claim_id, run)


def test_no_phrase_is_copied_from_the_text_in_the_other_script(claims, texts) -> None:
    plan = shared(texts["004"], "gb2312")
    for claim_id, row in claims.items():
        run = longest_run(shared(row["claim_zh"], "big5"), plan)
        assert len(run) <= LONGEST_SHARED_RUN_ACROSS_SCRIPTS, (claim_id, run)


def test_claims_without_a_number_copy_no_phrase_either(texts) -> None:
    plans = [letters(t) for t in texts.values()]
    for row in tables.read("claims_directions").iter_rows(named=True):
        for column in ("claim_zh", "note_zh", "needs_zh"):
            run = max((longest_run(letters(row[column]), plan) for plan in plans), key=len)
            assert len(run) <= LONGEST_SHARED_RUN, (row["direction_id"], run)


# every run of digits


def masked(run: str, exclusion: str | None) -> str:
    """Return a run as the table prints it: numbers of telephones and accounts are not kept."""
    return re.sub("[0-9]", "#", run) if exclusion == "contact" else run


def test_every_run_of_digits_of_the_texts_is_in_a_claim_or_excluded_with_a_reason(texts) -> None:
    declared = {plan: [] for plan in texts}
    for row in tables.read("claims_digit_runs").iter_rows(named=True):
        declared[row["plan_code"]].append(row)
    assert sum(map(len, declared.values())) == RUNS
    for plan, text in texts.items():
        found = RUN.findall(text)
        assert [r["n"] for r in declared[plan]] == list(range(1, len(found) + 1)), plan
        assert [r["run"] for r in declared[plan]] == [
            masked(run, r["exclusion"]) for run, r in zip(found, declared[plan], strict=True)
        ], plan


def test_a_run_belongs_to_claims_of_its_text_or_to_one_exclusion_and_never_to_both(claims) -> None:
    for row in tables.read("claims_digit_runs").iter_rows(named=True):
        assert bool(row["claim_ids"]) != bool(row["exclusion"]), row
        if row["exclusion"]:
            assert row["exclusion"] in EXCLUSIONS
        for claim_id in (row["claim_ids"] or "").split("|") if row["claim_ids"] else []:
            assert claims[claim_id]["plan"] == row["plan_code"], row


def test_a_run_that_belongs_to_a_claim_is_its_value_or_stands_in_its_date(claims) -> None:
    ten_thousand = Decimal(10**4)
    for row in tables.read("claims_digit_runs").iter_rows(named=True):
        for claim_id in (row["claim_ids"] or "").split("|") if row["claim_ids"] else []:
            claim = claims[claim_id]
            dated = {part.lstrip("0") for part in re.findall("[0-9]+", claim["date_text"] + " " + claim["value_text"])}
            if set(re.findall("[0-9]+", row["run"])) <= dated:
                continue
            value = Decimal(claim["value"] or "NaN")
            assert Decimal(row["run"]) in (value, value / ten_thousand), row


def test_every_claim_whose_number_is_printed_in_digits_has_its_run() -> None:
    held = {i for ids in tables.read("claims_digit_runs")["claim_ids"].drop_nulls() for i in ids.split("|")}
    in_digits = {i for i, printed in PRINTED.items() if re.search("[0-9]", printed)}
    assert in_digits <= held
