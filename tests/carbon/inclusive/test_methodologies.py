"""Methodologies as declarations: dated, marked, one file each."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from citylab.carbon.inclusive import methodologies as declared
from citylab.carbon.inclusive.methodologies import MARKS, in_force, methodology, read
from citylab.errors import DeclarationError, RangeError, UnknownNameError

ALL = declared.ids()
DOUBTFUL = (0.232, 0.218, 0.215, 0.205)
"""Baselines of other cities in a public file whose other factors are fixed ratios of them: they must not ship."""


@pytest.mark.parametrize("name", ALL)
def test_every_methodology_says_how_sure_it_is_of_each_number_and_where_from(name: str) -> None:
    m = methodology(name)
    assert m.id == name
    told = m.factors()
    assert told.filter(pl.col("source").str.strip_chars() == "").is_empty()
    assert set(told["mark"]) <= set(MARKS)
    assert told.filter(pl.col("factor").is_null())["mark"].eq("unknown").all()
    for act in m.acts.values():
        limits = (act.min_distance_km, act.max_distance_km, act.max_speed_kmh, act.max_quantity)
        assert all(t.source for t in limits if t is not None)
    for text in (m.title, m.scheme, m.formula, m.double_claims, m.note):
        assert text.zh.strip() and text.en.strip()


@pytest.mark.parametrize("name", ALL)
def test_factors_that_look_generated_do_not_ship(name: str) -> None:
    assert not set(methodology(name).factors()["factor"].drop_nulls()) & set(DOUBTFUL)


def test_editions_of_a_family_do_not_overlap_in_time() -> None:
    table = declared.methodologies().sort("family", "valid_from")
    later = table.with_columns(before=pl.col("valid_to").shift(1).over("family"))
    assert later.filter(pl.col("before").is_not_null(), pl.col("valid_from") <= pl.col("before")).is_empty()


def test_the_factors_of_the_regional_standard_give_the_reductions_that_are_quoted_for_it() -> None:
    # Quoted a person-km: bus 0.052, metro 0.072, cycling 0.0953, walking 0.104 kg; electric for combustion car 0.153.
    acts = methodology("beijing-travel-2024").acts
    quoted = {"bus": 0.052, "metro": 0.072, "cycle": 0.0953, "walk": 0.104}
    for name, kg in quoted.items():
        assert acts[name].baseline.factor - acts[name].project.factor == pytest.approx(kg, abs=1e-9)  # type: ignore[operator]
        assert acts[name].project.mark == "secondary"
    drive = methodology("beijing-ev-2025").acts["ev_drive"]
    assert drive.baseline.factor - drive.project.factor == pytest.approx(0.153, abs=1e-9)  # type: ignore[operator]


def test_a_private_car_is_about_four_buses_and_seven_metros() -> None:
    # Beijing Transport Institute: about 4 x bus and 7 x metro a person-km.
    m = methodology("beijing-travel-2024")
    car = m.alternatives["car"].factor
    assert car / m.acts["bus"].project.factor == pytest.approx(4, rel=0.06)  # type: ignore[operator]
    assert car / m.acts["metro"].project.factor == pytest.approx(7, rel=0.06)  # type: ignore[operator]


def test_the_edition_follows_the_day() -> None:
    assert in_force("beijing-travel", dt.date(2024, 9, 30)).edition == "DB11/T 2175-2023"
    assert in_force("beijing-travel", dt.date(2024, 10, 1)).edition == "DB11/T 3043-2024"
    with pytest.raises(RangeError, match="No edition of 'beijing-travel' is in force on 2019-01-01"):
        in_force("beijing-travel", dt.date(2019, 1, 1))
    with pytest.raises(UnknownNameError, match="Nearest: 'beijing-travel'"):
        in_force("beijing-trvel", dt.date(2024, 10, 1))


def test_an_edition_whose_factors_are_not_known_says_so() -> None:
    row = declared.methodologies().filter(methodology_id="beijing-travel-2023")
    assert row.select("known_act_count", "mark").row(0) == (0, "unknown")


def test_a_new_methodology_is_one_file(tmp_path: Path) -> None:
    text = (declared.folder() / "beijing-ev-2025.yml").read_text("utf-8").replace("beijing-ev-2025", "my-city")
    (tmp_path / "my-city.yml").write_text(text, "utf-8")
    mine = methodology(tmp_path / "my-city.yml")
    assert mine.id == "my-city"
    assert methodology(mine) is mine


@pytest.mark.parametrize(
    ("old", "new", "match"),
    [
        ("id: beijing-ev-2025", "id: another", "file and id must agree"),
        ("kind: metered", "kind: guessed", "kind"),
        ("factor: 0.250", "factor:", "has the mark 'unknown'"),
        ("leakage_share: 0", "leakage_share: 1", "leakage_share"),
        ("valid_to:", "valid_to: 2024-01-01", "before the first"),
        ("gas: CO2", "gas: CO2\nsurprise: 1", "surprise"),
        ("kind: metered", "kind: [", "not YAML"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused_and_the_place_named(
    tmp_path: Path, old: str, new: str, match: str
) -> None:
    text = (declared.folder() / "beijing-ev-2025.yml").read_text("utf-8")
    assert old in text
    path = tmp_path / "beijing-ev-2025.yml"
    path.write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(DeclarationError, match=match):
        read(path)


def test_an_unknown_methodology_is_told_with_near_names() -> None:
    with pytest.raises(UnknownNameError, match="beijing-travel-2024"):
        methodology("beijing-travel-204")
