"""What a ``dataset.yml`` may say, and the reader that checks it.

A declaration is the single place where a data set is described: publisher, licence, files with their hashes,
what one row is, columns with units, caveats. The catalogue, the validation, the generated pages and
:func:`citylab.describe` come from it.
"""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from citylab import vocabulary
from citylab.errors import DeclarationError, UnknownNameError
from citylab.settings import Language

Engine = Literal["polars", "dask", "xarray"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
RecipePath = Annotated[str, Field(pattern=r"^citylab\.sources\.\w+:\w+$")]
ID_PATTERN = r"^[a-z0-9]+__[a-z0-9]+_[a-z0-9]+(_[a-z0-9]+)+$"

OPEN_LICENCES = frozenset(
    {"CC-BY-4.0", "CC0-1.0", "Apache-2.0", "MIT", "BSD-3-Clause", "OGL-UK-3.0", "O-UDA-1.0", "ODbL-1.0", "PDDL-1.0"}
    | {"public-domain", "official-facts"}
)
"""Licences under which a table may be embedded; ``official-facts`` are figures of public bodies.

A table under ``ODbL-1.0`` keeps its notice, and so does every table that is made of it: its licence is the same.
"""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(_Strict):
    """A text in both languages of the project."""

    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    def say(self, lang: Language) -> str:
        """Return the text in a language."""
        return self.zh if lang == "zh" else self.en


class Publisher(_Strict):
    """Who published the data."""

    name: Text
    homepage: str | None = None


class Licence(_Strict):
    """Under which terms the data are used, and how we know."""

    id: str
    url: str | None = None
    note: str | None = None


class Origin(_Strict):
    """Where a file is offered on the network. Nothing here is claimed to be checked unless it says when.

    ``member`` names the file inside a zip; ``outer.zip!inner.csv`` reaches into a zip within a zip. ``sha256`` is of
    the downloaded bytes.
    """

    url: str = Field(pattern=r"^https?://")
    member: str | None = None
    sha256: Sha256 | Literal["unknown"] = "unknown"
    checked: dt.date | Literal["never"] = "never"


class Mirror(_Strict):
    """Where a mirror folder holds the file.

    ``original`` means the publisher's bytes (packed or not). ``converted`` means that the publisher's file has another
    form: then only the mirror can serve the recipe, and ``origin`` merely says where the figures come from.
    """

    path: str
    member: str | None = None
    form: Literal["original", "converted"]

    @field_validator("path")
    @classmethod
    def _inside(cls, path: str) -> str:
        if path.startswith(("/", "\\")) or ".." in Path(path).parts:
            raise ValueError("a mirror path is relative and stays inside the mirror folder")
        return path


class RawFile(_Strict):
    """One file that a recipe reads. ``sha256`` is of the uncompressed content as the recipe reads it."""

    name: str = Field(pattern=r"^[\w.\-]+$")
    sha256: Sha256
    size_bytes: int = Field(gt=0)
    origin: Origin | None = None
    archive: Origin | None = None
    mirror: Mirror | None = None

    @property
    def downloads(self) -> tuple[Origin, ...]:
        """Addresses whose bytes the recipe can read, in the order of trial."""
        if self.mirror is not None and self.mirror.form == "converted":
            return ()
        return tuple(o for o in (self.origin, self.archive) if o is not None)

    @model_validator(mode="after")
    def _from_somewhere(self) -> RawFile:
        if self.origin is None and self.mirror is None:
            raise ValueError("a file needs an origin, a mirror or both")
        return self


class ColumnUse(_Strict):
    """A column of this table: its vocabulary name, its name at the publisher, its unit, whether it may be empty."""

    name: str
    unit: str
    original: str | None = None
    nullable: bool = False
    allowed: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _known(self) -> ColumnUse:
        try:
            known = vocabulary.column(self.name)
        except UnknownNameError as error:
            raise ValueError(str(error)) from None
        if self.unit != known.unit:
            raise ValueError(f"unit of {self.name!r} is {self.unit!r}; the vocabulary says {known.unit!r}")
        return self


WarningCode = Literal[
    "aggregation_hazard", "boundary_differs", "capped_values", "claim_not_data", "clock_unclear", "definition_differs",
    "derived_shape", "disputed_position", "few_points", "imputed_values", "incomplete_coverage", "legal_map",
    "mixed_vintages", "not_per_station", "outlier_checked", "part_period", "physically_odd", "secondary_source",
    "series_break", "unit_converted", "thinned_grid",
]  # fmt: skip


class UsageNote(_Strict):
    """A caveat that a user meets together with the table."""

    code: WarningCode
    text: Text


class Coverage(_Strict):
    """Which places, which time, how many rows."""

    place: Text
    start: dt.date | None = None
    end: dt.date | None = None
    rows: int | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _ordered(self) -> Coverage:
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"coverage ends ({self.end}) before it starts ({self.start})")
        return self


class Duty(_Strict):
    """Who is responsible for the data, at which level of government, by which duty; unknown is said."""

    owner: str
    level: Literal["national", "province", "city", "district", "town", "international", "project", "unknown"]
    duty: str = "unknown"


class Declaration(_Strict):
    """One data set, as ``datasets/<id>/dataset.yml`` declares it."""

    id: str = Field(pattern=ID_PATTERN)
    version: str = Field(min_length=1)
    subject: Literal["air", "carbon", "population", "economy", "equity", "geography", "policy"]
    title: Text
    description: Text
    publisher: Publisher
    published: str
    accessed: dt.date
    licence: Licence
    citation: str = Field(min_length=10)
    doi: str | None = None
    storage: Literal["embedded", "remote"]
    form: Literal["table", "grid"] = "table"
    table: str | None = Field(default=None, pattern=r"^[\w\-]+\.(parquet|csv)$")
    recipe: RecipePath | Literal["authored"]
    recipe_version: int = Field(default=1, ge=1)
    files: tuple[RawFile, ...] = ()
    inputs: tuple[str, ...] = ()
    key: tuple[str, ...] = ()
    row: Text
    dims: tuple[str, ...] = ()
    frequency: Literal["hourly", "daily", "monthly", "yearly", "census", "halfyearly", "static", "undated"]
    stamp: Literal["starting", "ending", "unknown", "period", "none"]
    datum: Literal["WGS-84", "GCJ-02", "BD-09", "unknown", "none"] = "none"
    coverage: Coverage
    grade: Literal["A", "B", "C", "D"]
    grade_reason: Text
    sensitivity: vocabulary.Sensitivity = "open"
    duty: Duty
    columns: tuple[ColumnUse, ...] = Field(min_length=1)
    warnings: tuple[UsageNote, ...] = ()

    @model_validator(mode="after")
    def _coherent(self) -> Declaration:
        names = [c.name for c in self.columns]
        problems = []
        if twice := sorted({n for n in names if names.count(n) > 1}):
            problems.append(f"columns declared twice: {twice}")
        if missing := [k for k in (*self.key, *self.dims) if k not in names]:
            problems.append(f"key or dims name columns that are not declared: {missing}")
        if self.form == "table" and not self.key:
            problems.append("a table needs a key: the columns that say what one row is")
        if self.form == "grid" and not self.dims:
            problems.append("a grid needs dims")
        if self.storage == "embedded":
            if self.table is None:
                problems.append("an embedded data set names its table")
            if self.licence.id not in OPEN_LICENCES:
                problems.append(f"licence {self.licence.id!r} does not allow embedding; one of {sorted(OPEN_LICENCES)}")
        elif self.table is not None:
            problems.append("a remote data set has no table in the project")
        if self.recipe == "authored":
            if self.files or self.inputs or self.storage != "embedded":
                problems.append("an authored table is embedded and has neither files nor inputs")
        elif bool(self.files) == bool(self.inputs):
            problems.append("a recipe reads either files or inputs (other data sets)")
        if self.form == "table" and self.coverage.rows is None:
            problems.append("a table states coverage.rows")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def engines(self) -> tuple[Engine, ...]:
        """Forms in which :func:`citylab.load` can return the data."""
        if self.form == "grid":
            return ("xarray",)
        return ("polars", "dask", "xarray") if self.dims else ("polars", "dask")

    @property
    def raw_bytes(self) -> int:
        """Bytes to fetch, uncompressed; 0 for a set that is compiled from other sets."""
        return sum(f.size_bytes for f in self.files)

    @property
    def datum_columns(self) -> bool:
        """Whether the table holds coordinates."""
        return any(c.name in {"longitude_deg", "latitude_deg", "geometry_wkb"} for c in self.columns)


class _Loader(yaml.SafeLoader):
    """Safe YAML; repeated keys are errors, because the second would silently win."""


def _no_repeats(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise yaml.constructor.ConstructorError(None, None, "a key is not a word", key_node.start_mark)
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", key_node.start_mark)
        seen.add(key)
    return yaml.SafeLoader.construct_mapping(loader, node, deep=deep)


def _date(loader: _Loader, node: yaml.ScalarNode) -> Any:
    try:
        return yaml.SafeLoader.construct_yaml_timestamp(loader, node)
    except ValueError as error:
        raise yaml.constructor.ConstructorError(None, None, f"{node.value!r}: {error}", node.start_mark) from None


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _no_repeats)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)


def _lines(node: yaml.Node | None, at: tuple[str | int, ...] = ()) -> dict[tuple[str | int, ...], int]:
    """Return the line of every value in a YAML document, by its path."""
    if node is None:
        return {}
    found = {at: node.start_mark.line + 1}
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            found |= _lines(value, (*at, key.value))
            found[(*at, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            found |= _lines(value, (*at, i))
    return found


def read(path: Path) -> Declaration:
    """Read and check one ``dataset.yml``.

    Parameters
    ----------
    path
        The file; its folder must bear the data set's id.

    Returns
    -------
    Declaration

    Raises
    ------
    DeclarationError
        The YAML cannot be read, or says something that cannot be: an unknown key, a missing unit, a column that
        is not in the vocabulary. The message names the file and the line of each problem.
    """
    text = path.read_text(encoding="utf-8")
    where = f"{path.parent.name}/{path.name}"
    try:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = mark.line + 1 if mark else 1
        raise DeclarationError(f"{where}:{at}: not readable as YAML: {getattr(error, 'problem', error)}.") from None
    if not isinstance(content, dict):
        raise DeclarationError(f"{where}:1: expected a mapping of keys, found {type(content).__name__}.")
    lines = _lines(tree)
    try:
        declared = Declaration.model_validate(content)
    except ValidationError as error:
        raise DeclarationError("\n".join(_complaints(where, lines, error))) from None
    if declared.id != path.parent.name:
        line = lines.get(("id",), 1)
        raise DeclarationError(f"{where}:{line}: id {declared.id!r} differs from its folder {path.parent.name!r}.")
    return declared


def _complaints(where: str, lines: dict[tuple[str | int, ...], int], error: ValidationError) -> list[str]:
    """Return one line per problem, with the line of the nearest key that exists in the file."""
    said = []
    for problem in error.errors():
        at = tuple(problem["loc"])
        known = at
        while known and known not in lines:
            known = known[:-1]
        # pydantic adds the members of a union to the path; only a missing or unknown key is not in the file by itself
        shown = at if problem["type"] in {"missing", "extra_forbidden"} else known
        name = ".".join(map(str, shown)) or "the declaration"
        message = re.sub(r"^Value error, ", "", problem["msg"])
        if problem["type"] == "extra_forbidden":
            allowed = Declaration if len(at) == 1 else None
            fields = f" Known keys: {', '.join(allowed.model_fields)}." if allowed else ""
            message = f"unknown key.{fields}"
        elif problem["type"] == "missing":
            message = "this key is missing"
        said.append(f"{where}:{lines.get(known, 1)}: {name}: {message}")
    return said
