"""Districts and air stations of Beijing as the pages show them: shapes for maps, names in two languages."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any

import polars as pl

from citylab import catalog, vocabulary
from citylab.app.parts import cautions_on_page
from citylab.settings import Language
from citylab.viz import maps

DISTRICTS = "echarts__static_district_boundary"
STATIONS = "bjmemc__static_station_location"


@lru_cache(maxsize=1)
def boundaries() -> pl.DataFrame:
    """Return one row per district: ``adcode``, names, area, outline; sorted by code."""
    with cautions_on_page():
        return catalog.load(DISTRICTS).sort("adcode").collect()


@lru_cache(maxsize=1)
def shapes() -> list[dict[str, Any]]:
    """Return the districts as :func:`citylab.viz.maps.features` gives them."""
    return maps.features(boundaries())


def chosen_at(longitude_deg: float, latitude_deg: float, chosen: str) -> str:
    """Return the ``adcode`` that is chosen after a tap on the map: a second tap on a district chooses none.

    Parameters
    ----------
    longitude_deg, latitude_deg
        Where the map was tapped (WGS-84); beside all districts nothing changes.
    chosen
        District chosen before; empty: none.
    """
    found = maps.district_at(shapes(), longitude_deg, latitude_deg)
    if found is None:
        return chosen
    return "" if found == chosen else found


def stations(ids: Collection[str]) -> pl.DataFrame:
    """Return one row per station, sorted by id, its English name without a gloss: "Nongzhanguan", for the bars.

    Parameters
    ----------
    ids
        Stations to return, values of ``station_id``.
    """
    with cautions_on_page():
        return (
            catalog.load(STATIONS)
            .filter(pl.col("station_id").is_in(list(ids)))
            .with_columns(pl.col("station_name_en").str.replace(r"\s*\(.*\)$", ""))
            .sort("station_id")
            .collect()
        )


def district_name(adcode: str, lang: Language) -> str:
    """Return the name of a district.

    Examples
    --------
    >>> district_name("110105", "zh"), district_name("110105", "en")
    ('朝阳区', 'Chaoyang')
    """
    row = boundaries().row(by_predicate=pl.col("adcode") == adcode, named=True)
    return str(row[f"district_name_{lang}"])


def district_options(lang: Language, *, lacking: Collection[str] = (), why: str = "") -> dict[str, str]:
    """Return names and codes of the districts for a list, the whole city first with an empty code.

    Parameters
    ----------
    lang
        Language of the names.
    lacking
        Codes of districts without data; they stay in the list, with the reason behind the name.
    why
        That reason.

    Examples
    --------
    >>> options = district_options("en", lacking=["110118"], why="no station")
    >>> options["Whole city"], options["Miyun (no station)"]
    ('', '110118')
    """
    named = boundaries().select("adcode", f"district_name_{lang}").rows()
    return {vocabulary.say("everywhere", lang): ""} | {
        name + (f" ({why})" if adcode in lacking else ""): adcode for adcode, name in named
    }


def map_caution(lang: Language) -> str:
    """Return what must stand under a map of the districts: its outlines are no legal ones."""
    return " ".join(w.text.say(lang) for w in catalog.declaration(DISTRICTS).warnings if w.code == "legal_map")
