from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import citylab as cl
from citylab import tables
from citylab.carbon import pulse
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, UnknownNameError
from citylab.stats import forecasting

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")

D = dt.date
FRIDAY = 5


def days(first: D, last: D) -> list[D]:
    return [first + dt.timedelta(i) for i in range((last - first).days + 1)]


def series(first: D, last: D, *, sector: str = "power", noise: float = 0.01, seed: int = 0, effect=lambda day: 0.0):
    """Planted days: a week, an effect of the day and independent noise, on logarithms. Synthetic."""
    dates = days(first, last)
    draw = np.random.default_rng(seed).normal(scale=noise, size=len(dates)) if noise else np.zeros(len(dates))
    log = [math.log(1e6) + (0.05 if d.isoweekday() <= FRIDAY else -0.125) + effect(d) for d in dates]
    return pl.DataFrame({"date_local": dates, "sector": sector, "co2_t": np.exp(np.array(log) + draw)})


@pytest.fixture(scope="module")
def china() -> pl.DataFrame:
    return cl.load("carbonmonitor__daily_country_co2").collect()


@pytest.fixture(scope="module")
def scored(china: pl.DataFrame) -> pulse.Backtest:
    return pulse.backtest(china, horizon_days=7, n_boot=199, vintage="test")


YEAR = series(D(2021, 3, 1), D(2021, 12, 31))


def ahead(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.filter("is_forecast")


# --- nowcast


@pytest.mark.parametrize("trend", ["random walk", "local level"])
def test_a_nowcast_is_that_of_statsmodels_with_the_same_columns_written_by_hand(trend):
    import chinese_calendar
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    # From 7 March 2021 to 10 January 2022 no day lies within three weeks of a lunar new year (2021-02-12, 2022-02-01).
    dates = days(D(2021, 3, 7), D(2022, 1, 10))
    frame = series(dates[0], D(2021, 12, 31))
    walk = np.random.default_rng(7).normal(scale=0.02, size=frame.height).cumsum()
    frame = frame.with_columns(pl.col("co2_t") * pl.Series(np.exp(walk)))

    def row(day: D) -> list[float]:
        week = [float(day.isoweekday() == k) - float(day.isoweekday() == 7) for k in range(1, 7)]
        return [*week, float(day in chinese_calendar.holidays), float(day in chinese_calendar.workdays)]

    x, n = np.array([row(d) for d in dates]), frame.height
    told = ahead(pulse.nowcast(frame, horizon_days=10, trend=trend, level=0.8))
    y = 100 * np.log(frame["co2_t"].to_numpy())
    fitted = UnobservedComponents(y, level=trend, exog=x[:n], mle_regression=False).fit(
        disp=0, cov_type="none", maxiter=500
    )
    theirs = fitted.get_forecast(10, exog=x[n:])
    bounds = theirs.conf_int(alpha=0.2)
    assert told["co2_t"].to_numpy() == pytest.approx(np.exp(np.asarray(theirs.predicted_mean) / 100), rel=2e-4)
    assert told["co2_t_low"].to_numpy() == pytest.approx(np.exp(bounds[:, 0] / 100), rel=2e-4)
    assert told["co2_t_high"].to_numpy() == pytest.approx(np.exp(bounds[:, 1] / 100), rel=2e-4)


def test_a_planted_week_goes_on():
    told = ahead(
        pulse.nowcast(series(D(2021, 3, 1), D(2021, 11, 30), noise=0.001), horizon_days=14, trend="local level")
    )
    for day, co2 in told.select("date_local", "co2_t").iter_rows():
        truth = 1e6 * math.exp(0.05 if day.isoweekday() <= FRIDAY else -0.125)
        assert co2 == pytest.approx(truth, rel=0.003)


def test_an_adjusted_workday_and_a_public_holiday_are_learnt_from_those_before():
    import chinese_calendar

    def effect(day: D) -> float:
        holiday = chinese_calendar.holidays.get(day)
        if holiday is not None and holiday != "Spring Festival":
            return -0.3
        return 0.15 if day in chinese_calendar.workdays else 0.0

    told = ahead(
        pulse.nowcast(
            series(D(2020, 3, 1), D(2021, 9, 30), noise=0.001, effect=effect), horizon_days=10, trend="local level"
        )
    )
    truth = [1e6 * math.exp((0.05 if d.isoweekday() <= FRIDAY else -0.125) + effect(d)) for d in told["date_local"]]
    # 1 to 7 October 2021 were free, 9 October (a Saturday) was worked.
    assert told["co2_t"].to_numpy() == pytest.approx(truth, rel=0.01)


def festival(day: D) -> float:
    """A tent over the lunar new year: -0.4 on the day, nothing from three days before to four after."""
    new_year = min((D(2019, 2, 5), D(2020, 1, 25), D(2021, 2, 12)), key=lambda n: abs((day - n).days))
    offset = (day - new_year).days
    return -0.4 * float(np.interp(offset, [-3, 0, 4], [0, 1, 0]))


@pytest.mark.parametrize(
    ("first", "remark"),
    [(D(2019, 1, 1), None), (D(2019, 6, 1), "one_spring_festival"), (D(2020, 3, 1), "unseen_spring_festival")],
)
def test_the_festival_moves_with_the_moon_and_a_remark_says_how_often_it_was_seen(first, remark):
    told = ahead(
        pulse.nowcast(series(first, D(2021, 2, 8), noise=0.001, effect=festival), horizon_days=7, trend="local level")
    )
    on_the_day = told.filter(date_local=D(2021, 2, 12)).row(0, named=True)
    assert on_the_day["remark"] == remark
    dip = math.log(on_the_day["co2_t"] / 1e6) - 0.05  # a Friday
    if remark == "unseen_spring_festival":
        assert dip == pytest.approx(0.0, abs=0.05), "what was never seen is not invented"
    else:
        assert dip == pytest.approx(-0.4, abs=0.02)


def test_observed_days_are_given_back_and_only_later_ones_are_modelled():
    told = pulse.nowcast(YEAR, horizon_days=5)
    seen = told.filter(~pl.col("is_forecast"))
    assert seen["co2_t"].to_list() == YEAR["co2_t"].to_list()
    assert (
        seen.select(pl.col("co2_t_low", "co2_t_high", "lead_days", "n", "level").is_null().all()).row(0) == (True,) * 5
    )
    new = ahead(told)
    assert new["lead_days"].to_list() == [1, 2, 3, 4, 5]
    assert (new["co2_t_low"] < new["co2_t"]).all() and (new["co2_t"] < new["co2_t_high"]).all()
    assert (new["is_modelled"] & (new["n"] == YEAR.height)).all()


def test_an_interval_widens_with_lead_and_level():
    width = {}
    for level in (0.5, 0.9):
        new = ahead(pulse.nowcast(YEAR, horizon_days=7, level=level))
        width[level] = (new["co2_t_high"] / new["co2_t_low"]).to_list()
    assert all(a < b for a, b in zip(width[0.5], width[0.9], strict=True))
    assert width[0.9][0] < width[0.9][-1]


@settings(max_examples=5, deadline=None)
@given(st.floats(1e-6, 1e6))
def test_a_nowcast_does_not_depend_on_the_unit(factor):
    one, other = (ahead(pulse.nowcast(f, horizon_days=3)) for f in (YEAR, YEAR.with_columns(pl.col("co2_t") * factor)))
    for column in ("co2_t", "co2_t_low", "co2_t_high"):
        assert (other[column] / factor).to_numpy() == pytest.approx(one[column].to_numpy(), rel=1e-4)


def test_order_of_rows_laziness_and_neighbours_change_nothing():
    other = series(D(2021, 3, 1), D(2021, 10, 31), sector="industry", seed=1)
    alone = pulse.nowcast(YEAR, horizon_days=2)
    both = pulse.nowcast(pl.concat([other, YEAR]).sample(fraction=1, shuffle=True, seed=3).lazy(), horizon_days=2)
    assert isinstance(both, pl.LazyFrame)
    assert both.filter(sector="power").collect().equals(alone)
    assert both.filter(sector="industry").collect()["date_local"].max() == D(2021, 11, 2), "each group has its own end"


def test_a_gap_stays_a_gap_and_the_days_after_it_are_estimated_all_the_same():
    hole = (pl.col("date_local") >= D(2021, 7, 1)) & (pl.col("date_local") <= D(2021, 7, 5))
    told = pulse.nowcast(YEAR.filter(~hole), horizon_days=2)
    assert told.filter(hole)["co2_t"].to_list() == [None] * 5
    assert not told.filter(hole)["is_modelled"].any()
    assert ahead(told)["n"].to_list() == [YEAR.height - 5] * 2


def test_as_of_says_what_would_have_been_said_then():
    then = pulse.nowcast(YEAR, horizon_days=4, as_of=D(2021, 11, 30))
    assert then.equals(pulse.nowcast(YEAR.filter(pl.col("date_local") <= D(2021, 11, 30)), horizon_days=4))


def with_activity(noise: float = 0.002) -> pl.DataFrame:
    frame = series(D(2021, 3, 1), D(2021, 12, 20), noise=noise)
    activity = np.random.default_rng(5).normal(size=frame.height)
    frame = frame.with_columns(pl.Series("proxy_load_mwh", 5000 + 300 * activity))
    frame = frame.with_columns(pl.col("co2_t") * pl.Series(np.exp(0.1 * activity)))
    last = pl.col("date_local") > D(2021, 12, 13)
    return frame.with_columns(pl.col("co2_t").alias("truth"), pl.when(~last).then("co2_t").alias("co2_t"))


def test_a_proxy_known_before_the_emission_is_what_makes_a_nowcast_good():
    frame = with_activity()
    told = ahead(pulse.nowcast(frame, horizon_days=7, trend="local level")).join(
        frame.select("date_local", "truth"), on="date_local"
    )
    blind = ahead(pulse.nowcast(frame, horizon_days=7, trend="local level", proxies=[])).join(
        frame.select("date_local", "truth"), on="date_local"
    )
    assert forecasting.wape(told["truth"], told["co2_t"]) < 0.005
    assert forecasting.wape(blind["truth"], blind["co2_t"]) > 0.02
    assert "proxy_load_mwh" in told["effects"][0] and "proxy_load_mwh" not in blind["effects"][0]


def test_a_day_without_its_proxy_is_refused_by_name():
    frame = with_activity().filter(pl.col("date_local") != D(2021, 12, 16))
    with pytest.raises(DataError, match=r"2021-12-16.*'proxy_load_mwh' has no value"):
        pulse.nowcast(frame, horizon_days=7)


def test_a_proxy_without_values_is_not_of_the_group():
    frame = YEAR.with_columns(pl.lit(None, dtype=pl.Float64).alias("proxy_gas_m3"))
    told = pulse.nowcast(frame, horizon_days=2)
    assert told.equals(pulse.nowcast(YEAR, horizon_days=2))


def test_heating_and_cooling_begin_at_their_bases():
    found = pl.DataFrame({"t": [17.0, 18.0, 26.0, 27.5, None]}).select(*pulse.degree_days(pl.col("t")))
    assert found.rows() == [(1.0, 0.0), (0.0, 0.0), (0.0, 0.0), (0.0, 1.5), (None, None)]


def test_cold_days_are_told_from_the_temperature_given():
    frame = series(D(2021, 3, 1), D(2021, 12, 20), noise=0.002)
    degrees = 15 + 12 * np.random.default_rng(2).normal(size=frame.height)
    heat = 0.01 * np.maximum(18 - degrees, 0) + 0.02 * np.maximum(degrees - 26, 0)
    frame = frame.with_columns(pl.Series("t_c", degrees), pl.col("co2_t") * pl.Series(np.exp(heat)))
    known = frame.with_columns(pl.when(pl.col("date_local") <= D(2021, 12, 13)).then("co2_t").alias("co2_t"))
    told = ahead(pulse.nowcast(known, horizon_days=7, trend="local level", temperature="t_c"))
    truth = frame.filter(pl.col("date_local") > D(2021, 12, 13))["co2_t"].to_numpy()
    assert told["co2_t"].to_numpy() == pytest.approx(truth, rel=0.01)


# --- refusals


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (lambda f: f.head(100), RefusalError, "100 days.*needs 182"),
        (lambda f: f.filter(~pl.col("date_local").is_between(D(2021, 6, 1), D(2021, 6, 20))), RefusalError,
         "20 days in a row from 2021-06-01"),
        (lambda f: f.filter(pl.col("date_local").dt.day() % 6 != 0), RefusalError, "lacks 1[0-9]%"),
        (lambda f: f.with_columns(pl.lit(3.0).alias("co2_t")), RefusalError, "always 3"),
        (lambda f: f.with_columns(-pl.col("co2_t")), DataError, "zero or below"),
        (lambda f: pl.concat([f, f.head(1)]), DataError, "2021-03-01 is there twice"),
        (lambda f: f.with_columns(pl.col("co2_t").cast(pl.String)), SchemaError, "needs numbers"),
        (lambda f: f.with_columns(pl.col("date_local").cast(pl.String)), SchemaError, "date_local"),
        (lambda f: f.with_columns(pl.col("date_local").cast(pl.Datetime)), SchemaError, "a row is one day"),
        (lambda f: f.drop("sector"), SchemaError, "'sector'"),
        (lambda f: f.clear(), DataError, "no rows"),
    ],
)  # fmt: skip
def test_what_cannot_be_estimated_is_refused_with_the_reason(change, error, said):
    with pytest.raises(error, match=said):
        pulse.nowcast(change(YEAR))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"trend": "random walks"}, UnknownNameError, "random walk"),
        ({"horizon_days": 0}, RangeError, "1 to 60"),
        ({"horizon_days": 999}, RangeError, "1 to 60"),
        ({"level": 90}, RangeError, "level is 90"),
        ({"harmonics": -1}, RangeError, "harmonics"),
        ({"proxies": ["proxy_x"]}, SchemaError, "proxy_x"),
    ],
)
def test_choices_out_of_range_are_told_at_the_call(options, error, said):
    with pytest.raises(error, match=said):
        pulse.nowcast(YEAR, **options)


def test_days_whose_holidays_nobody_has_announced_are_refused():
    with pytest.raises(RangeError, match="public holidays are known for"):
        pulse.nowcast(series(D(2026, 1, 1), D(2026, 12, 30)))


def test_the_declared_new_years_begin_the_spring_festivals_that_were_announced():
    import chinese_calendar

    known = dict(tables.read("carbon_pulse_new_year").select("year", "new_year_date").iter_rows())
    free: dict[int, list[D]] = {}
    for day, name in chinese_calendar.holidays.items():
        if name == "Spring Festival":
            free.setdefault(day.year, []).append(day)
    assert set(free) <= set(known)
    for year, announced in free.items():
        assert 0 <= (known[year] - min(announced)).days <= 2


# --- coverage of the interval


def test_intervals_of_the_right_model_cover_about_as_often_as_they_say():
    # 60 series, two leads each; the band of 60 trials at 0.9 that 999 of 1,000 measurements fall into is 0.75 to 1.
    hits = {1: 0, 7: 0}
    for seed in range(60):
        walk = np.random.default_rng(seed).normal(scale=0.02, size=260).cumsum()
        frame = series(D(2021, 3, 7), D(2021, 11, 21), noise=0).with_columns(pl.col("co2_t") * pl.Series(np.exp(walk)))
        told = ahead(pulse.nowcast(frame, horizon_days=7, as_of=D(2021, 11, 14))).join(
            frame.select("date_local", truth="co2_t"), on="date_local"
        )
        for lead in hits:
            row = told.filter(lead_days=lead).row(0, named=True)
            hits[lead] += row["co2_t_low"] <= row["truth"] <= row["co2_t_high"]
    assert all(n / 60 >= 0.75 for n in hits.values())
    assert sum(hits.values()) < 120, "an interval that always covers is no interval of 90 %"


# --- the total


def test_a_total_is_the_sum_of_all_sectors_or_nothing():
    frame = pl.concat([YEAR, series(D(2021, 3, 1), D(2021, 12, 30), sector="industry")])
    total = pulse.with_total(frame).filter(sector="total").sort("date_local")
    both = frame.group_by("date_local").agg(pl.col("co2_t").sum(), pl.len()).sort("date_local")
    assert total["co2_t"][:-1].to_numpy() == pytest.approx(both["co2_t"][:-1].to_numpy())
    assert total["co2_t"][-1] is None, "on the last day a sector is missing"
    assert pulse.with_total(frame.lazy()).collect().equals(pulse.with_total(frame))
    with pytest.raises(DataError, match="already"):
        pulse.with_total(pulse.with_total(frame))


# --- the back-test


def test_naive_estimates_are_what_their_names_say(scored, china):
    known = {(s, d): v for d, s, v in china.select("date_local", "sector", "co2_t").iter_rows()}
    rows = scored.forecasts.filter(pl.col("lead_days") == 7, pl.col("issued_on") == D(2020, 6, 10))
    for row in rows.iter_rows(named=True):
        at = {
            "last_day": D(2020, 6, 10),
            "same_weekday_last_week": D(2020, 6, 10),  # seven days before 17 June
            "same_weekday_last_year": D(2020, 6, 17) - dt.timedelta(364),
        }
        if row["method"] != "model":
            assert row["co2_t"] == pytest.approx(known[row["sector"], at[row["method"]]], rel=1e-12)
        assert row["observed"] == pytest.approx(known[row["sector"], D(2020, 6, 17)], rel=1e-12)


def test_scores_are_those_of_the_rows_told(scored):
    rows = scored.forecasts.filter("is_scored", sector="power", lead_days=1, method="model")
    row = scored.scores.filter(sector="power", lead_days=1, method="model").row(0, named=True)
    error = (rows["co2_t"] - rows["observed"]).abs().sum() / rows["observed"].sum()
    inside = ((rows["co2_t_low"] <= rows["observed"]) & (rows["observed"] <= rows["co2_t_high"])).mean()
    assert (row["n"], row["wape"], row["coverage"]) == (rows.height, pytest.approx(error), pytest.approx(inside))
    naive = scored.scores.filter(sector="power", lead_days=1, method="last_day").row(0, named=True)
    assert row["skill_vs_last_day"] == pytest.approx(1 - row["wape"] / naive["wape"]), "both over the same outcomes"


def test_no_estimate_knows_a_later_day(china, scored):
    power = china.filter(sector="power")
    cut = D(2020, 5, 1)
    other = power.with_columns(pl.when(pl.col("date_local") > cut).then(pl.col("co2_t") * 3).otherwise("co2_t"))
    again = pulse.backtest(other.with_columns(pl.col("co2_t").alias("co2_t")), horizon_days=7, n_boot=199)
    before = pl.col("issued_on") <= cut
    told = ["issued_on", "lead_days", "method", "co2_t", "co2_t_low", "co2_t_high"]
    a = again.forecasts.filter(before).select(told)
    b = scored.forecasts.filter(before, sector="power").select(told)
    assert a.height > 900
    assert a.equals(b)


def test_a_back_test_issues_the_nowcasts_of_its_days(china, scored):
    # Variances are estimated anew on 31 December 2019, the first day of issue.
    told = ahead(pulse.nowcast(china, horizon_days=7, as_of=D(2019, 12, 31)))
    told = told.filter(pl.col("lead_days").is_in([1, 7])).sort("sector", "lead_days")
    issued = scored.forecasts.filter(issued_on=D(2019, 12, 31), method="model").sort("sector", "lead_days")
    for column in ("co2_t", "co2_t_low", "co2_t_high"):
        assert issued[column].to_numpy() == pytest.approx(told[column].to_numpy(), rel=1e-6)


def test_on_chinas_days_the_model_beats_yesterday_one_day_ahead(scored):
    # The page says so; should data or model change, the page has to.
    one = scored.scores.filter(method="model", lead_days=1)
    assert set(one["verdict_vs_last_day"]) == {"better"}
    assert (one["coverage"] > 0.75).all()


def test_a_short_series_gets_no_verdict(china):
    with pytest.raises(RefusalError, match="days of issue"):
        pulse.backtest(china.filter(pl.col("date_local") < D(2020, 1, 20)))


@pytest.mark.parametrize("options", [{"every": 0}, {"leads": [0]}, {"leads": [99]}, {"leads": []}])
def test_days_of_issue_and_leads_are_checked(china, options):
    with pytest.raises(RangeError):
        pulse.backtest(china, **options)


# --- the anomaly


def spring(fall: float, *, noise: float = 0.0, growth: float = 1.0, seed: int = 1) -> pl.DataFrame:
    dates = days(D(2019, 1, 1), D(2020, 12, 31))
    draw = np.random.default_rng(seed).normal(scale=noise, size=len(dates)) if noise else np.zeros(len(dates))
    hit = [fall if D(2020, 1, 23) <= d <= D(2020, 4, 30) else 1.0 for d in dates]
    grown = [growth if d.year == 2020 else 1.0 for d in dates]
    return pl.DataFrame({"date_local": dates, "sector": "power", "co2_t": 1e6 * np.exp(draw) * hit * np.array(grown)})


@pytest.mark.parametrize("method", ["lunar", "calendar"])
@pytest.mark.parametrize("fall", [0.5, 0.8, 1.0, 1.1])
def test_a_planted_fall_is_found_exactly_where_nothing_else_differs(method, fall):
    found = pulse.anomaly(spring(fall), compare=[method])
    assert found["difference_share"].to_numpy() == pytest.approx(fall - 1)
    assert found["difference_share_low"].to_numpy() == pytest.approx(fall - 1)


def test_a_planted_fall_is_found_by_the_model_within_its_interval():
    found = pulse.anomaly(spring(0.8, noise=0.02), compare=["model"])
    assert found["difference_share"].to_numpy() == pytest.approx(-0.2, abs=0.02)
    assert (found["difference_share_high"] < 0).all()


def test_where_nothing_fell_the_models_interval_mostly_says_so():
    # Of 10 intervals at 90 % fewer than 6 hold the truth in 2 of 1,000 such trials.
    held = 0
    for seed in range(10):
        row = pulse.anomaly(spring(1.0, noise=0.02, seed=seed), compare=["model"], n_draws=300).row(3, named=True)
        held += row["difference_share_low"] <= 0 <= row["difference_share_high"]
    assert held >= 6


def test_growth_of_the_quiet_days_widens_the_spread_and_no_difference_is_always_in_it():
    # 5 % growth all through 2020: observed 0.8 * 1.05 of last year. If quiet days grow by 5 % as well, the fall lies
    # between 0.84 - 1 = -16 % (none of the growth expected) and 0.8 - 1 = -20 % (all of it).
    found = pulse.anomaly(spring(0.8, growth=1.05), compare=["calendar"]).filter(period="march").row(0, named=True)
    assert found["difference_share"] == pytest.approx(-0.16)
    assert (found["difference_share_low"], found["difference_share_high"]) == (
        pytest.approx(-0.2),
        pytest.approx(-0.16),
    )
    assert found["interval"] == "placebo_range" and found["n_placebo"] == 184 // 31


def test_the_lunar_measure_sets_new_year_against_new_year():
    # One value per day: 25 January 2020 has to meet 5 February 2019.
    dates = days(D(2019, 1, 1), D(2020, 12, 31))
    frame = pl.DataFrame({"date_local": dates, "sector": "x", "co2_t": np.arange(1.0, len(dates) + 1)})
    table = pl.DataFrame(
        {"period": ["day"], "kind": ["period"], "first_date": [D(2020, 1, 25)], "last_date": [D(2020, 1, 25)]}
    )
    row = pulse.anomaly(frame, periods=table, compare=["lunar"]).row(0, named=True)
    assert row["expected_co2_t"] == dates.index(D(2019, 2, 5)) + 1
    assert row["interval"] is None and row["remark"] == "no_placebo_days" and row["difference_share_low"] is None


def test_differences_add_up_and_bounds_are_in_order(china):
    found = pulse.anomaly(china, n_draws=500)
    assert found.height == 3 * 4 * 3
    assert (found["co2_t"] - found["expected_co2_t"]).to_numpy() == pytest.approx(found["difference_t"].to_numpy())
    for stem in ("expected_co2_t", "difference_t", "difference_share"):
        assert (found[f"{stem}_low"] <= found[stem]).all() and (found[stem] <= found[f"{stem}_high"]).all()
    parts = (
        found.filter(pl.col("period") != "spring")
        .group_by("sector", "method")
        .agg(pl.col("co2_t").sum().alias("parts"))
    )
    both = parts.join(found.filter(period="spring"), on=["sector", "method"])
    assert both["parts"].to_numpy() == pytest.approx(both["co2_t"].to_numpy()), "three periods make the spring"
    festival = found.filter(method="model", period="lockdown_to_february")
    assert (festival["remark"] == "one_spring_festival").all()


def test_the_same_seed_gives_the_same_interval(china):
    power = china.filter(sector="power")
    assert pulse.anomaly(power, seed=3, n_draws=200).equals(pulse.anomaly(power, seed=3, n_draws=200))


def test_a_period_with_a_missing_day_is_refused():
    with pytest.raises(RefusalError, match=r"no value on 1 of the 31 days of 'march'"):
        pulse.anomaly(spring(0.8).filter(pl.col("date_local") != D(2020, 3, 5)), compare=["calendar"])
    with pytest.raises(UnknownNameError, match="calendar"):
        pulse.anomaly(spring(0.8), compare=["calender"])  # type: ignore[list-item]


# --- from months to days

MONTHS = [D(2020, m, 1) for m in range(1, 7)]
SHAPE_DAYS = days(D(2020, 1, 1), D(2020, 6, 30))
POSITIVE = st.floats(0.5, 2.0)


def monthly(totals: list[float], sector: str = "power") -> pl.DataFrame:
    return pl.DataFrame({"month_start": MONTHS[: len(totals)], "sector": sector, "co2_t": totals})


def shaped(values, sector: str = "power") -> pl.DataFrame:
    return pl.DataFrame({"date_local": SHAPE_DAYS, "sector": sector, "co2_t": np.asarray(values, float)})


@settings(max_examples=25, deadline=None)
@given(
    st.lists(POSITIVE, min_size=6, max_size=6),
    st.integers(0, 2**31),
    st.sampled_from([1e-3, 1.0, 1e9]),
    st.sampled_from(["denton", "pro_rata"]),
)
def test_days_add_up_to_their_month(totals, seed, size, method):
    shape = 1 + 0.3 * np.random.default_rng(seed).random(len(SHAPE_DAYS))
    told = pulse.disaggregate(
        monthly([t * size for t in totals]), shaped(shape), shape_source="synthetic", method=method
    )
    sums = told.group_by("month_start").agg(pl.col("co2_t").sum()).sort("month_start")["co2_t"].to_numpy()
    assert sums == pytest.approx(np.array(totals) * size, rel=1e-9)
    assert (told["co2_t_low"] <= told["co2_t"]).all() and (told["co2_t"] <= told["co2_t_high"]).all()
    assert told["is_modelled"].all() and set(told["shape_source"]) == {"synthetic"}


def test_totals_of_the_shape_itself_give_the_shape_back():
    shape = 1 + np.random.default_rng(0).random(len(SHAPE_DAYS))
    totals = shaped(shape).group_by(pl.col("date_local").dt.truncate("1mo").alias("month_start"), "sector").agg(
        (pl.col("co2_t").sum() * 7).alias("co2_t")
    )  # fmt: skip
    told = pulse.disaggregate(totals, shaped(shape), shape_source="itself")
    assert told["co2_t"].to_numpy() == pytest.approx(7 * shape, rel=1e-9)


def test_pro_rata_keeps_the_shape_within_a_month_and_denton_joins_the_months():
    totals = monthly([31.0, 58.0, 62.0])  # 1, 2 and 2 a day
    flat = shaped(np.ones(len(SHAPE_DAYS)))
    step = pulse.disaggregate(totals, flat, shape_source="equal days", method="pro_rata")
    assert step["co2_t"].to_list() == pytest.approx([1.0] * 31 + [2.0] * 29 + [2.0] * 31)
    smooth = pulse.disaggregate(totals, flat, shape_source="equal days")["co2_t"].to_numpy()
    assert np.abs(np.diff(smooth)).max() < 0.1 < 1.0


@settings(max_examples=15, deadline=None)
@given(st.lists(POSITIVE, min_size=16, max_size=16), st.lists(st.floats(3.0, 6.0), min_size=4, max_size=4))
def test_denton_is_that_of_statsmodels(indicator, totals):
    from statsmodels.tsa.interp.denton import dentonm

    ours = pulse._denton(np.array(totals), np.array(indicator), np.repeat(np.arange(4), 4))
    theirs = dentonm(np.array(indicator), np.array(totals), freq="aq").ravel()
    assert ours == pytest.approx(theirs, rel=1e-6, abs=1e-6)


def test_months_on_both_sides_of_a_gap_do_not_know_each_other():
    flat = shaped(np.ones(len(SHAPE_DAYS)))
    apart = monthly([31.0, 58.0, 62.0, 300.0]).filter(pl.col("month_start") != MONTHS[2])
    told = pulse.disaggregate(apart, flat, shape_source="equal days")
    alone = pulse.disaggregate(monthly([31.0, 58.0]), flat, shape_source="equal days")
    assert told.filter(pl.col("month_start") < MONTHS[2])["co2_t"].to_list() == alone["co2_t"].to_list()
    assert told.filter(pl.col("month_start") == MONTHS[3])["co2_t"].to_list() == pytest.approx([10.0] * 30)
    assert MONTHS[2] not in told["month_start"].to_list()


@pytest.mark.parametrize(
    ("totals", "shape", "options", "error", "said"),
    [
        (monthly([31.0]), shaped(np.ones(182)), {"shape_source": " "}, SchemaError, "shape_source is empty"),
        (monthly([31.0]), shaped(np.ones(182)), {"method": "chow_lin"}, UnknownNameError, "chow_lin"),
        (monthly([-1.0]), shaped(np.ones(182)), {}, DataError, "zero or more"),
        (monthly([31.0]), shaped(np.ones(182)).filter(pl.col("date_local") != D(2020, 1, 9)), {}, DataError,
         "first: 2020-01-09"),
        (monthly([31.0]), shaped(np.zeros(182)), {}, DataError, "above zero"),
        (monthly([31.0], "industry"), shaped(np.ones(182)), {}, DataError, "no shape"),
        (monthly([1.0, 900.0, 1.0]), shaped(np.ones(182)), {}, DataError, "pro_rata"),
        (pl.concat([monthly([1.0]), monthly([1.0])]), shaped(np.ones(182)), {}, DataError, "twice"),
        (monthly([1.0]).with_columns(pl.lit(D(2020, 1, 2)).alias("month_start")), shaped(np.ones(182)), {}, DataError,
         "first day"),
    ],
)  # fmt: skip
def test_months_that_cannot_be_spread_are_refused_with_the_reason(totals, shape, options, error, said):
    with pytest.raises(error, match=said):
        pulse.disaggregate(totals, shape, **{"shape_source": "synthetic", **options})


def test_beijings_months_are_kept_and_its_days_are_called_modelled(china):
    months = cl.load("carbonmonitor__monthly_province_co2").filter(province_name_en="Beijing").drop("province_name_en")
    told = pulse.disaggregate(months, china, shape_source="days of China").collect()
    sums = told.group_by("sector", "month_start").agg(pl.col("co2_t").sum().alias("days")).join(
        months.collect(), on=["sector", "month_start"]
    )  # fmt: skip
    assert sums.height == 72
    assert (sums["days"] / sums["co2_t"] - 1).abs().max() < 1e-9
    assert told["is_modelled"].all()
    assert set(told["shape_source"]) == {"days of China"}


# --- the back-test of months


def test_a_share_of_twelve_months_is_told_with_students_t():
    months = pl.date_range(D(2019, 1, 1), D(2020, 1, 1), "1mo", eager=True)
    share = np.array([0.1, 0.2] * 6 + [0.15])
    whole = pl.DataFrame({"month_start": months, "sector": "power", "co2_t": np.full(13, 1000.0)})
    city = whole.with_columns(pl.Series("co2_t", 1000 * share))
    found = pulse.backtest_months(city, whole, level=0.9, n_boot=99).forecasts
    row = found.filter(method="share").row(0, named=True)
    # Geometric mean of six 0.1 and six 0.2; s of logarithms ln(2)/2 * sqrt(12/11); t(0.95, 11) = 1.7959 (tables).
    centre, half = math.sqrt(0.1 * 0.2), 1.7959 * math.log(2) / 2 * math.sqrt(12 / 11) * math.sqrt(13 / 12)
    assert row["co2_t"] == pytest.approx(1000 * centre)
    assert row["co2_t_low"] == pytest.approx(1000 * centre * math.exp(-half), rel=1e-4)
    assert row["co2_t_high"] == pytest.approx(1000 * centre * math.exp(half), rel=1e-4)
    others = dict(found.filter(pl.col("method") != "share").select("method", "co2_t").iter_rows())
    assert others == pytest.approx({"share_of_same_month": 100.0, "last_month": 200.0, "same_month_last_year": 100.0})


def test_months_that_are_a_constant_share_of_the_country_get_no_verdict():
    months = cl.load("carbonmonitor__monthly_province_co2").collect()
    whole = months.group_by("sector", "month_start").agg(pl.col("co2_t").sum())
    city = months.filter(province_name_en="Beijing").drop("province_name_en")
    scores = pulse.backtest_months(city, whole, n_boot=99).scores
    transport = scores.filter(sector="ground_transport")
    assert set(transport["remark"]) == {"constant_share"}
    assert transport.select(pl.col("^(skill|verdict|coverage).*$").is_null().all()).row(0).count(False) == 0
    assert scores.filter(pl.col("sector") != "ground_transport")["remark"].is_null().all()


def test_months_without_a_partner_or_too_few_are_refused():
    months = pl.date_range(D(2019, 1, 1), D(2020, 6, 1), "1mo", eager=True)
    whole = pl.DataFrame({"month_start": months, "sector": "power", "co2_t": np.full(18, 1000.0)})
    with pytest.raises(DataError, match="2020-06"):
        pulse.backtest_months(whole, whole.head(17))
    with pytest.raises(RefusalError, match="12 months"):
        pulse.backtest_months(whole.head(12), whole)
    with pytest.raises(RefusalError, match="after 2019-03"):
        pulse.backtest_months(whole.filter(pl.col("month_start") != D(2019, 4, 1)), whole)


# --- a city's own table

HEAD = "日期,部门,二氧化碳排放,日平均气温,代理_load_mwh,数据来源"


def test_a_city_fills_in_the_template_in_chinese_and_gets_a_nowcast(tmp_path):
    frame = with_activity()
    body = "\n".join(
        f"{d},电力,{'' if c is None else c},,{p},抄表"
        for d, c, p in frame.select("date_local", "co2_t", "proxy_load_mwh").iter_rows()
    )
    path = tmp_path / "city.csv"
    path.write_bytes(f"# 说明\n{HEAD}\n{body}\n".encode("gb18030"))
    table = pulse.read_proxies(path)
    assert table.columns == ["date_local", "sector", "co2_t", "temperature_mean_c", "proxy_load_mwh", "source"]
    own = pulse.nowcast(frame.drop("truth"), horizon_days=7)
    assert ahead(pulse.nowcast(table, horizon_days=7))["co2_t"].to_numpy() == pytest.approx(
        ahead(own)["co2_t"].to_numpy()
    )


def test_the_template_is_empty_and_has_the_declared_columns():
    path = cl.settings.datasets_dir() / "templates" / "daily_proxies.csv"
    table = pulse.read_proxies(path)
    assert table.height == 0
    declared = set(tables.read("carbon_pulse_columns")["column"])
    assert {c for c in table.columns if not c.startswith("proxy_")} == declared


def test_wrong_cells_are_all_told_by_their_lines(tmp_path):
    path = tmp_path / "city.csv"
    path.write_text(
        "date_local,sector,co2_t,proxy_x\n2021-02-30,power,1,\n2021-03-01,powr,1,\n2021-03-01,power,-1,\n"
        "2021-03-02,power,1 000,many\n2021-03-01,power,2,\n",
        encoding="utf-8",
    )
    with pytest.raises(DataError) as caught:
        pulse.read_proxies(path)
    for said in ("2: the date", "3: the sector is 'powr'", "4: co2_t is", "5: co2_t", "5: proxy_x", "6: the day"):
        assert f"line {said}" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("date_local,sector,load\n", "'load'"),
        ("date_local,co2_t\n", "lacks the column 'sector'"),
        ("# nothing\n", "headings"),
        ("date_local,sector,co2_t,co2_t\n", "twice"),
        ("date_local,sector\n2021-01-01,power,3\n", "line 2 has more cells"),
    ],
)
def test_headings_that_cannot_be_read_are_told(tmp_path, text, said):
    path = tmp_path / "city.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SchemaError, match=said):
        pulse.read_proxies(path)


def test_the_tables_that_a_caller_gives_are_used():
    rules = tables.read("carbon_pulse_rules").with_columns(
        pl.when(pl.col("rule") == "min_days").then(400.0).otherwise("value").alias("value")
    )
    with pytest.raises(RefusalError, match="needs 400"):
        pulse.nowcast(YEAR, rules=rules)
    # With a window that ends before the days estimated, nothing is remarked of the festival.
    frame = series(D(2020, 3, 15), D(2021, 2, 8))
    narrow = pl.DataFrame({"offset_days": [-2, -1, 0]})
    assert "unseen_spring_festival" in ahead(pulse.nowcast(frame, horizon_days=7))["remark"].to_list()
    told = ahead(pulse.nowcast(frame, horizon_days=7, festival=narrow))
    assert told.filter(pl.col("remark").is_not_null())["date_local"].to_list() == [D(2021, 2, 11)]


def test_a_back_test_uses_a_proxy_of_the_days_it_tells_and_needs_none_beyond_the_last():
    frame = series(D(2020, 3, 15), D(2021, 5, 31), noise=0.002)
    activity = np.random.default_rng(5).normal(size=frame.height)
    frame = frame.with_columns(
        pl.Series("proxy_load_mwh", 5000 + 300 * activity), pl.col("co2_t") * pl.Series(np.exp(0.1 * activity))
    )
    with_it = pulse.backtest(frame, horizon_days=1, trend="local level", n_boot=99)
    blind = pulse.backtest(frame, horizon_days=1, trend="local level", proxies=[], n_boot=99)
    a, b = (found.scores.filter(method="model")["wape"].item() for found in (with_it, blind))
    assert a < 0.005 < 0.05 < b
    assert "observed, not forecasts" in with_it.assumptions[-1]


def test_a_missing_temperature_is_told_by_its_column():
    frame = YEAR.with_columns(pl.lit(20.0).alias("t_c"))
    with pytest.raises(DataError, match=r"2022-01-01, and 't_c' has no value"):
        pulse.nowcast(frame, temperature="t_c")
