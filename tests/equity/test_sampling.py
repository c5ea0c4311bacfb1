from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import calibration.inequality
from benchmarks import inequality as bench
from citylab.equity.inequality import MEASURES, inequality
from citylab.equity.sampling import Errors
from citylab.errors import DataError, RangeError, SchemaError, UnknownNameError
from citylab.stats import survey
from citylab.stats.survey import Design, Units

rng = np.random.default_rng(11)
# A quantile steps under a little weight; its slope is an estimate of its own.
SMOOTH = [m for m in MEASURES if m != "p90_p10"]
SURVEY = pl.DataFrame(
    {
        "y": rng.lognormal(sigma=0.6, size=240),
        "w": rng.uniform(0.5, 3, 240),
        "region": np.repeat(["n", "s", "w"], 80),
        "village": np.repeat(np.arange(24), 10),
        "sex": rng.choice(["f", "m"], 240),
    }
)


def errors_of(rows: pl.DataFrame, errors: Errors, **kwargs: object) -> list[float]:
    return inequality(rows, "y", weight="w", errors=errors, **kwargs)["se"].to_list()


def test_the_error_of_a_mean_is_the_textbooks():
    # Simple random sample: s / sqrt(n), and Student's t with n - 1.
    y = SURVEY["y"].to_numpy()
    told = inequality(SURVEY, "y", measures=["mean"]).row(0, named=True)
    assert told["se"] == pytest.approx(y.std(ddof=1) / np.sqrt(240))
    assert told["upper"] - told["value"] == pytest.approx(1.969939 * told["se"], rel=1e-5)  # t(0.975; 239)


def test_the_error_of_a_stratified_clustered_mean_is_the_textbooks():
    # Two strata of two villages. Totals of (y - mean)/n by village: the mean is 5, deviations -4, -2, 0, 6 over 4.
    rows = pl.DataFrame({"y": [1.0, 3.0, 5.0, 11.0], "h": [1, 1, 2, 2], "c": [1, 2, 1, 2]})
    told = inequality(rows, "y", measures=["mean"], errors=Errors(strata="h", psu="c")).row(0, named=True)
    # n/(n-1) = 2: 2 · ((0.25)² + (0.25)²) + 2 · (0.75² + 0.75²) = 2.5; villages less strata: 2 degrees of freedom.
    assert told["se"] == pytest.approx(np.sqrt(2.5))
    assert told["upper"] == pytest.approx(5 + 4.302653 * np.sqrt(2.5), rel=1e-6)  # t(0.975; 2)


def test_splitting_a_row_within_its_village_leaves_the_clustered_error():
    split = pl.concat([SURVEY.with_columns(pl.col("w") / 2)] * 2)
    design = Errors(strata="region", psu="village")
    one, two = (errors_of(rows, design, measures=SMOOTH) for rows in (SURVEY, split))
    assert two == pytest.approx(one, rel=1e-9)


def test_rows_as_their_own_units_in_one_stratum_are_the_plain_error():
    one = SURVEY.with_columns(pl.lit(1).alias("h"))
    assert errors_of(one, Errors(strata="h")) == pytest.approx(errors_of(SURVEY, Errors()), rel=1e-9)


def test_villages_without_a_row_in_a_group_count_there_too():
    rows = SURVEY.with_columns(pl.when(pl.col("village") < 12).then(pl.lit("a")).otherwise(pl.lit("b")).alias("g"))
    told = inequality(rows, "y", weight="w", by="g", measures=["mean"], errors=Errors(psu="village"))
    # By hand for group a: 24 villages, those of b with a total of 0.
    a = rows.filter(g="a").with_columns(u=pl.col("w") * (pl.col("y") - told["value"][0]) / pl.col("w").sum())
    totals = np.concatenate([a.group_by("village").agg(pl.col("u").sum())["u"].to_numpy(), np.zeros(12)])
    assert told["se"][0] == pytest.approx(np.sqrt(24 / 23 * ((totals - totals.mean()) ** 2).sum()))
    # Degrees of freedom are those of the 12 villages that have rows in it (Korn and Graubard): t(0.975; 11).
    assert told["upper"][0] - told["value"][0] == pytest.approx(2.200985 * told["se"][0], rel=1e-6)
    assert told["upper"].to_list() == pytest.approx(
        survey.mean(survey.designed(rows, Design(weight="w", psu="village")), "y", by="g")["upper"].to_list()
    )
    alone = inequality(SURVEY, "y", weight="w", by="village", measures=["gini"], errors=Errors(psu="village"))
    assert set(alone["note"]) == {"one_unit"}, "one village has no variance, however many others there are"


def jackknife(rows: pl.DataFrame) -> pl.DataFrame:
    """JK1 weights by village."""
    villages = rows["village"].unique()
    scale = len(villages) / (len(villages) - 1)
    return rows.with_columns(
        pl.when(pl.col("village") == v).then(0.0).otherwise(pl.col("w") * scale).alias(f"r{v}") for v in villages
    )


def test_jackknife_weights_give_the_clustered_error():
    rows = jackknife(SURVEY)
    replicates = [c for c in rows.columns if c.startswith("r") and c != "region"]
    assert len(replicates) == 24
    smooth = ["mean", "gini", "theil_t", "mld", "atkinson(1)", "hoover", "palma"]
    jk1 = errors_of(rows, Errors("replicates", replicates=replicates, replication="jk1"), measures=smooth)
    linear = errors_of(rows, Errors(psu="village"), measures=smooth)
    assert jk1 == pytest.approx(linear, rel=0.1)
    # Factors all alike are JK1 again; dividing by R instead lessens the error by the square root of R - 1.
    jkn = errors_of(
        rows, Errors("replicates", replicates=replicates, replication="jkn", scales=[23 / 24] * 24), measures=smooth
    )
    brr = errors_of(rows, Errors("replicates", replicates=replicates, replication="brr"), measures=smooth)
    fay = errors_of(rows, Errors("replicates", replicates=replicates, replication="fay", rho=0.5), measures=smooth)
    assert jkn == pytest.approx(jk1)
    assert [b * np.sqrt(23) for b in brr] == pytest.approx(jk1)
    assert [2 * b for b in brr] == pytest.approx(fay)


def test_a_row_that_a_replicate_leaves_out_takes_no_part_in_its_quantiles():
    # Each row its own unit: replicate j is the measure of all rows but j, whatever stood between its neighbours.
    rows = SURVEY[:12].select("y", "w", village=pl.int_range(12))
    jackknifed = jackknife(rows)
    names = [f"r{j}" for j in range(12)]
    asked = ["p90_p10", "gini_corrected", "palma"]
    told = errors_of(jackknifed, Errors("replicates", replicates=names, replication="jk1"), measures=asked)
    whole, *without = (
        inequality(part, "y", weight="w", measures=asked, errors=None)["value"].to_numpy()
        for part in (rows, *(rows.filter(pl.col("village") != j) for j in range(12)))
    )
    assert told == pytest.approx(list(np.sqrt(11 / 12 * ((np.array(without) - whole) ** 2).sum(axis=0))), rel=1e-9)


def test_the_bootstrap_agrees_with_the_clustered_error_and_its_seed_decides():
    boot = Errors("bootstrap", strata="region", psu="village", n_boot=400)
    told = inequality(SURVEY, "y", weight="w", measures=["mean", "gini", "mld"], errors=boot)
    linear = errors_of(SURVEY, Errors(strata="region", psu="village"), measures=["mean", "gini", "mld"])
    # 400 draws know a standard error to 3.5 %; three times that.
    assert told["se"].to_list() == pytest.approx(linear, rel=0.11)
    assert ((told["lower"] < told["value"]) & (told["value"] < told["upper"])).all()
    again = inequality(SURVEY, "y", weight="w", measures=["mean", "gini", "mld"], errors=boot)
    assert again.equals(told)
    other = Errors("bootstrap", strata="region", psu="village", n_boot=400, seed=1)
    assert errors_of(SURVEY, other, measures=["gini"]) != errors_of(SURVEY, boot, measures=["gini"])


@pytest.mark.parametrize("measure", [*SMOOTH, "ge(-1)", "ge(0.3)", "atkinson(2)", "fgt(0)", "fgt(2)", "gini_corrected"])
def test_the_influence_of_a_row_is_what_a_little_weight_on_it_does(measure: str):
    # (θ with weight + ε on row i) - θ over ε = influence / (total weight), but for ε²; read through a design in which
    # row i alone is a unit: the error of two units is |total of one| · 2.
    rows = pl.DataFrame({"y": np.sort(rng.lognormal(sigma=0.5, size=41)), "w": rng.uniform(1, 2, 41)})
    kwargs = {"weight": "w", "measures": [measure], "line": 1.0}
    for i in (3, 20, 37):
        at = pl.int_range(pl.len()) == i
        step = 1e-6
        more, less = (
            inequality(
                rows.with_columns(w=pl.col("w") + pl.when(at).then(s).otherwise(0.0)), "y", errors=None, **kwargs
            )["value"].item()
            for s in (step, -step)
        )
        gain = (more - less) / (2 * step) * rows["w"][i]
        se = inequality(rows.with_columns(c=at), "y", errors=Errors(psu="c"), **kwargs)["se"].item()
        assert se == pytest.approx(2 * abs(gain), rel=1e-4, abs=1e-8)


def test_an_interval_in_logarithms_is_symmetric_there_and_lacks_where_a_value_is_not_above_0():
    plain, log = (
        inequality(SURVEY, "y", measures=["gini"], errors=Errors(scale=s)).row(0, named=True) for s in ("plain", "log")
    )
    assert log["se"] == plain["se"]
    assert log["lower"] * log["upper"] == pytest.approx(log["value"] ** 2)
    half = plain["upper"] - plain["value"]
    assert np.log(log["upper"] / log["value"]) == pytest.approx(half / log["value"])
    none = inequality(pl.DataFrame({"y": [-1.0, 1.0]}), "y", measures=["mean"], errors=Errors(scale="log")).row(
        0, named=True
    )
    assert (none["se"] > 0, none["lower"], none["note"]) == (True, None, "value_not_positive")


def test_a_single_unit_in_a_stratum_is_refused_or_centred():
    rows = pl.DataFrame({"y": [1.0, 2.0, 4.0], "h": [1, 1, 2]})
    with pytest.raises(DataError, match="1 of 2 strata have a single primary sampling unit"):
        inequality(rows, "y", measures=["mean"], errors=Errors(strata="h"))
    assert inequality(rows, "y", measures=["mean"], errors=Errors(strata="h", singletons="centre"))["se"].item() > 0
    # Totals 1, 3 in one stratum and 5 alone: 2 · (1 + 1) + (5 - 3)².
    units = Units(np.array([0, 0, 1]), singletons="centre")
    assert units.covariance(np.array([[1.0], [3.0], [5.0]])).item() == pytest.approx(8)


def test_a_unit_of_the_same_name_in_another_stratum_is_another_unit():
    rows = pl.DataFrame({"y": [1.0, 3.0, 5.0, 11.0], "h": [1, 1, 2, 2], "c": [1, 2, 1, 2]})
    renamed = rows.with_columns(pl.col("c") + 10 * pl.col("h"))
    told = [inequality(r, "y", errors=Errors(strata="h", psu="c"), measures=["gini"]) for r in (rows, renamed)]
    assert told[0].equals(told[1])


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (lambda: Errors("jackknife"), UnknownNameError, "method"),
        (lambda: Errors(level=95), RangeError, "level is 95"),
        (lambda: Errors("bootstrap", n_boot=10), DataError, "too few"),
        (lambda: Errors("replicates"), RangeError, "needs replicates="),
        (lambda: Errors(replicates=["a", "b"]), RangeError, "ask for 'replicates'"),
        (lambda: Errors("replicates", replicates=["a", "b"], replication="fay"), RangeError, "needs rho="),
        (
            lambda: Errors("replicates", replicates=["a", "b"], replication="jkn", scales=[1.0]),
            RangeError,
            "one factor",
        ),
        (lambda: inequality(SURVEY, "y", errors=Errors(psu="town")), SchemaError, "needs column 'town'"),
    ],
)
def test_errors_that_cannot_be_made_are_told_at_once(make, error: type[Exception], says: str):
    with pytest.raises(error, match=says):
        make()


def test_a_declared_design_makes_the_errors_that_a_survey_makes_of_it():
    # A mean is one of the measures, so that both ways must meet to the last digit.
    rows = jackknife(SURVEY).with_columns(known=pl.lit(20))
    replicates = tuple(c for c in rows.columns if c.startswith("r") and c != "region")
    for design in (
        Design(weight="w", strata="region", psu="village"),
        Design(weight="w", strata="region", psu="village", fpc="known"),
        Design(weight="w", psu="village", replicates=replicates, replication="jk1"),
        Design(weight="w", replicates=replicates, replication="fay", rho=0.3),
        Design(weight="w", replicates=replicates, scales=(0.1,) * 24),
    ):
        wanted = survey.mean(survey.designed(rows, design), "y").row(0, named=True)
        told = inequality(rows, "y", weight="w", measures=["mean"], errors=Errors.of(design)).row(0, named=True)
        for c in ("value", "se", "lower", "upper"):
            assert told[c] == pytest.approx(wanted[c], rel=1e-9)
    # 8 villages of each region's 20 were drawn: the variance is (1 - 8/20) of that with replacement.
    plain, known = (
        errors_of(rows, Errors(strata="region", psu="village", fpc=f), measures=["gini"])[0] for f in (None, "known")
    )
    assert known == pytest.approx(plain * np.sqrt(0.6))
    assert Errors.of(design, method="bootstrap").method == "bootstrap"
    with pytest.raises(DataError, match="'known' differs within a stratum"):
        odd = rows.with_columns(pl.int_range(pl.len()).alias("known") + 100)
        errors_of(odd, Errors(strata="region", psu="village", fpc="known"))
    with pytest.raises(RangeError, match="knows no finite population correction"):
        Errors("bootstrap", fpc="known")


def test_a_group_that_draws_can_leave_empty_has_a_value_and_no_error_and_the_others_keep_theirs():
    # Of two villages a draw of 23 from 24 takes neither one time in eight; of one, a replicate of the jackknife.
    for most, errors in (
        (1, Errors("bootstrap", psu="village", n_boot=100)),
        (0, Errors("replicates", replicates=[f"r{v}" for v in range(24)], replication="jk1")),
    ):
        rows = SURVEY.with_columns(g=pl.when(pl.col("village") <= most).then(pl.lit("few")).otherwise(pl.lit("many")))
        told = inequality(jackknife(rows), "y", weight="w", by="g", measures=["gini"], errors=errors)
        assert told.select(pl.col("value", "se").is_not_null()).rows() == [(True, False), (True, True)]
        assert told["note"].to_list() == ["draw_without_value", None]


def test_a_row_without_its_unit_is_refused():
    rows = SURVEY.with_columns(pl.when(pl.col("village") > 0).then("village").alias("village"))
    with pytest.raises(DataError, match="10 rows lack their stratum or primary sampling unit"):
        inequality(rows, "y", errors=Errors(psu="village"))
    gap = SURVEY.with_columns(pl.when(pl.col("village") > 0).then("village").otherwise(float("nan")).alias("village"))
    with pytest.raises(DataError, match="10 rows lack"):
        inequality(gap, "y", errors=Errors(psu="village"))
    blank = jackknife(SURVEY).with_columns(pl.when(pl.col("r3") > 0).then("r3").alias("r3"))
    with pytest.raises(DataError, match="10 rows lack their replicate weight"):
        inequality(blank, "y", weight="w", errors=Errors("replicates", replicates=["r1", "r3"]))
    # Who did not answer has no weight at all.
    silent = blank.with_columns(pl.when(pl.col("r3") > 0).then("w").alias("w"))
    told = inequality(silent, "y", weight="w", measures=["gini"], errors=Errors("replicates", replicates=["r1", "r3"]))
    assert told.select("n", "n_missing").row(0) == (230, 10)


# what the benchmark and the slow proof say


def test_the_benchmark_compares_equal_results():
    rows = bench.frame(4000)
    for peer, is_weighted in ((bench.ineqpy, True), (bench.pysal, False)):
        try:
            bench.check(peer(rows), bench.ours(rows, weighted=is_weighted), gini=1e-2 if is_weighted else None)
        except ImportError:
            continue  # no dependency of citylab
    table, parted = bench.everything(rows)
    assert table.height == 16 * len(MEASURES)
    assert parted.filter(component="total").height == 2


def test_intervals_cover_where_tails_are_short():
    told = {r.what: r for r in calibration.inequality.run(60, 1)}
    row = told["Gini, lognormal 0.5, n 400"]
    assert row.verdict == "within"
    heavy = told["Theil T, Pareto 2.5, n 400"]
    assert heavy.measured < row.measured
