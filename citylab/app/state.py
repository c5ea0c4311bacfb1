"""The choices that every page has, without a widget."""

from __future__ import annotations

from typing import ClassVar

import param

from citylab import settings
from citylab.settings import LANGUAGES, Language


class PageState(param.Parameterized):
    """Choices of a page; a dashboard adds its own and names in ``in_url`` those that a link carries."""

    lang: Language = param.Selector(default="en", objects=list(LANGUAGES), doc="Language of the page.")
    large = param.Boolean(default=False, doc="Larger type.")

    in_url: ClassVar[tuple[str, ...]] = ("lang", "large")

    def __init__(self, **choices: object) -> None:
        super().__init__(**{"lang": settings.language(), **choices})

    def reset(self) -> None:
        """Put every choice but language and type size back to its default."""
        kept = {"name", "lang", "large"}
        self.param.update({n: self.param[n].default for n in self.in_url if n not in kept})
