from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import xarray as xr

import citylab as cl
from citylab import tables
from citylab.errors import DataError
from citylab.sources import edgar

pytestmark = pytest.mark.filterwarnings("ignore::citylab.errors.UsageWarning")
FOSSIL = "edgar_v6.0_CO2_excl_short-cycle_org_C_2015_TOTALS.5.3x5.1.nc"
BIOGENIC = "edgar_v6.0_CO2_org_short-cycle_C_2015_TOTALS.5.3x5.1.nc"
CH4_2015 = "edgar_v6.0_CH4_2015_TOTALS.5.3x5.1.nc"
CH4_2016 = "edgar_v6.0_CH4_2016_TOTALS.5.3x5.1.nc"


@pytest.fixture(scope="module")
def sectors(mirror: Path) -> pl.DataFrame:
    return cl.load("edgar__yearly_country_sector_ghg").collect()


@pytest.fixture(scope="module")
def grids(mirror: Path) -> Path:
    pytest.importorskip("h5netcdf", reason="needs h5netcdf and h5py, which read NetCDF-4")
    pytest.importorskip("h5py", reason="needs h5netcdf and h5py, which read NetCDF-4")
    return mirror / "grid-samples"


def test_china_by_sector_is_as_another_reader_printed_it(sectors: pl.DataFrame):
    china = sectors.filter(country_code="CHN", year=2019)
    assert {s: round(t / 1e6) for s, t in china.select("sector_at_source", "ghg_co2e_t").iter_rows()} == {
        "Buildings": 696, "Other industrial combustion": 3142, "Other sectors": 4389, "Power Industry": 5272,
        "Transport": 927,
    }  # fmt: skip
    assert round(china["ghg_co2e_t"].sum() / 1e6) == 14_425


def test_the_table_counts_all_gases_and_not_carbon_dioxide(sectors: pl.DataFrame):
    co2 = cl.load("owid__yearly_country_co2").filter(country_code="CHN", year=2019).collect()["co2_t"].item()
    ghg = sectors.filter(country_code="CHN", year=2019)["ghg_co2e_t"].sum()
    assert ghg > 1.3 * co2


def test_aviation_and_shipping_between_countries_are_rows_but_no_countries(sectors: pl.DataFrame):
    abroad = sectors.filter(~pl.col("is_country"))
    assert set(abroad["country_code"]) == {"AIR", "SEA"}
    assert sectors["country_code"].n_unique() == 210
    assert sectors.filter("is_country")["country_code"].n_unique() == 208
    transport = abroad.filter(year=2019, sector_at_source="Transport")["ghg_co2e_t"].sum()
    assert transport == pytest.approx((622.461863 + 691.333665) * 1e6, abs=2)


def test_what_is_missing_is_empty_and_not_zero(sectors: pl.DataFrame):
    assert sectors["ghg_co2e_t"].null_count() == 386
    power = sectors.filter(country_code="ALB", sector_at_source="Power Industry").drop_nulls("ghg_co2e_t")
    assert power.filter(pl.col("year") > 2007)["year"].sort().to_list() == [2009, 2010, 2011]
    parts = sectors.group_by("country_code").agg(pl.col("sector_at_source").n_unique())
    assert set(parts.filter(pl.col("sector_at_source") < 5)["country_code"]) == {"AIR", "SEA", "FRO", "GIB"}


def test_names_have_commas_where_the_publisher_wrote_underscores(sectors: pl.DataFrame):
    names = dict(sectors.select("country_code", "country_name_en").unique().iter_rows())
    assert names["TWN"] == "Taiwan, Province of China"
    assert names["COD"] == "Congo, the Democratic Republic of the"
    assert not any("_" in name for name in names.values())


def test_every_sector_says_which_rows_of_the_gpc_it_holds(sectors: pl.DataFrame):
    declared = tables.read("edgar_sectors")
    assert set(declared["sector_at_source"]) == set(sectors["sector_at_source"])
    known = set(tables.read("carbon_gpc")["gpc_ref"])
    for refs in declared["gpc_refs"]:
        assert set(refs.split("|")) <= known
    held = {ref for refs in declared["gpc_refs"] for ref in refs.split("|")}
    assert "V.2" not in held, "land use is not in EDGAR"


def areas_m2(grid: xr.Dataset) -> xr.DataArray:
    """Area of each cell of a sphere of 6,371 km whose edges lie halfway between the centres, poles included."""
    lat = grid["latitude_deg"].astype("float64")
    step = np.diff(lat).mean()
    south, north = np.clip(lat - step / 2, -90, 90), np.clip(lat + step / 2, -90, 90)
    width = np.deg2rad(np.diff(grid["longitude_deg"].astype("float64")).mean())
    return 6.371e6**2 * width * (np.sin(np.deg2rad(north)) - np.sin(np.deg2rad(south)))


@pytest.mark.parametrize(
    ("name", "stated_t"),
    [(FOSSIL, 3.63676e10), (BIOGENIC, 6.73577e9), (CH4_2015, 3.65667e8), (CH4_2016, 3.67326e8)],
)
def test_a_grid_says_the_total_of_its_heading_in_tonnes(grids: Path, name: str, stated_t: float):
    assert edgar.open_flux(grids / name).attrs["stated_total_t"] == pytest.approx(stated_t, rel=1e-12)


def test_axes_run_from_south_to_north_and_from_180_west_to_180_east(grids: Path):
    grid = edgar.open_flux(grids / FOSSIL)
    assert dict(grid.sizes) == {"latitude_deg": 35, "longitude_deg": 71}
    for axis, far in (("latitude_deg", 90), ("longitude_deg", 180)):
        assert (np.diff(grid[axis]) > 0).all()
        assert -far <= float(grid[axis][0]) < float(grid[axis][-1]) <= far
    assert float(grid["flux_kgm2s"].min()) >= 0


def test_turning_the_axes_moves_no_value_to_another_place(grids: Path):
    grid = edgar.open_flux(grids / FOSSIL)
    with xr.open_dataset(grids / FOSSIL, engine="h5netcdf") as raw:
        for lon in raw["lon"].values[[0, 20, 40, 69]]:
            ours = grid["flux_kgm2s"].sel(longitude_deg=(lon + 180) % 360 - 180, method="nearest")
            assert np.array_equal(ours.values, raw["emi_co2"].sel(lon=lon).values)


def test_a_thinned_grid_does_not_hold_the_mass_of_its_heading(grids: Path):
    """The file was thinned by picking cells: 2.29e13 kg were measured by another reader, against 3.64e13 stated."""
    grid = edgar.open_flux(grids / FOSSIL)
    seconds = 365 * 86_400
    mass_t = float((grid["flux_kgm2s"] * areas_m2(grid)).sum()) * seconds / 1e3
    assert mass_t == pytest.approx(2.29e10, rel=0.02)
    assert mass_t < 0.7 * grid.attrs["stated_total_t"]


def test_the_zip_holds_the_same_grid(grids: Path, tmp_path: Path):
    with zipfile.ZipFile(grids / "edgar_v6.0_CH4_2015_TOTALS_nc.zip") as archive:
        (member,) = (n for n in archive.namelist() if n.endswith(".nc"))
        packed = edgar.open_flux(Path(archive.extract(member, tmp_path)))
    assert packed.equals(edgar.open_flux(grids / CH4_2015))


def test_a_file_of_another_kind_is_refused_with_what_it_holds(grids: Path, tmp_path: Path):
    axes = {"lat": ("lat", [0.0, 1.0]), "lon": ("lon", [0.0, 1.0])}

    def written(**fluxes: dict[str, str]) -> Path:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.nc"
        values = {n: (("lat", "lon"), np.zeros((2, 2)), attrs) for n, attrs in fluxes.items()}
        xr.Dataset(values, coords=axes, attrs={"title": "t"}).to_netcdf(path, engine="h5netcdf")
        return path

    good = {"units": "kg m-2 s-1", "total_emi_co2": " 1e3 kg/year"}
    assert edgar.open_flux(written(emi_co2=good)).attrs["stated_total_t"] == 1
    with pytest.raises(DataError, match="the gridded quantities"):
        edgar.open_flux(written(emi_co2=good, emi_ch4=good))
    with pytest.raises(DataError, match="'t km-2 yr-1'"):
        edgar.open_flux(written(emi_co2={**good, "units": "t km-2 yr-1"}))
    with pytest.raises(DataError, match="expected a mass in kg/year"):
        edgar.open_flux(written(emi_co2={"units": "kg m-2 s-1"}))
