"""The named exceptions and warnings of citylab.

Each one is also a built-in error, so that code which knows nothing of citylab can still catch it.
A message says what happened with the value, what was expected, and what to do next.
"""

from __future__ import annotations


class CitylabError(Exception):
    """Base of every error that citylab raises on purpose."""


class SchemaError(CitylabError, ValueError):
    """A table or grid lacks a column, or a column has the wrong type or unit."""


class DeclarationError(CitylabError, ValueError):
    """A ``dataset.yml`` says something that cannot be; the message names the file and the line."""


class DataError(CitylabError, ValueError):
    """Data contradict their declaration; the message names columns and rows."""


class UnknownNameError(CitylabError, KeyError):
    """An id, column, place or word that citylab does not know; the message suggests near ones."""

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0]) if self.args else ""


class EngineError(CitylabError, ValueError):
    """A data set was asked for in a form that it does not have."""


class OfflineError(CitylabError, ConnectionError):
    """A remote data set is not in the cache and the network may not, or cannot, be used."""


class IntegrityError(CitylabError, OSError):
    """Bytes that arrived are not the bytes that the declaration promised."""


class OverlapError(CitylabError, ValueError):
    """Places that share territory were about to be added up."""


class CoordinateError(CitylabError, ValueError):
    """Coordinates have no known datum, the wrong datum, or cannot lie where they are said to lie."""


class UnitError(CitylabError, ValueError):
    """Quantities of different dimensions, or at unstated conditions, were about to be treated as one."""


class RangeError(CitylabError, ValueError):
    """A number or a date lies outside the range for which a formula or a table is declared."""


class EditionError(CitylabError, ValueError):
    """Values made under different editions of a standard were about to be treated as one."""


class RefusalError(CitylabError, ValueError):
    """An estimate was not made because what it would rest on is too weak; the message says how weak."""


class FactorYearError(CitylabError, ValueError):
    """No factor is declared for the place, series and year that were asked for; another year's is not taken quietly."""


class CitylabWarning(UserWarning):
    """Base of citylab's warnings."""


class UsageWarning(CitylabWarning):
    """A data set is used in a way that its declaration warns of."""


def suggest(name: str, known: object, *, what: str, see: str) -> UnknownNameError:
    """Return an :class:`UnknownNameError` for ``name`` that offers the nearest known names.

    Parameters
    ----------
    name
        What was asked for.
    known
        Iterable of the names that exist.
    what
        The kind of thing, as it should read in the message (``"data set"``).
    see
        Where all names are listed (``"citylab.datasets()"``).

    Examples
    --------
    >>> print(suggest("pm25", ["pm25_ugm3", "pm10_ugm3"], what="column", see="citylab.vocabulary"))
    Unknown column 'pm25'. Nearest: 'pm25_ugm3'. All of them: citylab.vocabulary.
    """
    import difflib

    names = sorted(map(str, known))  # type: ignore[call-overload]
    same_but_case = [n for n in names if n.casefold() == name.casefold()]
    similar = difflib.get_close_matches(name, names, n=3, cutoff=0.4)
    containing = [n for n in names if name and name.casefold() in n.casefold()]
    near = list(dict.fromkeys([*same_but_case, *similar, *containing]))[:3]
    hint = "Nearest: " + ", ".join(repr(n) for n in near) + ". " if near else ""
    return UnknownNameError(f"Unknown {what} {name!r}. {hint}All of them: {see}.")


def need_level(level: float, *, example: float = 0.95) -> None:
    """Raise unless a number can be the level of an interval.

    Parameters
    ----------
    level
        Share of the cases that an interval is to hold.
    example
        Level that the message gives.

    Raises
    ------
    RangeError
        The level is not between 0 and 1.

    Examples
    --------
    >>> need_level(0.95)
    >>> need_level(95)
    Traceback (most recent call last):
    ...
    citylab.errors.RangeError: level is 95; expected a number between 0 and 1, for example 0.95.
    """
    if not 0 < level < 1:
        raise RangeError(f"level is {level}; expected a number between 0 and 1, for example {example:g}.")
