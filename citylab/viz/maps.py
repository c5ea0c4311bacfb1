"""Maps of the districts by pydeck, with no base map and nothing fetched from outside."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from citylab import settings, vocabulary
from citylab.settings import Language
from citylab.viz import figures, numbers, theme

if TYPE_CHECKING:
    import pydeck as pdk

    Feature = dict[str, Any]

LABEL_MIN_KM2 = 150.0
"""Districts below this area get no written name: it would cover its neighbours. Hover and the bars name them."""
_DECIMALS = 4
_VIEW = {"longitude": 116.45, "latitude": 40.26, "zoom": 6.75}
_STATION_VIEW = {"longitude": 116.41, "latitude": 40.12, "zoom": 8.6}
_DISC_PX = 12
_LINE_PX, _SELECTED_LINE_PX = 1, 4
_DISTRICT_COLUMNS = ("adcode", "district_name_zh", "district_name_en", "area_km2", "geometry_wkb")
_STATION_COLUMNS = ("station_id", "station_name_zh", "station_name_en", "longitude_deg", "latitude_deg",
                    "is_position_disputed")  # fmt: skip


def features(boundaries: pl.DataFrame) -> list[Feature]:
    """Return districts as GeoJSON features in degrees, with a point inside each for its label.

    Parameters
    ----------
    boundaries
        One row per district: ``adcode``, names, ``area_km2``, ``geometry_wkb`` (WGS-84).

    Raises
    ------
    SchemaError
        A column is missing.
    """
    import shapely

    figures.need(boundaries, _DISTRICT_COLUMNS, "The map's boundaries")
    found = []
    for row in boundaries.iter_rows(named=True):
        shape = shapely.from_wkb(row["geometry_wkb"])
        inside = shape.representative_point()
        found.append(
            {
                "type": "Feature",
                "id": row["adcode"],
                "geometry": json.loads(shapely.to_geojson(shapely.set_precision(shape, 10**-_DECIMALS))),
                "properties": {
                    "adcode": row["adcode"],
                    "name_zh": row["district_name_zh"],
                    "name_en": row["district_name_en"],
                    "area_km2": row["area_km2"],
                    "label_lon": round(inside.x, _DECIMALS),
                    "label_lat": round(inside.y, _DECIMALS),
                },
            }
        )
    return found


def district_at(shapes: Sequence[Feature], longitude_deg: float, latitude_deg: float) -> str | None:
    """Return the ``adcode`` of the district that holds a point (WGS-84), or ``None`` outside all.

    Parameters
    ----------
    shapes
        What :func:`features` returned.
    longitude_deg, latitude_deg
        The point, such as a click on the map.
    """
    import shapely

    point = shapely.Point(longitude_deg, latitude_deg)
    for shape in shapes:
        if shapely.from_geojson(json.dumps(shape["geometry"])).covers(point):
            return str(shape["properties"]["adcode"])
    return None


def district_map(
    frame: pl.DataFrame,
    value: str,
    boundaries: pl.DataFrame | Sequence[Feature],
    *,
    stations: pl.DataFrame | None = None,
    n: str | None = None,
    n_name: str = "n",
    period: str = "",
    selected: str | None = None,
    no_value: str = "",
    unit: str | None = None,
    lang: Language | None = None,
    large: bool = False,
) -> pdk.Deck:
    """Return a flat map of districts coloured by a value; districts without one are grey.

    Parameters
    ----------
    frame
        One row per district that has a value: ``adcode``, ``value`` and, if named, ``n``.
    value
        Column that gives the colour, light (low) to dark (high) between the least and the greatest of ``frame``.
    boundaries
        One row per district as in :func:`features`, or what that function returned (saves the conversion).
    stations
        Dots: ``station_id``, names, ``longitude_deg``, ``latitude_deg`` (WGS-84), ``is_position_disputed``, and
        ``value`` for the hover text. A dot with a disputed position is hollow.
    n
        Column of ``frame`` and ``stations`` with the number behind each value.
    n_name
        What ``n`` counts, for the hover text.
    period
        Period of the value, for the hover text.
    selected
        ``adcode`` of a district to outline.
    no_value
        Words for a district without a value.
    unit
        Unit of ``value``; default: the vocabulary's.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    large
        Larger type.

    Returns
    -------
    pydeck.Deck
        Give it to :func:`offline_spec` (a page) or :func:`citylab.viz.notebook.show` (a notebook).

    Raises
    ------
    SchemaError
        A column is missing.
    """
    import pydeck as pdk

    lang = lang or settings.language()
    unit = vocabulary.column(value).unit if unit is None else unit
    figures.need(frame, ["adcode", value, *([n] if n else [])], "The map's values")
    shapes = features(boundaries) if isinstance(boundaries, pl.DataFrame) else boundaries
    values = {r["adcode"]: r for r in frame.iter_rows(named=True) if r[value] is not None}
    low, high = limits(frame, value)

    def tip(name: str, row: Mapping[str, Any] | None, more: str = "") -> str:
        if row is None or row[value] is None:
            body = html.escape(no_value or vocabulary.say("no_data", lang))
        else:
            number, shown_unit = numbers.quantity(row[value], unit, lang)
            body = f"{number} {html.escape(shown_unit)}"
            if n is not None:
                body += f"<br>{html.escape(n_name)}: {numbers.count(row[n])}"
        return f"<b>{html.escape(name)}</b><br>{body}<br>{html.escape(period)}{more}"

    districts = []
    for shape in shapes:
        properties = shape["properties"]
        row = values.get(properties["adcode"])
        fill = theme.colour("no_data") if row is None else theme.step(row[value], low, high)
        chosen = properties["adcode"] == selected
        districts.append(
            {
                "type": "Feature",
                "geometry": shape["geometry"],
                "tip": tip(properties[f"name_{lang}"], row),
                "properties": {
                    "adcode": properties["adcode"],
                    "fill": theme.rgb(fill),
                    "line": theme.rgb(theme.colour("selected") if chosen else theme.PAPER),
                    "px": _SELECTED_LINE_PX if chosen else _LINE_PX,
                },
            }
        )
    districts.sort(key=lambda d: d["properties"]["px"])  # the outlined one is drawn last, over its neighbours
    layers = [
        pdk.Layer(
            "GeoJsonLayer",
            {"type": "FeatureCollection", "features": districts},
            id="districts",
            pickable=True,
            stroked=True,
            get_fill_color="properties.fill",
            get_line_color="properties.line",
            get_line_width="properties.px",
            line_width_units=pdk.types.String("pixels"),
        )
    ]
    if stations is not None:
        layers.append(_dots(stations, value, n, lang, tip))
    layers.append(
        pdk.Layer(
            "TextLayer",
            _district_names(shapes, lang),
            id="labels",
            get_position="[lon, lat]",
            get_text="label",
            get_size=theme.LARGE_PX if large else theme.TEXT_PX,
            get_color=list(theme.rgb(theme.INK)),
            background=True,
            get_background_color=[*theme.rgb(theme.PAPER), 190],
            background_padding=[3, 1, 3, 1],
            font_family=pdk.types.String(theme.font_stack()),
            character_set=pdk.types.String("auto"),
            get_pixel_offset=[0, -12],
        )
    )
    return _flat(layers, _VIEW)


def _flat(layers: list[pdk.Layer], view: dict[str, float]) -> pdk.Deck:
    """Return layers as a flat map with no base map."""
    import pydeck as pdk

    return pdk.Deck(
        layers=layers,
        initial_view_state=pdk.ViewState(**view),
        # With a controller of single options deck.gl 9.1 reports no clicks; the page keeps its wheel by other means.
        views=[pdk.View(type="MapView", controller=True)],
        map_provider=None,
        map_style=None,
        tooltip={"html": "{tip}"},
    )


def _district_names(shapes: Sequence[Feature], lang: Language) -> list[dict[str, Any]]:
    """Return the written names of districts that are large enough, each with its place."""
    return [
        {
            "label": s["properties"][f"name_{lang}"].removesuffix("区"),
            "lon": s["properties"]["label_lon"],
            "lat": s["properties"]["label_lat"],
        }
        for s in shapes
        if s["properties"]["area_km2"] >= LABEL_MIN_KM2
    ]


def _dots(stations: pl.DataFrame, value: str, n: str | None, lang: Language, tip: Any) -> pdk.Layer:
    import pydeck as pdk

    figures.need(stations, [*_STATION_COLUMNS, value, *([n] if n else [])], "The map's stations")
    rows = []
    for row in stations.iter_rows(named=True):
        disputed = bool(row["is_position_disputed"])
        more = f"<br>{html.escape(vocabulary.say('position_disputed', lang))}" if disputed else ""
        paper, ink = theme.rgb(theme.PAPER), theme.rgb(theme.INK)
        fill, edge = (paper, ink) if disputed else (ink, paper)
        rows.append(
            {
                "station_id": row["station_id"],
                "lon": round(row["longitude_deg"], _DECIMALS),
                "lat": round(row["latitude_deg"], _DECIMALS),
                "fill_r": fill[0],
                "fill_g": fill[1],
                "fill_b": fill[2],
                "edge_r": edge[0],
                "edge_g": edge[1],
                "edge_b": edge[2],
                "tip": tip(row[f"station_name_{lang}"], row, more),
            }
        )
    return pdk.Layer(
        "ScatterplotLayer",
        rows,
        id="stations",
        pickable=True,
        stroked=True,
        get_position="[lon, lat]",
        get_fill_color="[fill_r, fill_g, fill_b]",
        get_line_color="[edge_r, edge_g, edge_b]",
        get_radius=4,
        radius_units=pdk.types.String("pixels"),
        get_line_width=1.5,
        line_width_units=pdk.types.String("pixels"),
    )


def station_map(
    stations: pl.DataFrame,
    boundaries: pl.DataFrame | Sequence[Feature],
    *,
    colour: str,
    text: str,
    tip: str,
    selected: str | None = None,
    lang: Language | None = None,
    large: bool = False,
) -> pdk.Deck:
    """Return a flat map with each station as a disc in a given colour, a short text written on it.

    Parameters
    ----------
    stations
        One row per station: ``station_id``, ``longitude_deg``, ``latitude_deg`` (WGS-84) and the columns below.
    boundaries
        Districts, as in :func:`district_map`.
    colour
        Column of the colour (#RRGGBB); null is grey.
    text
        Column of what is written on the disc, three or four characters.
    tip
        Column of the hover text, which is taken as HTML.
    selected
        ``station_id`` to outline.
    lang
        Language; default: the ``CITYLAB_LANG`` setting.
    large
        Larger type.

    Returns
    -------
    pydeck.Deck
        As :func:`district_map`.

    Raises
    ------
    SchemaError
        A column is missing.
    """
    import pydeck as pdk

    lang = lang or settings.language()
    figures.need(stations, ["station_id", "longitude_deg", "latitude_deg", colour, text, tip], "The map's stations")
    shapes = features(boundaries) if isinstance(boundaries, pl.DataFrame) else boundaries
    rows = []
    for row in stations.iter_rows(named=True):
        fill = row[colour] or theme.colour("no_data")
        chosen = row["station_id"] == selected
        rows.append(
            {
                "station_id": row["station_id"],
                "lon": round(row["longitude_deg"], _DECIMALS),
                "lat": round(row["latitude_deg"], _DECIMALS),
                "fill": theme.rgb(fill),
                "ink": theme.rgb(theme.ink_on(fill)),
                "edge": theme.rgb(theme.INK if chosen else theme.MUTED),
                "px": _SELECTED_LINE_PX if chosen else _LINE_PX,
                "label": row[text],
                "tip": row[tip],
            }
        )
    rows.sort(key=lambda r: r["px"])
    grounds = [
        {
            "type": "Feature",
            "geometry": s["geometry"],
            "tip": f"<b>{html.escape(s['properties'][f'name_{lang}'])}</b>",
            "properties": {},
        }
        for s in shapes
    ]
    names = _district_names(shapes, lang)
    pixels = pdk.types.String("pixels")
    layers = [
        pdk.Layer("GeoJsonLayer", {"type": "FeatureCollection", "features": grounds}, id="districts", pickable=True,
                  stroked=True, get_fill_color=list(theme.rgb(theme.GRID)), get_line_color=list(theme.rgb(theme.PAPER)),
                  get_line_width=1.5, line_width_units=pixels),
        pdk.Layer("TextLayer", names, id="names", get_position="[lon, lat]", get_text="label",
                  get_color=list(theme.rgb(theme.MUTED)), get_size=theme.LARGE_PX if large else theme.TEXT_PX,
                  font_family=pdk.types.String(theme.font_stack()), character_set=pdk.types.String("auto"),
                  get_pixel_offset=[0, -20]),
        pdk.Layer("ScatterplotLayer", rows, id="stations", pickable=True, stroked=True, get_position="[lon, lat]",
                  get_fill_color="fill", get_line_color="edge", get_radius=_DISC_PX, radius_units=pixels,
                  get_line_width="px", line_width_units=pixels),
        pdk.Layer("TextLayer", rows, id="numbers", get_position="[lon, lat]", get_text="label", get_color="ink",
                  get_size=theme.TEXT_PX - 1, font_family=pdk.types.String(theme.font_stack()),
                  character_set=pdk.types.String("auto")),
    ]  # fmt: skip
    return _flat(layers, _STATION_VIEW)


def limits(frame: pl.DataFrame, value: str) -> tuple[float, float]:
    """Return the least and the greatest value, the ends of the colour scale; zeros for a table without values.

    Examples
    --------
    >>> limits(pl.DataFrame({"pm25_ugm3": [70.0, None, 90.0]}), "pm25_ugm3")
    (70.0, 90.0)
    """
    present = frame[value].drop_nulls()
    return (float(present.min()), float(present.max())) if len(present) else (0.0, 0.0)  # type: ignore[arg-type]


def legend(
    frame: pl.DataFrame,
    value: str,
    *,
    no_value: str,
    unit: str | None = None,
    lang: Language | None = None,
    stations: bool = False,
) -> str:
    """Return the map's legend as HTML: the colour steps with their ends and unit, and the words for the other marks.

    Examples
    --------
    >>> "70.0" in legend(pl.DataFrame({"pm25_ugm3": [70.0, 90.0]}), "pm25_ugm3", no_value="no station", lang="en")
    True
    """
    lang = lang or settings.language()
    low, high = limits(frame, value)
    unit = vocabulary.column(value).unit if unit is None else unit
    shown = numbers.reading(unit, lang).unit
    swatch = "display:inline-block;width:1.1em;height:.9em;vertical-align:-.1em;background:{}"
    parts = []
    if high > 0:
        steps = "".join(f"<span style='{swatch.format(c)}'></span>" for c in theme.SEQUENTIAL)
        ends = [numbers.quantity(v, unit, lang)[0] for v in (low, high)]
        parts.append(f"<span>{ends[0]} {steps} {ends[1]} {html.escape(shown)}</span>")
    parts.append(f"<span><span style='{swatch.format(theme.colour('no_data'))}'></span> {html.escape(no_value)}</span>")
    if stations:
        dot = "display:inline-block;width:.6em;height:.6em;border-radius:50%;border:1.5px solid {ink};background:{fill}"
        for word, fill in (("station", theme.INK), ("position_disputed", theme.PAPER)):
            mark = dot.format(ink=theme.INK, fill=fill)
            parts.append(f"<span><span style='{mark}'></span> {html.escape(vocabulary.say(word, lang))}</span>")
    row = "display:flex;flex-wrap:wrap;gap:.2em 1.2em;align-items:center"
    return f"<div style='{row}'>{''.join(parts)}</div>"


def offline_spec(deck: pdk.Deck, style: str | None = None) -> dict[str, Any]:
    """Return a deck as a specification that asks for no base map and nothing outside.

    A deck given to Panel as it is would leave the map style undefined, and its pane would fail in the browser.

    Parameters
    ----------
    deck
        Any pydeck deck.
    style
        Address of a local MapLibre style; default: none.
    """
    spec: dict[str, Any] = json.loads(deck.to_json())
    spec["mapStyle"] = style
    spec.pop("mapProvider", None)
    return spec
