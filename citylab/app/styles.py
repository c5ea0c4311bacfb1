"""The pages' own files: style sheets and templates."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from citylab.viz import theme

_HERE = Path(__file__).parent


@lru_cache(maxsize=8)
def read(name: str) -> str:
    """Return a file that lies beside this module."""
    return (_HERE / name).read_text(encoding="utf-8")


@lru_cache(maxsize=8)
def css(name: str) -> str:
    """Return one of the style sheets of the pages.

    Examples
    --------
    >>> "FONT_STACK" in css("page")
    False
    """
    return read(f"{name}.css").replace("FONT_STACK", theme.font_stack())
