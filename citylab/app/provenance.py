"""What stands under every page: where its numbers come from, and how to get the same ones."""

from __future__ import annotations

import hashlib
import html
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from citylab import catalog, vocabulary
from citylab.settings import Language

HASH_DIGITS = 12


def file_hash(dataset: str) -> str:
    """Return the SHA-256 of the table as it lies here.

    Examples
    --------
    >>> len(file_hash("uci__daily_station_air"))
    64
    """
    path = catalog.fetch(dataset)
    return _hash(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def footer(ids: Sequence[str], lang: Language, code: str) -> str:
    """Return the sources of a page as HTML: publisher, licence, vintage, coverage, id with hash, and code.

    Parameters
    ----------
    ids
        Data sets in the order of their weight for the page.
    lang
        Language of the text.
    code
        Lines of Python that compute the page's numbers.

    Examples
    --------
    >>> "CC-BY-4.0" in footer(["uci__daily_station_air"], "en", "import citylab as cl")
    True
    """
    esc, say = html.escape, vocabulary.say
    rows = []
    for name in ids:
        d = catalog.declaration(name)
        cover = d.coverage
        period = f"{cover.start} – {cover.end}; " if cover.start else ""
        facts = (
            (say("licence", lang), d.licence.id),
            (say("vintage", lang), d.version),
            (say("coverage", lang), period + cover.place.say(lang)),
            ("id", f"{d.id} · sha256 {file_hash(name)[:HASH_DIGITS]}"),
        )
        said = " · ".join(f"{esc(k)}: {esc(v)}" for k, v in facts)
        rows.append(
            f"<li><b>{esc(d.title.say(lang))}</b>, {esc(d.publisher.name.say(lang))}. {said}<br>"
            f"<span class='cite'>{esc(d.citation)}</span></li>"
        )
    return (
        f"<h2>{say('sources', lang)}</h2><ul>{''.join(rows)}</ul>"
        f"<h2>{say('reproduce', lang)}</h2><pre tabindex='0'>{esc(code)}</pre>"
    )
