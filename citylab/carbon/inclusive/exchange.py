"""An exchange of claims without raw identifiers: keyed tokens for phones and cards, coarse places, nothing else.

The platforms share a secret key and hand over what :func:`exchange_table` leaves;
:func:`citylab.carbon.inclusive.duplicates.duplicates` compares it.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from functools import partial
from typing import Literal

import polars as pl

from citylab import places
from citylab.carbon.inclusive.duplicates import CLAIM_COLUMNS, PLACE_COLUMNS, rule
from citylab.errors import DataError, RangeError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers

Kind = Literal["phone", "card", "text", "verbatim"]
Datum = Literal["wgs84", "gcj02", "bd09"]

_KINDS: tuple[Kind, ...] = ("phone", "card", "text", "verbatim")
_DATUMS: tuple[Datum, ...] = ("wgs84", "gcj02", "bd09")


def _checked_key(key: bytes) -> bytes:
    """Return a key that is fit to be one; no message ever shows it."""
    least = int(rule("key_bytes_min"))
    advice = (
        f"Draw one with secrets.token_bytes({least}), hand it to the platforms by a safe way, and write it nowhere."
    )
    if not isinstance(key, bytes | bytearray):
        raise SchemaError(f"The key is a {type(key).__name__}; expected bytes. {advice}")
    if len(key) < least:
        raise RangeError(f"The key has {len(key)} bytes; expected {least} or more. {advice}")
    if len(set(key)) == 1:
        raise RangeError(f"The key repeats one byte, so it can be guessed. {advice}")
    return bytes(key)


def _normal(values: pl.Series, kind: Kind) -> pl.Series:
    """Return one spelling for each identifier; null where nothing is left of it."""
    text = values.cast(pl.String)
    if kind != "verbatim":
        text = text.str.normalize("NFKC").str.strip_chars()
    if kind == "text":
        text = text.str.to_lowercase()
    elif kind == "card":
        text = text.str.replace_all(r"[\s\-_.]", "").str.to_uppercase()
    elif kind == "phone":
        text = _normal_phones(text)
    return pl.select(pl.when(text != "").then(text)).to_series()


def _normal_phones(text: pl.Series) -> pl.Series:
    """Return digits alone, without the country's prefix where a mobile number of the mainland follows it."""
    digits = text.str.replace_all(r"[^0-9]", "")
    mobile = int(rule("mainland_mobile_digits"))
    digits = digits.str.replace(rf"^(?:00)?86(1[0-9]{{{mobile - 1}}})$", "$1")
    least, most = int(rule("phone_digits_min")), int(rule("phone_digits_max"))
    given = text.is_not_null() & (text != "")
    length = digits.str.len_bytes()
    one_digit = pl.select(digits.str.strip_chars(digits.str.head(1)) == "").to_series()
    odd = given & ((length < least) | (length > most) | one_digit)
    if odd.any():
        raise DataError(
            f"{odd.sum()} distinct phone numbers have fewer than {least} or more than {most} digits, or repeat one "
            "digit. A placeholder would make one person of all who bear it: leave such cells empty (null)."
        )
    return digits


def _tokens(values: pl.Series, *, key: bytes, kind: Kind) -> pl.Series:
    """Return a token per value, hashing each distinct identifier once."""
    kept = int(rule("token_bytes"))
    distinct = values.unique().drop_nulls()
    normal = _normal(distinct, kind)
    label = kind.encode() + b"\0"
    made = [
        None if v is None else hmac.digest(key, label + v.encode(), "sha256")[:kept].hex() for v in normal.to_list()
    ]
    found = pl.DataFrame({"raw": distinct, "token": pl.Series(made, dtype=pl.String)})
    joined = values.to_frame("raw").join(found, on="raw", how="left", maintain_order="left")
    return joined["token"].alias(values.name)


def pseudonyms(frame: Frame, *, key: bytes, columns: Mapping[str, Kind]) -> Frame:
    """Return a table with keyed tokens in the place of identifiers.

    Equal identifiers of a kind get equal tokens wherever the key is the same, whatever the column is called and however
    the identifier is spelt; without the key nobody can make or check a token.

    Parameters
    ----------
    frame
        Any table.
    key
        Secret that the platforms share, 32 bytes or more. It is in no result and no message. A lazy frame holds it
        until it is collected: do not send such a plan to another machine.
    columns
        Columns to replace, and what they hold: ``phone`` (digits; +86 and 0086 before a mobile number of the mainland
        are dropped), ``card`` (letters and digits, case and separators ignored), ``text`` (case and width of letters
        ignored) or ``verbatim`` (to the letter, for names of trips).

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        The table without these columns and with ``<column>_token`` (an end ``_id`` is dropped first): 32 hexadecimal
        digits, null where the identifier is empty.

    Raises
    ------
    RangeError
        The key is short or repeats one byte.
    SchemaError
        The key is no bytes, a column is missing, or its token has a name that is taken.
    UnknownNameError
        An unknown kind.
    DataError
        On collecting: a phone number that is none, such as a placeholder.

    Notes
    -----
    HMAC-SHA-256 [1]_ over the kind and the normalised identifier, cut to half its length as [2]_ allows. What it does
    not protect from: **whoever holds the key can try all phone numbers** (some 10 billion, hours of work) and so learn
    who is behind every token; give the key to the platforms only, not to the body that compares the tables, and change
    it each period. Tokens are pseudonyms, no anonymity: times and places of a person's trips can betray the person
    without any key. A second phone or card is another token.

    References
    ----------
    .. [1] FIPS 198-1 (2008), The Keyed-Hash Message Authentication Code. DOI 10.6028/NIST.FIPS.198-1
    .. [2] RFC 2104 (1997), HMAC: Keyed-Hashing for Message Authentication, sections 3 and 5. DOI 10.17487/RFC2104

    Examples
    --------
    >>> shared = bytes(range(32))  # an example; use secrets.token_bytes(32)
    >>> claims = pl.DataFrame({"phone": ["+86 138-0013-8000", "13800138000", None]})
    >>> done = pseudonyms(claims, key=shared, columns={"phone": "phone"})
    >>> done["phone_token"].n_unique(), done["phone_token"].null_count()
    (2, 1)
    """
    secret = _checked_key(key)
    lf, back = lazily(frame)
    schema = need_columns(lf, columns, what="pseudonyms")
    if not columns:
        raise SchemaError("No column was named. Say which hold identifiers, for example columns={'phone': 'phone'}.")
    made = {}
    for column, kind in columns.items():
        if kind not in _KINDS:
            raise suggest(str(kind), _KINDS, what="kind of identifier", see="citylab.carbon.inclusive.exchange.Kind")
        if schema[column].is_float():
            raise SchemaError(
                f"The identifiers in {column!r} are {schema[column]}: floating-point numbers lose digits and add '.0'. "
                "Read the column as text."
            )
        token = f"{column.removesuffix('_id')}_token"
        if token in schema or token in made:
            raise SchemaError(f"The table has a column {token!r} already. Drop or rename it.")
        hashed = partial(_tokens, key=secret, kind=kind)
        made[token] = pl.col(column).map_batches(hashed, return_dtype=pl.String(), is_elementwise=True)
    return back(lf.with_columns(**made).drop(columns.keys()))


def exchange_table(
    trips: Frame, *, key: bytes, datum: Datum, person: str = "person_id", kind: Kind = "phone",
    place_step_deg: float | None = None,
) -> Frame:  # fmt: skip
    """Return what a platform hands over: token, time, coarse places, distance, mode and platform of each claim.

    Parameters
    ----------
    trips
        One row per claim: ``platform``, ``activity_id``, ``act``, ``start_local``, ``end_local``, ``distance_km``,
        ``start_longitude_deg``, ``start_latitude_deg``, ``end_longitude_deg``, ``end_latitude_deg``, the column of
        ``person`` and, if known, ``registered_local``. Every other column stays at home.
    key
        As in :func:`pseudonyms`.
    datum
        What the coordinates are on. Maps of China use ``gcj02`` or ``bd09``, which lie some hundred metres off: they
        are brought to ``wgs84`` first.
    person, kind
        Column of the phone or card number, and which of the two it is.
    place_step_deg
        Coordinates are rounded to multiples of this [°]; 0 leaves them as they are. Default: that of the table
        ``inclusive_duplicate_rules``.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row per claim, ready for :func:`~.duplicates.duplicates`: the columns above with ``person_token`` in the
        place of the person, ``activity_id`` as a token too, and ``place_step_deg``, by which the search widens its
        thresholds.

    Raises
    ------
    SchemaError, RangeError, UnknownNameError, DataError
        As in :func:`pseudonyms`; a step below 0; an unknown datum.

    Examples
    --------
    >>> from datetime import datetime
    >>> trip = pl.DataFrame({"platform": ["A"], "activity_id": ["t1"], "person_id": ["13800138000"], "act": ["metro"],
    ...     "start_local": [datetime(2024, 10, 8, 8)], "end_local": [datetime(2024, 10, 8, 8, 20)],
    ...     "distance_km": [6.5], "start_longitude_deg": [116.3105], "start_latitude_deg": [39.9854],
    ...     "end_longitude_deg": [116.3742], "end_latitude_deg": [39.9072]})
    >>> handed = exchange_table(trip, key=bytes(range(32)), datum="wgs84")
    >>> "person_id" in handed.columns, handed["end_longitude_deg"].round(6).item()
    (False, 116.374)
    """
    lf, back = lazily(trips)
    schema = need_columns(lf, {**CLAIM_COLUMNS, person: "phone or card number"}, what="exchange_table")
    need_numbers(schema, ["distance_km", *PLACE_COLUMNS], what="exchange_table")
    if datum not in _DATUMS:
        raise suggest(str(datum), _DATUMS, what="datum", see="citylab.carbon.inclusive.exchange.Datum")
    step = rule("place_step_deg") if place_step_deg is None else place_step_deg
    if not 0 <= step < 1:
        raise RangeError(f"place_step_deg is {step}; expected 0 (as they are) to below 1 degree.")
    if datum != "wgs84":
        shift = places.gcj02_to_wgs84 if datum == "gcj02" else places.bd09_to_wgs84
        for end in ("start", "end"):
            lon, lat = shift(pl.col(f"{end}_longitude_deg"), pl.col(f"{end}_latitude_deg"))
            lf = lf.with_columns(lon.alias(f"{end}_longitude_deg"), lat.alias(f"{end}_latitude_deg"))
    if step:
        lf = lf.with_columns(((pl.col(c) / step).round() * step).alias(c) for c in PLACE_COLUMNS)
    told: list[str] = ["registered_local"] if "registered_local" in schema else []
    lf = lf.select(
        *(pl.col(c) for c in CLAIM_COLUMNS), *told, _person=pl.col(person), place_step_deg=pl.lit(float(step))
    )
    lf = pseudonyms(lf, key=key, columns={"_person": kind, "activity_id": "verbatim"})
    others: list[str] = [c for c in CLAIM_COLUMNS if c not in ("platform", "activity_id")]
    return back(
        lf.select(
            "platform", activity_id="activity_token", person_token="_person_token",
            **{c: pl.col(c) for c in [*others, *told, "place_step_deg"]},
        )
    )  # fmt: skip
