from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from citylab import settings
from citylab.app import server
from tests.app.conftest import serve_folder, site

__all__ = ["serve_folder", "site"]


@pytest.fixture(scope="session")
def load_page() -> Callable[[str], ModuleType]:
    """Return a function that imports one dashboard as the server does; all of them take seconds."""

    def load(name: str) -> ModuleType:
        dashboard = server._dashboard(settings.dashboards_dir() / f"{name}.py")
        assert dashboard.broken == ""
        return sys.modules[f"citylab_dashboards.{name}"]

    return load
