"""The choices that every page has, without a widget; undo, and the wish to stop slow work."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

import param
import polars as pl

from citylab import settings
from citylab.errors import CitylabError
from citylab.settings import LANGUAGES, Language

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOKS = ("lang", "large", "simple")
"""Choices of every page that change how it looks and no number."""
STEPS_KEPT = 50
"""Choices that can be taken back."""


class Stopped(CitylabError):
    """The reader stopped slow work, or made another choice while it ran."""


class PageState(param.Parameterized):
    """Choices of a page; a dashboard adds its own and names in ``in_url`` those that a link carries.

    Examples
    --------
    >>> class Mine(PageState):
    ...     what = param.Selector(default="a", objects=["a", "b"])
    ...     in_url = ("what",)
    >>> page = Mine(lang="en")
    >>> page.what = "b"
    >>> page.undo(), page.what, page.can_undo
    (True, 'a', False)
    """

    lang: Language = param.Selector(default="en", objects=list(LANGUAGES), doc="Language of the page.")
    large = param.Boolean(default=False, doc="Larger type.")
    simple = param.Boolean(default=False, doc="Larger type, fewer controls.")

    in_url: ClassVar[tuple[str, ...]] = LOOKS

    def __init__(self, **choices: object) -> None:
        super().__init__(**{"lang": settings.language(), **choices})
        self._past: list[dict[str, object]] = []
        self._going_back = False
        self._on_step: Callable[[float | None], None] | None = None
        if self.choices:
            self.param.watch(self._remember, list(self.choices))

    @property
    def choices(self) -> tuple[str, ...]:
        """The page's own choices, which change data."""
        return tuple(n for n in self.in_url if n not in LOOKS)

    @property
    def is_large(self) -> bool:
        """Whether type is large, by itself or in simple mode."""
        return bool(self.large or self.simple)

    def reset(self) -> None:
        """Put every choice but language and size back to its default."""
        self.param.update({n: self.param[n].default for n in self.choices})

    # undo

    def _remember(self, *events: param.parameterized.Event) -> None:
        if not self._going_back:
            self._past = [*self._past, {e.name: e.old for e in events}][-STEPS_KEPT:]

    @property
    def can_undo(self) -> bool:
        """Whether a choice can be taken back."""
        return bool(self._past)

    def undo(self) -> bool:
        """Take back the last choice and return whether there was one."""
        if not self._past:
            return False
        self._going_back = True
        try:
            self.param.update(self._past.pop())
        finally:
            self._going_back = False
        return True

    def forget(self) -> None:
        """Forget earlier choices: what a link says is where a page begins."""
        self._past.clear()

    # slow work

    def step(self, share: float | None = None) -> None:
        """Say how far slow work has come; call it now and then where a picture takes longer than a second.

        Parameters
        ----------
        share
            Done so far (0 to 1), or ``None`` if that is not known.

        Raises
        ------
        Stopped
            The reader pressed *stop* or chose something else. Let it pass; the page catches it.
        """
        if self._on_step is not None:
            self._on_step(share)

    @contextmanager
    def watched_steps(self, tell: Callable[[float | None], None]) -> Iterator[None]:
        """Let a function hear each :meth:`step` while the block runs; it may raise :class:`Stopped`."""
        before, self._on_step = self._on_step, tell
        try:
            yield
        finally:
            self._on_step = before


class PeriodState(PageState):
    """Choices of a page with a period; a page declares ``start`` and ``end`` anew with its own ends."""

    start = param.CalendarDate(default=None, allow_None=True, doc="First day of the period.")
    end = param.CalendarDate(default=None, allow_None=True, doc="Last day of the period.")

    @property
    def period(self) -> str:
        """First and last day as text."""
        return f"{self.start} – {self.end}"

    def inside(self, frame: pl.DataFrame, date: str = "date_local") -> pl.DataFrame:
        """Return the rows of a frame that lie in the period."""
        return frame.filter(pl.col(date).is_between(self.start, self.end))

    @property
    def days_n(self) -> int:
        """Days of the period; none if it ends before it starts."""
        return max(0, (self.end - self.start).days + 1)

    def whole_years(self, years: tuple[int, ...]) -> list[int]:
        """Return the calendar years that lie wholly in the period."""
        return [y for y in years if dt.date(y, 1, 1) >= self.start and dt.date(y, 12, 31) <= self.end]
