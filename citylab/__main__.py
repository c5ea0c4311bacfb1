"""``python -m citylab`` is the command ``citylab``."""

from __future__ import annotations

from citylab.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
