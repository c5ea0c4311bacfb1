"""Slow proofs: do intervals cover and tests reject as often as they say?

``python -m calibration`` runs every module of this package that has a ``run(n, seed)`` and writes what they measured to
``docs/calibration.md``. A module's docstring heads its section. ``run`` gives :class:`Row` objects: what was measured,
its nominal value, the measured one, the number of runs, and the binomial band around the nominal value by which it is
judged.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One share measured over many runs."""

    what: str
    nominal: float
    measured: float
    n: int
    band: tuple[float, float]

    @property
    def verdict(self) -> str:
        """How the measured share lies to the band."""
        low, high = self.band
        return "below" if self.measured < low else "above" if self.measured > high else "within"


def binomial_band(nominal: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the shares between which ``n`` runs fall with the probability ``level`` if the nominal share is true."""
    from scipy.stats import binom

    low, high = binom.interval(level, n, nominal)
    return float(low) / n, float(high) / n


def share(what: str, nominal: float, hits: object) -> Row:
    """Return the row of a share from one boolean per run."""
    import numpy as np

    flags = np.asarray(hits, dtype=bool)
    return Row(what, nominal, float(flags.mean()), flags.size, binomial_band(nominal, flags.size))
