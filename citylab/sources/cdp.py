"""CDP with ICLEI: city-wide emissions as cities disclosed them in the questionnaires of 2016 to 2021.

Every year words its headings anew, and what a city adds up differs: figures are self-reported and unverified, no panel.

References
----------
CDP Open Data Portal, data sets dfed-thx7 (2016), kyi6-dk5h (2017), wii4-buw5 (2018), 542d-zyj8 (2019), p43t-fbkj
(2020), tmta-7i7p (2021).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from citylab.errors import DataError

NOT_A_NUMBER = ("Not Applicable", "Question not applicable")
"""Answers that stand where a figure would."""
_TONNES = r" ?\(metric tonnes CO2e\)"
_DIRECT = r"Direct emissions(?:/ Scope 1)?"
_INDIRECT = r"Indirect emissions from use of grid supplied energy(?:/Scope 2)?"
_OUTSIDE = r"Emissions occurring outside city boundary(?:/ Scope 3)?"
_WITHOUT = r" for Total emissions \(excluding generation of grid-supplied energy\)"
HEADINGS = {
    "account_id": r"Account number",
    "organisation_name": r"Organization|City Name",
    "city_name_en": r"City|City Short Name",
    "country_name_en": r"Country",
    "report_year": r"Year Reported to CDP|Reporting year",
    "period": r"Accounting year|Measurement year",
    "boundary_at_source": r"Boundary|Inventory boundary.*",
    "protocol_at_source": r"Protocol|Primary protocol|Primary methodology",
    "gases_at_source": r"Gases included",
    "stated_total_co2e_t": rf"Total (?:City-wide )?emissions{_TONNES}",
    "scope1_co2e_t": rf"Total Scope 1 emissions{_TONNES}",
    "scope2_co2e_t": rf"Total Scope 2 emissions{_TONNES}",
    "scope3_co2e_t": rf"Total Scope 3 emissions(?:{_TONNES})?",
    "scope1_grid_supply_co2e_t": rf"{_DIRECT}{_TONNES} for Total generation of grid.supplied energy",
    "scope1_without_supply_co2e_t": rf"{_DIRECT}{_TONNES}{_WITHOUT}",
    "scope2_without_supply_co2e_t": rf"{_INDIRECT}{_TONNES}{_WITHOUT}",
    "scope3_without_supply_co2e_t": rf"{_OUTSIDE}{_TONNES}{_WITHOUT}",
    "basic_co2e_t": r"Total BASIC emissions \(GPC\)",
    "basic_plus_co2e_t": r"Total BASIC\+ emissions \(GPC\)",
}
"""Our columns and the headings they had, without regard to case; zero-width and hard blanks are taken off before."""
COUNTRIES = {
    "USA": "United States of America",
    "Taiwan": "Taiwan, China",
    "Taiwan, Greater China": "Taiwan, China",
    "Hong Kong": "Hong Kong, China",
    "China, Hong Kong Special Administrative Region": "Hong Kong, China",
}
"""Labels that changed from one questionnaire to the next, and the one that is kept."""
_INVISIBLE = re.compile("[\u200b\xa0]")
_DAY = r"(\d{4}-\d{2}-\d{2})"
_US_DAY = "%m/%d/%Y"


def parse_cities(paths: Sequence[Path]) -> pl.LazyFrame:
    """Read the disclosures of one or more questionnaires.

    Returns
    -------
    polars.LazyFrame
        One row per account and report year, in the cities' own figures [t CO2e]; what a year did not ask is null. The
        questionnaire of 2016 gives the last day of the inventory only. Populations are left out: some are in
        thousands.

    Raises
    ------
    DataError
        A file has no heading for the account, the city, the country or the year, or two for one column.
    """
    return pl.concat([_one(path) for path in paths])


def _one(path: Path) -> pl.LazyFrame:
    raw = pl.scan_csv(path, infer_schema=False)
    found: dict[str, str] = {}
    headings = {c: _INVISIBLE.sub("", c).strip() for c in raw.collect_schema().names()}
    for ours, pattern in HEADINGS.items():
        fitting = [c for c, plain in headings.items() if re.fullmatch(pattern, plain, flags=re.IGNORECASE)]
        if len(fitting) > 1:
            raise DataError(f"{path.name} has {len(fitting)} headings for {ours}: {fitting}. Narrow cdp.HEADINGS.")
        if fitting:
            found[ours] = fitting[0]
    if missing := [c for c in ("account_id", "country_name_en", "report_year", "period") if c not in found]:
        raise DataError(f"{path.name} has no heading for {missing}; it has {list(headings.values())}.")

    def text(name: str) -> pl.Expr:
        given = pl.col(found[name]).str.strip_chars() if name in found else pl.lit(None, pl.String)
        return given.replace("", None)

    def mass(name: str) -> pl.Expr:
        return text(name).replace(list(NOT_A_NUMBER), None).cast(pl.Float64).alias(name)

    period = text("period")
    american = period.str.extract(r"^(\d{2}/\d{2}/\d{4})").str.to_date(_US_DAY)
    words = ("organisation_name", "city_name_en", "boundary_at_source", "protocol_at_source", "gases_at_source")
    return raw.select(
        text("account_id").alias("account_id"),
        text("report_year").cast(pl.Int64).alias("report_year"),
        text("country_name_en").replace(COUNTRIES).alias("country_name_en"),
        *(text(w).alias(w) for w in words),
        period.str.extract(f"^{_DAY} -").str.to_date().alias("period_start"),
        pl.coalesce(period.str.extract(f"- {_DAY}$").str.to_date(), american).alias("period_end"),
        *(mass(name) for name in HEADINGS if name.endswith("_co2e_t")),
    )
