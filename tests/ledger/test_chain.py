"""Digests that chain entries."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citylab.errors import DataError
from citylab.ledger.chain import canonical, digest

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


def test_a_digest_is_sha256_of_the_canonical_json_of_previous_and_fields() -> None:
    # Written out by hand: ["00","a",1]
    assert digest(["a", 1], "00") == hashlib.sha256(b'["00","a",1]').hexdigest()


@given(VALUES, VALUES)
def test_values_that_differ_have_texts_that_differ(one: object, other: object) -> None:
    assert (canonical(one) == canonical(other)) == (repr_of(one) == repr_of(other))


def repr_of(value: object) -> str:
    """Tell 1, 1.0 and True apart, and not the order of keys."""
    if isinstance(value, dict):
        return "{" + ",".join(sorted(f"{k!r}:{repr_of(v)}" for k, v in value.items())) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(repr_of, value)) + "]"
    return repr(value)


@given(st.lists(st.text(), min_size=1, max_size=4), st.binary(min_size=1, max_size=8))
def test_a_key_changes_every_digest(fields: list[str], key: bytes) -> None:
    assert digest(list(fields), "0") != digest(list(fields), "0", key=key)


@pytest.mark.parametrize("value", [float("nan"), b"bytes", {1, 2}, object()])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="A ledger keeps text"):
        canonical(value)
