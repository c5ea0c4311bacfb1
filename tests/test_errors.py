"""The named errors: catchable as built-in ones, readable, and helpful."""

from __future__ import annotations

import inspect

import pytest

from citylab import errors

NAMED = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, errors.CitylabError) and kind is not errors.CitylabError
]


@pytest.mark.parametrize("kind", NAMED)
def test_every_named_error_is_also_a_built_in_error(kind: type[errors.CitylabError]) -> None:
    others = [base for base in kind.__mro__ if base.__module__ == "builtins"]
    assert set(others) - {Exception, BaseException, object}


@pytest.mark.parametrize("kind", NAMED)
def test_every_named_error_prints_its_message_and_says_in_its_docstring_when_it_is_raised(
    kind: type[errors.CitylabError],
) -> None:
    assert str(kind("what happened, what was expected, what next")) == "what happened, what was expected, what next"
    assert kind.__doc__


def test_an_unknown_name_is_caught_as_a_key_error() -> None:
    with pytest.raises(KeyError):
        raise errors.suggest("x", ["y"], what="thing", see="the list")


def test_suggest_offers_at_most_three_names_and_none_twice() -> None:
    known = [f"pm25_{n}" for n in range(9)]
    message = str(errors.suggest("pm25", known, what="column", see="somewhere"))
    offered = [name for name in known if repr(name) in message]
    assert len(offered) == 3
    assert all(message.count(repr(name)) == 1 for name in offered)


def test_suggest_offers_names_that_contain_what_was_asked_for() -> None:
    assert "'bjstats__yearly_district_gdp'" in str(
        errors.suggest("gdp", ["bjstats__yearly_district_gdp", "zzz"], what="data set", see="x")
    )


def test_suggest_says_nothing_of_near_names_when_there_are_none() -> None:
    assert (
        str(errors.suggest("qqq", ["abc"], what="unit", see="the list")) == "Unknown unit 'qqq'. All of them: the list."
    )


def test_suggest_copes_with_an_empty_name_and_an_empty_list() -> None:
    assert "''" in str(errors.suggest("", ["abc"], what="unit", see="the list"))
    assert "'abc'" in str(errors.suggest("abc", [], what="unit", see="the list"))


def test_citylab_warnings_are_user_warnings() -> None:
    assert issubclass(errors.UsageWarning, errors.CitylabWarning)
    assert issubclass(errors.CitylabWarning, UserWarning)
