"""Small declared tables (codes, constants, limits, factors) shipped inside the package's data.

A table is a CSV file under ``datasets/codes/``. Lines that begin with ``#`` at its head say what the table is, its
standard and its source. Domain functions find their constants here, with no network and no catalogue;
each such function also takes the table as an argument.
"""

from __future__ import annotations

from functools import cache
from itertools import dropwhile
from typing import TYPE_CHECKING

from citylab import settings
from citylab.errors import DeclarationError, suggest

if TYPE_CHECKING:
    import polars as pl


def read(name: str) -> pl.DataFrame:
    """Return a declared table.

    Parameters
    ----------
    name
        Stem of a file in ``datasets/codes/``, for example ``"districts"``.

    Returns
    -------
    polars.DataFrame
        One row per code or constant, a copy of your own. Columns whose name ends in ``_from``, ``_to`` or ``date``
        are dates, columns of digits that are codes (``adcode`` and names ending in ``_code``) stay text.

    Raises
    ------
    UnknownNameError
        No such table.
    DeclarationError
        The file holds no table, or a date that is none.

    Examples
    --------
    >>> read("districts").height >= 16
    True
    """
    return _load(name).clone()


@cache
def _load(name: str) -> pl.DataFrame:
    import polars as pl

    folder = settings.datasets_dir() / "codes"
    path = folder / f"{name}.csv"
    if not path.is_file():
        raise suggest(name, [p.stem for p in folder.glob("*.csv")], what="table", see="the files in datasets/codes")
    lines = path.read_text(encoding="utf-8-sig").splitlines(keepends=True)
    # Only the head is comment: a later line may begin with "#" because its first column holds colours.
    body = list(dropwhile(lambda line: line.startswith("#") or not line.strip(), lines))
    if not body:
        raise DeclarationError(f"{path.name} holds no table, only comments. Give it a line of column names.")
    header = body[0].strip().split(",")
    text = {c: pl.String for c in header if c.endswith(("adcode", "_code", "_from", "_to", "date"))}
    dates = [c for c in header if c.endswith(("_from", "_to")) or c == "date" or c.endswith("_date")]
    try:
        table = pl.read_csv("".join(body).encode(), schema_overrides=text, infer_schema_length=None)
        return table.with_columns(pl.col(c).str.to_date("%Y-%m-%d") for c in dates)
    except pl.exceptions.PolarsError as cause:
        raise DeclarationError(
            f"{path.name} cannot be read: {cause}. Dates are written YYYY-MM-DD, and every line needs "
            f"{len(header)} fields."
        ) from cause
