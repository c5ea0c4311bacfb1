"""Every knob of citylab, read from the environment at the moment of use.

``CITYLAB_CACHE``
    Folder for fetched data. Default: the user's cache folder of the operating system.
``CITYLAB_MIRROR``
    Folder that holds copies of publishers' files, tried before the network. Default: none.
``CITYLAB_OFFLINE``
    ``1``, ``true``, ``yes`` or ``on`` forbids the network. Default: the network may be used.
``CITYLAB_LANG``
    ``zh`` or ``en``: the language of titles, labels and pages. Default: ``en``.
``CITYLAB_SERVE_URL``
    Address of a running ``citylab serve``, so that a notebook can link to the dashboards. Set by ``make lab``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from citylab.errors import CitylabError

Language = Literal["zh", "en"]
LANGUAGES: tuple[Language, ...] = ("zh", "en")
_PACKAGE = Path(__file__).resolve().parent
_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"", "0", "false", "no", "off"}


def cache_dir() -> Path:
    """Return the folder for fetched data; it need not exist yet.

    Examples
    --------
    >>> cache_dir().name != ""
    True
    """
    given = os.environ.get("CITYLAB_CACHE")
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    return Path(platformdirs.user_cache_dir("citylab", appauthor=False))


def mirror_dir() -> Path | None:
    """Return the mirror folder, or ``None`` when none is set.

    Raises
    ------
    CitylabError
        ``CITYLAB_MIRROR`` names a folder that does not exist: a mistyped mirror would otherwise
        silently send every request to the network.
    """
    given = os.environ.get("CITYLAB_MIRROR")
    if not given:
        return None
    path = Path(given).expanduser().absolute()
    if not path.is_dir():
        raise CitylabError(
            f"CITYLAB_MIRROR is {given!r}, but no such folder exists. Set it to the folder that holds the "
            "mirrored data sets, or unset it."
        )
    return path


def offline() -> bool:
    """Return whether the network is switched off by ``CITYLAB_OFFLINE``."""
    value = os.environ.get("CITYLAB_OFFLINE", "").strip().lower()
    if value not in _TRUE | _FALSE:
        raise CitylabError(f"CITYLAB_OFFLINE is {value!r}; expected one of {sorted(_TRUE | _FALSE)}.")
    return value in _TRUE


def language() -> Language:
    """Return the language of labels and pages: ``"zh"`` or ``"en"``."""
    value = os.environ.get("CITYLAB_LANG", "en").strip().lower()[:2] or "en"
    if value not in LANGUAGES:
        raise CitylabError(f"CITYLAB_LANG is {value!r}; expected one of {LANGUAGES}.")
    return value


def _shipped(name: str) -> Path:
    """Return a top-level folder: inside the package in a wheel, beside it in a checkout."""
    inside = _PACKAGE / f"_{name}"
    return inside if inside.is_dir() else _PACKAGE.parent / name


def datasets_dir() -> Path:
    """Return the folder with the declarations and the embedded tables."""
    return _shipped("datasets")


def dashboards_dir() -> Path:
    """Return the folder with the Panel apps."""
    return _shipped("dashboards")
