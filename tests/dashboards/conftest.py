from __future__ import annotations

from tests.app.conftest import site

__all__ = ["site"]
