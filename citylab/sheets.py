"""Tables that a city fills in itself: templates, and their reading from CSV and Excel with checks that name lines.

The columns of every template stand in the declared table ``template_columns``; the empty files with explanations
in ``datasets/templates``.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from citylab import settings, tables
from citylab.errors import DataError, SchemaError, suggest
from citylab.files import written_whole
from citylab.frames import Frame, lazily, need_columns

if TYPE_CHECKING:
    import polars as pl

SHOWN_ERRORS = 10
WORKBOOKS = frozenset({".xlsx", ".xlsm", ".xlsb", ".xls"})
LINE = "activity_row"
"""Column with the line of a CSV file or the row of a sheet; the first is 1."""

_ENCODINGS = ("utf-8-sig", "gb18030")
_TRUE, _FALSE = ("true", "yes", "1", "1.0", "是"), ("false", "no", "0", "0.0", "否")
_DATA_SHEET, _HELP_SHEET = "数据 data", "说明 help"


def columns(name: str) -> pl.DataFrame:
    """Return the declared columns of a template.

    Parameters
    ----------
    name
        ``"city_activity"``, ``"facilities"``, ``"io_table"``, ``"io_emissions"``, ``"sinks"``, ``"digital_counts"`` or
        another of the table.

    Raises
    ------
    UnknownNameError
        No such template.

    Examples
    --------
    >>> columns("sinks")["column"].to_list()[:3]
    ['place', 'year', 'sink']
    """
    table = tables.read("template_columns")
    known = table["template"].unique(maintain_order=True).to_list()
    if name not in known:
        raise suggest(name, known, what="template", see="the table datasets/codes/template_columns.csv")
    return table.filter(template=name).drop("template")


def read(path: str | Path, name: str, *, sheet: str | None = None) -> pl.DataFrame:
    """Read a table that was filled in after a template.

    Parameters
    ----------
    path
        CSV in UTF-8 or GB 18030, or an Excel workbook. Headings in English or Chinese as in the template. Lines whose
        first cell begins with ``#`` and empty lines are left out, also above the headings.
    name
        Template, see :func:`columns`.
    sheet
        Sheet of a workbook, by its name; the first if not given.

    Returns
    -------
    polars.DataFrame
        Columns of the template that the file has, typed, with ``activity_row``: the line of the file (of a sheet: its
        row). Empty cells are null.

    Raises
    ------
    SchemaError
        A heading is missing, unknown or there twice; the file is no workbook, or has no such sheet.
    DataError
        Text where numbers belong, or a cell that must be filled is empty; the message names lines.
    """
    file = Path(path)
    return typed(raw(file, name, sheet=sheet), name, told=file.name)


def lines(path: str | Path, *, sheet: str | None = None) -> list[tuple[int, list[str]]]:
    """Return the cells of a CSV file or of a workbook's sheet as text, line by line.

    Lines without content, and those whose first cell begins with ``#``, are left out; each keeps its number in the
    file.
    """
    file = Path(path)
    rows = _workbook(file, sheet) if file.suffix.lower() in WORKBOOKS else _text(file)
    return [(i, cells) for i, cells in rows if any(cells) and not (cells[0] or "").startswith("#")]


def raw(path: str | Path, name: str, *, sheet: str | None = None) -> pl.DataFrame:
    """Return the cells of a file as text, under the template's column names, with ``activity_row``."""
    import polars as pl

    file = Path(path)
    kept = lines(file, sheet=sheet)
    if not kept:
        raise SchemaError(f"{file.name} has no line of headings. Begin from citylab.sheets.write({name!r}, ...).")
    heads = [c.strip() if c else "" for c in kept[0][1]]
    # A sheet may be wider than its table: columns without heading and content are none.
    used = [j for j, head in enumerate(heads) if head or any(cells[j] for _, cells in kept[1:] if j < len(cells))]
    declared = columns(name)
    names = {n: r["column"] for r in declared.iter_rows(named=True) for n in (r["column"], r["label_zh"])}
    unknown = [heads[j] for j in used if heads[j] not in names]
    if unknown:
        known = ", ".join(declared["column"])
        raise SchemaError(
            f"{file.name} has headings that are not of the template {name!r}: {', '.join(map(repr, unknown))}. Known "
            f"are {known}, and their Chinese names."
        )
    found = [names[heads[j]] for j in used]
    if len(set(found)) < len(found):
        twice = sorted({c for c in found if found.count(c) > 1})
        raise SchemaError(f"{file.name} has the column {twice[0]!r} twice. Keep one.")
    long = [i for i, cells in kept[1:] if any(cells[j] for j in range(len(heads), len(cells)))]
    if long:
        raise SchemaError(
            f"{file.name}: line {long[0]} has more cells than there are headings. Put text with commas in quotes."
        )
    data = {c: [(cells[j] if j < len(cells) else None) or None for _, cells in kept[1:]] for c, j in
            zip(found, used, strict=True)}  # fmt: skip
    places = pl.Series(LINE, [i for i, _ in kept[1:]], dtype=pl.Int64)
    return pl.DataFrame(data, schema=dict.fromkeys(found, pl.String)).with_columns(places)


def _text(file: Path) -> list[tuple[int, list[str]]]:
    import csv

    read = csv.reader(io.StringIO(_decoded(file), newline=""))
    rows, before = [], 0
    try:
        for cells in read:
            rows.append((before + 1, [c.strip() for c in cells]))
            before = read.line_num
    except csv.Error as error:
        raise SchemaError(f"{file.name} is no CSV file ({error} in line {before + 1}). Save it anew as CSV.") from None
    return rows


def _decoded(file: Path) -> str:
    content = file.read_bytes()
    for encoding in _ENCODINGS:
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise SchemaError(f"{file.name} is neither UTF-8 nor GB 18030. Save it as CSV (UTF-8).")


def _workbook(file: Path, sheet: str | None) -> list[tuple[int, list[str]]]:
    import polars as pl

    try:
        import fastexcel
    except ModuleNotFoundError:
        raise SchemaError(
            f"{file.name} is an Excel workbook, and the package that reads one (fastexcel) is not installed. Save "
            "the sheet as CSV (UTF-8) and give that file."
        ) from None
    if not file.exists():
        raise FileNotFoundError(f"There is no file {file}.")
    try:
        names = fastexcel.read_excel(file).sheet_names
        if sheet is not None and sheet not in names:
            raise SchemaError(f"{file.name} has no sheet {sheet!r}; it has {', '.join(map(repr, names))}.")
        cells = pl.read_excel(
            file, sheet_name=names[0] if sheet is None else sheet, has_header=False, infer_schema_length=0,
            drop_empty_rows=False, drop_empty_cols=False, raise_if_empty=False,
            read_options={"header_row": None, "skip_rows": 0},
        )  # fmt: skip
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError) as error:
        first = (str(error).splitlines() or ["it cannot be read"])[0]
        raise SchemaError(f"{file.name} is no workbook that can be read ({first}). Save it anew as .xlsx.") from None
    text = cells.select(pl.all().cast(pl.String).str.strip_chars().fill_null(""))
    return [(i, list(row)) for i, row in enumerate(text.iter_rows(), 1)]


def typed(table: pl.DataFrame, name: str, *, told: str) -> pl.DataFrame:
    """Return a table of text with numbers as numbers, or tell which lines hold something else.

    Parameters
    ----------
    table
        What :func:`raw` gives.
    name
        Template.
    told
        Name of the file in messages.

    Raises
    ------
    SchemaError, DataError
        As in :func:`read`.
    """
    declared = columns(name)
    missing = [r["column"] for r in declared.iter_rows(named=True) if r["is_needed"] and r["column"] not in table]
    if missing:
        raise SchemaError(
            f"{told} lacks the column{'s' * (len(missing) > 1)} {', '.join(map(repr, missing))} of the template "
            f"{name!r}."
        )
    wrong: list[str] = []
    for r in declared.iter_rows(named=True):
        column = r["column"]
        if column not in table.columns or r["dtype"] == "text":
            continue
        cast = _cast(table[column], r["dtype"])
        bad = table.filter(cast.is_null() & table[column].is_not_null())
        wrong += [f"row {b[LINE]}: {column} is {b[column]!r}" for b in bad.iter_rows(named=True)]
        table = table.with_columns(cast.alias(column))
    if wrong:
        raise bad_rows(wrong, f"{told} holds text where numbers belong (write 1234.5, no thousands separator)")
    return table


def _cast(column: pl.Series, dtype: str) -> pl.Series:
    import polars as pl

    if dtype == "boolean":
        return column.str.to_lowercase().replace_strict(
            dict.fromkeys(_TRUE, True) | dict.fromkeys(_FALSE, False), default=None, return_dtype=pl.Boolean
        )
    number = column.cast(pl.Float64, strict=False)
    if dtype == "number":
        return number
    # Excel writes a year as 2022.0; half a year is none.
    return pl.select(pl.when(number.is_finite() & (number == number.round())).then(number)).to_series().cast(pl.Int64)


def _kinds() -> dict[str, Any]:
    import polars as pl

    return {"text": pl.String, "integer": pl.Int64, "number": pl.Float64, "boolean": pl.Boolean}


def bad_rows(wrong: Sequence[str], head: str) -> DataError:
    """Return the error that tells the first of several wrong rows."""
    more = f" ... and {len(wrong) - SHOWN_ERRORS} more" if len(wrong) > SHOWN_ERRORS else ""
    return DataError(f"{head}: " + "; ".join(wrong[:SHOWN_ERRORS]) + more + ".")


def checked(frame: Frame, name: str, *, what: str) -> pl.DataFrame:
    """Return a frame collected, with ``activity_row``, once its needed cells are filled and its numbers finite.

    Parameters
    ----------
    frame
        A frame in a template's columns; what :func:`read` gives, or made otherwise.
    name
        Template.
    what
        Function that needs it, for messages.

    Raises
    ------
    SchemaError
        A needed column is missing.
    DataError
        The frame is empty, a needed cell is empty, or a number is not finite; the message names rows.

    Examples
    --------
    >>> import polars as pl
    >>> checked(pl.DataFrame({"place": ["A"]}), "sinks", what="sinks")
    Traceback (most recent call last):
    ...
    citylab.errors.SchemaError: sinks needs columns 'year', 'sink', ...
    """
    import polars as pl

    declared = columns(name)
    needed = declared.filter("is_needed")["column"].to_list()
    lf, _ = lazily(frame)
    need_columns(lf, needed, what=what)
    table = lf.collect()
    if not table.height:
        raise DataError(f"The table given to {what} has no rows. Begin from citylab.sheets.template({name!r}).")
    if LINE not in table.columns:
        table = table.with_row_index(LINE, offset=1)
    kinds = _kinds()
    wrong: list[str] = []
    out = [pl.col(LINE).cast(pl.Int64)]
    for r in declared.iter_rows(named=True):
        column, kind = r["column"], kinds[r["dtype"]]
        if column not in table.columns:
            out.append(pl.lit(None, dtype=kind).alias(column))
            continue
        # Words for yes and no are read as in a file.
        is_word = kind == pl.Boolean and table[column].dtype == pl.String
        cast = _cast(table[column], "boolean") if is_word else table[column].cast(kind, strict=False)
        if kind == pl.String:
            cast = cast.str.strip_chars().replace("", None)
        bad = cast.is_null() & (table[column].is_not_null() if kind != pl.String else pl.Series([False]))
        if kind == pl.Float64:
            bad |= ~cast.is_finite().fill_null(True)
        if kind == pl.Int64 and table[column].dtype.is_float():
            bad |= (table[column] != table[column].round()).fill_null(False)
        wrong += [f"row {x[LINE]}: {column} is {x[column]!r}" for x in table.filter(bad).iter_rows(named=True)]
        if r["is_needed"]:
            wrong += [f"row {i}: {column} is empty" for i in table.filter(cast.is_null() & ~bad)[LINE]]
        out.append(pl.Series(column, cast))  # type: ignore[arg-type]
    if wrong:
        raise bad_rows(wrong, f"{what} cannot use these rows")
    return table.select(out)


def template(name: str) -> pl.DataFrame:
    """Return an empty table with the columns of a template.

    Examples
    --------
    >>> template("facilities").columns[:3]
    ['place', 'year', 'gpc_ref']
    """
    import polars as pl

    kinds = _kinds()
    return pl.DataFrame(schema={r["column"]: kinds[r["dtype"]] for r in columns(name).iter_rows(named=True)})


def write(name: str, path: str | Path, *, rows: pl.DataFrame | None = None) -> Path:
    """Write a template that a person fills in, with what each column means.

    Parameters
    ----------
    name
        Template, see :func:`columns`.
    path
        ``.csv`` (UTF-8, explanations in lines that begin with ``#``) or ``.xlsx`` (two sheets: the data and the
        explanations). A file that is there is replaced, whole or not at all.
    rows
        Rows to begin with; by default those of the file in ``datasets/templates``, if there is one.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    SchemaError
        Another kind of file.
    """
    import polars as pl

    target = Path(path)
    kind = target.suffix.lower()
    if kind not in {".csv", ".xlsx"}:
        raise SchemaError(f"A template is written as .csv or .xlsx, not {kind or 'without an ending'!r}.")
    if rows is None:
        shipped = settings.datasets_dir() / "templates" / f"{name}.csv"
        known = raw(shipped, name) if shipped.is_file() else template(name)
        rows = known.drop(LINE, strict=False) if known.height else template(name)
    declared = columns(name)
    rows = rows.select(declared["column"].to_list())
    with written_whole(target) as part:
        if kind == ".csv":
            text = "# " + "\n# ".join(_meanings(declared)) + "\n" + rows.write_csv()
            part.write_text(text, encoding="utf-8-sig")
        else:
            import xlsxwriter

            with xlsxwriter.Workbook(str(part)) as book:
                rows.rename(dict(declared.select("column", "label_zh").iter_rows())).write_excel(
                    book, worksheet=_DATA_SHEET, autofit=True, table_style="Table Style Light 1"
                )
                help_columns = ["column", "label_zh", "dtype", "is_needed", "definition_zh", "definition_en"]
                declared.select(help_columns).with_columns(pl.col("is_needed").cast(pl.String)).write_excel(
                    book, worksheet=_HELP_SHEET, autofit=True, table_style="Table Style Light 1"
                )
    return target


def _meanings(declared: pl.DataFrame) -> list[str]:
    return [
        f"{r['column']}（{r['label_zh']}）{'*' if r['is_needed'] else ''}: {r['definition_en']} / {r['definition_zh']}"
        for r in declared.iter_rows(named=True)
    ]
