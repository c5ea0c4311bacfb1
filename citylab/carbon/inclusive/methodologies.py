"""Methodologies as declarations: one file each, dated, with every factor's source and how sure we are of it.

A methodology lies in ``datasets/methodologies/<id>.yml``. A new one is a new file; nothing else knows of it.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from citylab import settings
from citylab.errors import DeclarationError, RangeError, suggest

if TYPE_CHECKING:
    import polars as pl

Mark = Literal["verified", "secondary", "from memory", "unknown"]
Baseline = Literal["mean", "replacement"]
MARKS: tuple[Mark, ...] = ("verified", "secondary", "from memory", "unknown")
"""How sure we are of a number, surest first."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Strict):
    """A text in Chinese and English."""

    zh: str
    en: str


class Threshold(_Strict):
    """A limit of plausibility."""

    value: float
    unit: str = ""
    mark: Mark
    source: str


class Factor(_Strict):
    """Emissions of one unit of an amount.

    ``factor`` times the column ``quantity`` is in kg CO2; where ``carrier`` is ``electricity`` it is in kWh, and the
    grid's factor of the place and year makes kilograms of it. ``factor`` is empty where the figure is not known.
    """

    quantity: str = "distance_km"
    factor: float | None
    low: float | None = None
    high: float | None = None
    unit: str
    carrier: Literal["direct", "electricity"] = "direct"
    mark: Mark
    source: str

    @model_validator(mode="after")
    def _consistent(self) -> Factor:
        if (self.factor is None) != (self.mark == "unknown"):
            raise ValueError("a factor that is not known has the mark 'unknown' and no value, and no other has")
        bounds = (self.low, self.high)
        if self.factor is not None and None not in bounds and not self.low <= self.factor <= self.high:  # type: ignore[operator]
            raise ValueError(f"the factor {self.factor} does not lie between its bounds {bounds}")
        return self


class Act(_Strict):
    """One kind of low-carbon act: what it is compared with, what it emits, what makes it plausible."""

    title: Text
    baseline: Factor
    project: Factor
    proof: tuple[str, ...] = Field(min_length=1)
    min_distance_km: Threshold | None = None
    max_distance_km: Threshold | None = None
    max_speed_kmh: Threshold | None = None
    max_quantity: Threshold | None = None


class Geography(_Strict):
    """Where the methodology holds: administrative codes that begin so; none means anywhere."""

    adcode_prefixes: tuple[str, ...]
    source: str
    mark: Mark


class Discount(_Strict):
    """Share that is taken off for caution."""

    share: float = Field(ge=0, lt=1)
    mark: Mark
    source: str


class Caps(_Strict):
    """What one account can be credited in a day."""

    distance_km_per_day: Threshold | None = None
    trips_per_day: Threshold | None = None


class Methodology(_Strict):
    """What a scheme credits, for what, where, when, and how sure we are of each number.

    Attributes
    ----------
    id, family, edition
        Name of the file; what its editions share; which edition this is.
    kind
        ``travel`` (trips with times, distance and mode) or ``metered`` (amounts of a day or a bill).
    title, scheme, standard
        What it is called, who credits by it, and the document.
    valid_from, valid_to, validity_mark
        First and last day, and how sure we are of them.
    gas
        What is counted.
    geography, acts, alternatives, caps, induced_purposes
        Where; what; factors of the modes that a trip may replace; limits a day; purposes that replace no trip.
    baseline
        Kind of baseline unless told otherwise.
    leakage_share, discount
        What is taken off: emissions caused elsewhere, and for caution.
    formula, double_claims, note
        In words.
    """

    id: str
    family: str
    edition: str
    kind: Literal["travel", "metered"]
    title: Text
    scheme: Text
    standard: str
    valid_from: dt.date
    valid_to: dt.date | None
    validity_mark: Mark = "verified"
    gas: Literal["CO2"]
    geography: Geography
    baseline: Baseline
    leakage_share: float = Field(ge=0, lt=1)
    discount: Discount
    formula: Text
    acts: dict[str, Act] = Field(min_length=1)
    alternatives: dict[str, Factor] = Field(default_factory=dict)
    caps: Caps = Caps()
    induced_purposes: tuple[str, ...] = ()
    double_claims: Text
    note: Text

    @model_validator(mode="after")
    def _dated(self) -> Methodology:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"the last day {self.valid_to} is before the first, {self.valid_from}")
        return self

    @property
    def mark(self) -> Mark:
        """The least sure mark of all factors that are known."""
        known = [f.mark for act in self.acts.values() for f in (act.baseline, act.project) if f.mark != "unknown"]
        return max(known, key=MARKS.index) if known else "unknown"

    def factors(self) -> pl.DataFrame:
        """Return the factors as a table.

        Returns
        -------
        polars.DataFrame
            One row per act and side (``baseline``, ``project``) and per ``alternative``: ``methodology_id``,
            ``edition``, ``act``, ``side``, ``quantity``, ``factor``, ``low``, ``high``, ``unit``, ``carrier``,
            ``mark``, ``source``.

        Examples
        --------
        >>> methodology("beijing-travel-2024").factors().filter(act="metro", side="project")["factor"].item()
        0.032
        """
        import polars as pl

        told = [
            {"act": name, "side": side, **getattr(act, side).model_dump()}
            for name, act in self.acts.items()
            for side in ("baseline", "project")
        ] + [{"act": name, "side": "alternative", **f.model_dump()} for name, f in self.alternatives.items()]
        schema = {
            "act": pl.String, "side": pl.String, "quantity": pl.String, "factor": pl.Float64, "low": pl.Float64,
            "high": pl.Float64, "unit": pl.String, "carrier": pl.String, "mark": pl.String, "source": pl.String,
        }  # fmt: skip
        head = (pl.lit(self.id).alias("methodology_id"), pl.lit(self.edition).alias("edition"))
        return pl.DataFrame(told, schema=schema).select(*head, *schema)


def folder() -> Path:
    """Return the folder that holds the declarations."""
    return settings.datasets_dir() / "methodologies"


def ids() -> list[str]:
    """Return the ids of all methodologies.

    Examples
    --------
    >>> "beijing-travel-2024" in ids()
    True
    """
    return sorted(path.stem for path in folder().glob("*.yml"))


def read(path: Path) -> Methodology:
    """Read a declaration.

    Parameters
    ----------
    path
        A YAML file; its stem is the id.

    Raises
    ------
    DeclarationError
        It says something that cannot be; the message names the place and what was expected.
    """
    try:
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        found = Methodology.model_validate(told)
    except yaml.YAMLError as cause:
        raise DeclarationError(f"{path.name} is not YAML: {cause}") from cause
    except ValidationError as cause:
        wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in cause.errors())
        raise DeclarationError(f"{path.name}: {wrong}. The model is citylab.carbon.inclusive.methodologies.") from cause
    if found.id != path.stem:
        raise DeclarationError(f"{path.name} says id {found.id!r}; file and id must agree.")
    return found


def methodology(name: str | Path | Methodology) -> Methodology:
    """Return a methodology by its id, or one of your own from a file.

    Raises
    ------
    UnknownNameError
        No such id; near ones are offered.
    DeclarationError
        The file says something that cannot be.

    Examples
    --------
    >>> methodology("beijing-travel-2024").edition
    'DB11/T 3043-2024'
    """
    if isinstance(name, Methodology):
        return name
    if isinstance(name, Path):
        return read(name)
    if name not in ids():
        raise suggest(name, ids(), what="methodology", see="citylab.carbon.inclusive.methodologies.methodologies()")
    return _declared(name)


@cache
def _declared(name: str) -> Methodology:
    return read(folder() / f"{name}.yml")


def in_force(family: str, day: dt.date) -> Methodology:
    """Return the edition of a family that is in force on a day.

    Raises
    ------
    UnknownNameError
        No such family.
    RangeError
        No edition is in force on that day.

    Examples
    --------
    >>> in_force("beijing-travel", dt.date(2024, 9, 30)).id, in_force("beijing-travel", dt.date(2024, 10, 1)).id
    ('beijing-travel-2023', 'beijing-travel-2024')
    """
    editions = [m for m in map(methodology, ids()) if m.family == family]
    if not editions:
        families = {methodology(i).family for i in ids()}
        raise suggest(family, families, what="family", see="citylab.carbon.inclusive.methodologies.methodologies()")
    found = [m for m in editions if m.valid_from <= day and (m.valid_to is None or day <= m.valid_to)]
    if not found:
        spans = ", ".join(f"{m.id} from {m.valid_from} to {m.valid_to or 'now'}" for m in editions)
        raise RangeError(f"No edition of {family!r} is in force on {day}. There are: {spans}.")
    return max(found, key=lambda m: m.valid_from)


def methodologies() -> pl.DataFrame:
    """Return what there is: one row per methodology.

    Returns
    -------
    polars.DataFrame
        ``methodology_id``, ``family``, ``edition``, ``kind``, ``title_zh``, ``title_en``, ``standard``, ``valid_from``,
        ``valid_to``, ``act_count``, ``known_act_count`` (acts with both factors), ``mark`` (the least sure).

    Examples
    --------
    >>> methodologies().filter(methodology_id="beijing-travel-2024").select("act_count", "known_act_count").row(0)
    (5, 4)
    """
    import polars as pl

    def row(m: Methodology) -> dict[str, Any]:
        known = [a for a in m.acts.values() if a.baseline.factor is not None and a.project.factor is not None]
        return {
            "methodology_id": m.id, "family": m.family, "edition": m.edition, "kind": m.kind, "title_zh": m.title.zh,
            "title_en": m.title.en, "standard": m.standard, "valid_from": m.valid_from, "valid_to": m.valid_to,
            "act_count": len(m.acts), "known_act_count": len(known), "mark": m.mark,
        }  # fmt: skip

    return pl.DataFrame([row(methodology(i)) for i in ids()], infer_schema_length=None)
