"""Entries chained by hash: each carries the digest of the one before it, so that no past entry changes alone.

A digest is SHA-256 over the canonical JSON of an entry and the digest of its predecessor, or HMAC-SHA-256 where a
secret key is given. What a chain proves and what it does not:

- an entry that was altered, deleted, inserted or moved is found, and where, unless everything after it was computed
  anew;
- everything after it computed anew is found by an :class:`Anchor` that somebody else keeps (a published digest), and
  cannot be done without the key where there is one;
- entries cut off at the end are found by an anchor only.

References
----------
FIPS 180-4 (SHA-256); FIPS 198-1 (HMAC); RFC 8259 (JSON).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import dataclass
from typing import Any

from citylab.errors import DataError


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far a ledger had come, to be kept by somebody who does not hold the ledger.

    Attributes
    ----------
    ledger_id
        Which ledger.
    seq
        Number of its last entry; 0 before the first.
    digest
        Digest of that entry.
    """

    ledger_id: str
    seq: int
    digest: str


def canonical(value: Any) -> str:
    """Return the one JSON text of a value: sorted keys, no spaces, no escapes beyond those of JSON, no NaN.

    Raises
    ------
    DataError
        The value holds something that JSON cannot say (NaN, a date, bytes).

    Examples
    --------
    >>> canonical({"b": 1, "a": "碳"})
    '{"a":"碳","b":1}'
    """
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as cause:
        raise DataError(
            f"A ledger keeps text, whole numbers, numbers, true, false and lists of these; got {value!r} ({cause}). "
            "Write dates as text (2024-10-01) and missing values as null."
        ) from cause


def digest(fields: list[Any], previous: str, *, key: bytes | None = None) -> str:
    """Return the digest of an entry that follows another.

    Parameters
    ----------
    fields
        Everything the entry says, in a fixed order.
    previous
        Digest of the entry before it.
    key
        Secret of the ledger's keeper, if it has one.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> digest(["a"], "0" * 64) == digest(["b"], "0" * 64)
    False
    """
    text = canonical([previous, *fields]).encode()
    if key is None:
        return hashlib.sha256(text).hexdigest()
    return hmac.new(key, text, hashlib.sha256).hexdigest()
