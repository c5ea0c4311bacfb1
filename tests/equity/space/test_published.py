"""Results that others printed: esda's and spdep's on the data of the GeoDa Center, PySAL's spatial Gini of Mexico."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from scipy.stats import norm

from citylab.equity import space

EXACT = 1e-8


def gal(path: Path, names: list[object]) -> pl.DataFrame:
    """Links of a GAL file: a line with a place and its number of neighbours, then a line with these."""
    lines = path.read_text().split("\n")[1:]
    both = [(head.split(), tail.split()) for head, tail in zip(lines[::2], lines[1::2], strict=False) if head]
    rows = [(head[0], to) for head, tail in both for to in tail]
    code = {str(n): n for n in names}
    return pl.DataFrame(
        {"from_id": [code[a] for a, _ in rows], "to_id": [code[b] for _, b in rows], "weight": [1.0] * len(rows)}
    )


@pytest.fixture(scope="module")
def folder(mirror: Path) -> Path:
    return mirror / "reference" / "moran"


@pytest.fixture(scope="module")
def sids(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    table = pl.read_csv(folder / "sids2.csv")
    return table, gal(folder / "sids2.gal", table["FIPSNO"].to_list())


def columbus(folder: Path, kind: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    table = pl.read_csv(folder / "columbus.csv").with_row_index("at").with_columns(pl.col("at").cast(pl.Int64))
    links = pl.read_csv(folder / f"columbus_{kind}_pairs.csv")
    return table, links.rename({"i": "from_id", "j": "to_id"}).with_columns(weight=1.0)


def test_moran_of_homicides_round_st_louis_is_the_published_one(folder):
    table = pl.read_csv(folder / "stl_hom.csv").with_row_index("at", offset=1)
    table = table.with_columns(pl.col("at").cast(pl.Int64))
    links = gal(folder / "stl.gal", table["at"].to_list())
    told = space.moran(table, "HR8893", "at", links, permutations=999, assumption="normality", alternative="greater")
    row = told.row(0, named=True)
    assert row["value"] == pytest.approx(0.24365582621771, abs=EXACT)
    assert row["expected"] == pytest.approx(-0.0129870130, abs=EXACT)
    assert row["z"] == pytest.approx(3.6410972, abs=1e-7)
    assert row["p"] == pytest.approx(0.000135739, abs=1e-9)
    assert row["n"] == 78
    assert row["p_sim"] <= 0.01
    row = space.moran(table, "HR8893", "at", links, permutations=0).row(0, named=True)
    assert row["sd"] ** 2 == pytest.approx(0.0029761028, abs=EXACT)
    assert row["z"] == pytest.approx(4.7044102, abs=1e-7)
    assert row["p_sim"] is None


def test_moran_of_infant_deaths_is_the_published_one(sids):
    table, links = sids
    told = space.moran(table, "SIDR74", "FIPSNO", links, permutations=0, assumption="normality", alternative="greater")
    row = told.row(0, named=True)
    assert row["value"] == pytest.approx(0.24772519320480, abs=EXACT)
    assert row["z"] == pytest.approx(3.8547814, abs=1e-7)
    assert row["p"] == pytest.approx(5.79165e-05, abs=1e-9)
    z = space.moran(table, "SIDR74", "FIPSNO", links, permutations=0)["z"].item()
    assert z == pytest.approx(3.9428475, abs=1e-7)


def test_moran_of_rates_and_bivariate_moran_are_the_published_ones(sids):
    table, links = sids
    told = space.moran_rates(
        table, "SID79", "BIR79", "FIPSNO", links, permutations=999, assumption="normality", alternative="greater"
    )
    assert told["value"].item() == pytest.approx(0.16622343552567, abs=EXACT)
    assert told["p"].item() == pytest.approx(0.0041915, abs=1e-7)
    told = space.moran_bivariate(table, "SIDR74", "SIDR79", "FIPSNO", links, permutations=999)
    assert told["value"].item() == pytest.approx(0.19362610652875, abs=EXACT)


@pytest.mark.parametrize(
    ("kind", "column", "moran", "z"),
    [
        ("rook", "CRIME", 0.52367021275025, 5.457880),
        ("queen", "CRIME", 0.50018855718, 5.5893827),
        ("queen", "HOVAL", 0.1800931, None),
        ("queen", "INC", 0.4156288, None),
    ],
)
def test_moran_of_columbus_is_the_published_one(folder, kind, column, moran, z):
    table, links = columbus(folder, kind)
    row = space.moran(table, column, "at", links, permutations=0).row(0, named=True)
    digits = 1e-7 if z is None else EXACT
    assert row["value"] == pytest.approx(moran, abs=digits)
    if z is not None:
        assert row["z"] == pytest.approx(z, abs=1e-6)


def test_geary_of_columbus_is_the_published_one(folder):
    table, links = columbus(folder, "rook")
    normal = space.geary(table, "CRIME", "at", links, permutations=0, assumption="normality").row(0, named=True)
    assert normal["value"] == pytest.approx(0.51544080586524, abs=EXACT)
    assert normal["sd"] ** 2 == pytest.approx(0.0114031096, abs=EXACT)
    assert normal["z"] == pytest.approx(-4.5376938, abs=1e-7)
    dealt = space.geary(table, "CRIME", "at", links, permutations=999).row(0, named=True)
    assert dealt["sd"] ** 2 == pytest.approx(0.0108488828, abs=EXACT)
    assert dealt["z"] == pytest.approx(-4.6521567, abs=1e-7)
    assert dealt["p_sim"] <= 0.01


def test_local_moran_of_de_smith_is_the_published_one(folder):
    table = pl.read_csv(folder / "desmith.csv").with_columns(pl.col("id") + 1)
    links = gal(folder / "desmith.gal", table["id"].to_list())
    assert space.moran(table, "z", "id", links, permutations=0)["value"].item() == pytest.approx(0.07361243, abs=EXACT)
    told = space.local_moran(table.rename({"z": "height"}), "height", "id", links, permutations=999)
    assert told["statistic"].to_list() == pytest.approx(
        [-0.11409277, -0.19940543, -0.13351408, -0.51770383, 0.48095009, 0.12208113, 1.19148298, -0.58144305,
         0.07101383, 0.34314301], abs=EXACT,
    )  # fmt: skip
    # PySAL's numbers: 1 HH, 2 LH, 3 LL, 4 HL.
    numbers = {"HH": 1, "LH": 2, "LL": 3, "HL": 4}
    assert [numbers[q] for q in told["quadrant"]] == [4, 4, 4, 2, 3, 3, 1, 4, 3, 3]


POINTS = pl.DataFrame(
    {
        "point": range(6),
        "x_m": [10.0, 20, 40, 15, 30, 30],
        "y_m": [10.0, 10, 10, 20, 20, 30],
        "y": [2.0, 3, 3.2, 5, 8, 7],
    }
)


def test_getis_and_ord_of_six_points_are_the_published_ones():
    links = space.within(POINTS, "point", distance_km=0.015, coordinates=("x_m", "y_m"))
    row = space.getis_ord_g(POINTS, "y", "point", links, permutations=999).row(0, named=True)
    assert row["value"] == pytest.approx(0.5570977918, abs=EXACT)
    assert row["expected"] == pytest.approx(0.4666667, abs=1e-7)
    assert row["z"] == pytest.approx(0.9426278, abs=1e-7)
    assert norm.sf(row["z"]) == pytest.approx(0.1729357, abs=1e-7)  # printed one-sided
    assert row["p"] == pytest.approx(2 * 0.1729357, abs=2e-7)
    local = space.local_getis_ord(POINTS, "y", "point", links, star=False, permutations=99)
    assert local["z"].to_list() == pytest.approx(
        [-1.0136729, -0.04361589, 1.31558703, -0.31412676, 1.15373986, 1.77833941], abs=1e-7
    )
    star = space.local_getis_ord(POINTS, "y", "point", links, permutations=99)
    assert star["z"].to_list() == pytest.approx(
        [-1.39727626, -0.28917762, 0.65064964, -0.28917762, 1.23452088, 2.02424331], abs=EXACT
    )


def test_join_counts_of_a_lattice_are_the_published_ones():
    right = [(i, i + 1) for i in range(16) if i % 4 < 3]
    down = [(i, i + 4) for i in range(12)]
    links = space.pairs(pl.DataFrame(right + down, schema=["a", "b"], orient="row"), "a", "b")
    cells = pl.DataFrame({"cell": range(16), "is_one": [0] * 8 + [1] * 8})
    told = space.join_counts(cells, "is_one", "cell", links, permutations=999)
    assert dict(told.select("statistic", "value").iter_rows()) == {"join_bb": 10, "join_bw": 4, "join_ww": 10}
    # 24 joins; a pair is both ones with probability 8/16 x 7/15.
    assert told["expected"].to_list() == pytest.approx([24 * 7 / 30, 24 * 16 / 30, 24 * 7 / 30])
    assert told["p_sim"].max() < 0.05


def test_spatial_gini_of_mexico_is_the_published_one(mirror):
    table = pl.read_csv(mirror / "reference" / "inequality" / "mexico.csv")
    links = space.same_group(table, "State", "hanson98")
    told = space.gini_spatial(table, "pcgdp1940", "State", links, permutations=99)
    gini = dict(told.select("statistic", "value").iter_rows())
    assert gini["gini"] == pytest.approx(0.3537237117, abs=1e-7)
    # PySAL stores the difference between pairs that are no neighbours over the Gini's denominator as "share".
    assert gini["gini_far"] == pytest.approx(0.2940180, abs=1e-7)
    # Its components are sums of differences over ordered pairs: each pair counts twice.
    ordered_pairs = 2 * table.height**2 * table["pcgdp1940"].mean()
    assert gini["gini_near"] * ordered_pairs == pytest.approx(884130, abs=1e-3)
    assert gini["gini_far"] * ordered_pairs == pytest.approx(4353856, abs=1e-3)
