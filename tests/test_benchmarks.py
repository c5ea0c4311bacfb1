"""What is timed is the same work: contestants' results are equal, and the check would notice if they were not."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from benchmarks import air_pipeline, aqi, daily_means, measure

TABLE = pl.DataFrame({"k": ["a", "b", "c"], "x": [1.0, None, 3000.0]})


@pytest.fixture(scope="module")
def inputs(mirror: Path) -> tuple[Path, list[Path]]:
    return daily_means.inputs()


def test_polars_by_hand_and_pandas_reach_our_daily_means(inputs: tuple[Path, list[Path]]) -> None:
    parquet, _ = inputs
    ours = daily_means.ours()
    assert ours.height == 12 * 1461  # 2013-03-01 to 2017-02-28 is 4 x 365 + 1 days
    measure.agree(daily_means.polars_by_hand(parquet), ours, key=daily_means.KEY)
    measure.agree(daily_means.as_polars(daily_means.pandas_parquet(parquet)), ours, key=daily_means.KEY)


def test_pandas_reaches_our_whole_daily_table_from_the_publishers_files(inputs: tuple[Path, list[Path]]) -> None:
    _, csvs = inputs
    ours = daily_means.ours_csv(csvs)
    assert len(csvs) == 12 and ours.width == 21
    measure.agree(daily_means.as_polars(daily_means.pandas_csv(csvs)), ours, key=daily_means.KEY)


def test_polars_by_hand_and_pandas_reach_all_tables_of_our_pipeline(inputs: tuple[Path, list[Path]]) -> None:
    _, csvs = inputs
    ours = air_pipeline.ours(csvs)
    air_pipeline.agree(air_pipeline.polars_by_hand(csvs), ours)
    air_pipeline.agree(air_pipeline.as_polars(air_pipeline.pandas_users(csvs), ours), ours)
    # Remarks and reasons of several kinds are there to be compared.
    assert set(ours["hours"]["pm10_reasons"].drop_nulls()) >= {"pm10_below_pm25"}
    assert set(ours["hours"]["so2_reasons"].drop_nulls()) == {"at_cap"}
    assert set(ours["days"]["pm25_reason"].drop_nulls()) == {"no_values", "few_hours"}
    assert set(ours["years"]["pm25_reason"].drop_nulls()) == {"few_days", "few_days_in_month"}


def test_one_other_reason_in_the_pipeline_is_a_disagreement(inputs: tuple[Path, list[Path]]) -> None:
    ours = air_pipeline.ours(inputs[1])
    told = pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("low")).otherwise(pl.col("o3_mda8_reason"))
    other = {**ours, "ozone": ours["ozone"].with_columns(told.alias("o3_mda8_reason"))}
    with pytest.raises(measure.Disagreement, match="o3_mda8_reason differs in 1 rows"):
        air_pipeline.agree(other, ours)


def test_an_index_that_differs_from_that_of_its_row_alone_is_a_disagreement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aqi, "LOOKED_AT", (0, 1, 2))
    frame = aqi.hours("hj633-2026", rows=3)
    found = aqi.aqi(frame, edition="hj633-2026", period="hour")
    aqi.check(frame, found, "hj633-2026")
    with pytest.raises(measure.Disagreement):
        aqi.check(frame, found.with_columns(pl.col("aqi") + 1), "hj633-2026")


def test_order_of_rows_and_columns_and_rounding_do_not_make_a_disagreement() -> None:
    close = TABLE.with_columns(pl.col("x") * (1 + 1e-12))
    measure.agree(close.reverse().select("x", "k"), TABLE, key=["k"])


@pytest.mark.parametrize(
    "other",
    [
        TABLE.with_columns(pl.col("x") * (1 + 1e-8)),
        TABLE.with_columns(pl.col("x").fill_null(0.0)),
        TABLE.with_columns(pl.col("x").fill_null(float("nan"))),
        TABLE.head(2),
        TABLE.with_columns(k=pl.Series(["a", "b", "d"])),
        TABLE.rename({"x": "y"}),
    ],
    ids=["another value", "zero for empty", "nan for empty", "a row less", "another key", "another column"],
)
def test_a_different_result_is_a_disagreement(other: pl.DataFrame) -> None:
    with pytest.raises(measure.Disagreement):
        measure.agree(other, TABLE, key=["k"])


def test_a_value_that_is_not_a_number_is_a_disagreement() -> None:
    with pytest.raises(measure.Disagreement):
        measure.agree(TABLE.with_columns(x=pl.Series([1.0, None, float("nan")])), TABLE, key=["k"])


def test_contestants_take_equally_many_turns_and_each_starts_a_round() -> None:
    turns: list[str] = []
    timings = measure.take_turns({n: lambda n=n: turns.append(n) for n in "ab"}, runs=4)
    assert turns == ["a", "b", *"ab", *"ba", *"ab", *"ba"]
    assert {len(t.wall_s) for t in timings.values()} == {4}


def test_a_ratio_compares_rounds_so_that_a_busy_one_cancels_out() -> None:
    assert measure.ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0]) == 2.0
