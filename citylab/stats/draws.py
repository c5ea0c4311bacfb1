"""Random draws by number: draw k of a parameter is the same however the work is cut.

A stream has a counter (Philox), a key made of the seed and the parameter's name, and no memory. Draw 70,000 of
``retrofit_saving_share`` can be had without the 70,000 before it, and neither other parameters, nor the order in which
they are asked for, nor the number of workers moves it. So a run with a lever and a run without it share their numbers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from citylab.errors import RangeError, SchemaError, suggest

if TYPE_CHECKING:
    import numpy.typing as npt

    _Array = npt.NDArray[np.float64]

Distribution = Literal["uniform", "triangular", "normal", "lognormal", "choice", "fixed"]

_WORDS_PER_COUNT = 4
"""64-bit words that Philox-4x64 makes of one value of its counter: Salmon et al. (2011)."""
_USED_BITS = 52
"""Bits of a word that become a number: with one more, a number next to 1 would round to 1."""
_WORD_BITS = 64
_NEEDS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "triangular": ("low", "central", "high"),
    "normal": ("central", "sd"),
    "lognormal": ("central", "gsd"),
    "choice": ("values",),
    "fixed": ("central",),
}
_MAY: dict[str, tuple[str, ...]] = {"choice": ("weights",), "normal": ("low", "high"), "lognormal": ("low", "high")}


def uniforms(seed: int, name: str, start: int, stop: int, *, width: int | None = None) -> _Array:
    """Return draws ``start`` to ``stop`` (without it) of a parameter's uniform stream.

    Parameters
    ----------
    seed
        The run's seed, 0 or more.
    name
        The parameter's name; it must not be empty. Two names have independent streams.
    start, stop
        Numbers of the first draw and of the one after the last, 0 or more.
    width
        Numbers per draw, for example one for each household. Default: one number, and no second axis.

    Returns
    -------
    numpy.ndarray
        Shape (stop - start,), or (stop - start, width): numbers between 0 and 1, never 0 or 1 themselves, so that every
        quantile of them is finite.

    Raises
    ------
    SchemaError
        The parameter has no name.
    RangeError
        A draw number or the seed is negative or not whole, there is no draw at all, or ``width`` is below 1.

    Examples
    --------
    >>> whole = uniforms(7, "ev_share", 0, 10)
    >>> bool((uniforms(7, "ev_share", 6, 9) == whole[6:9]).all())
    True
    >>> bool((uniforms(7, "fuel_price", 0, 10) == whole).any())
    False

    References
    ----------
    Salmon, Moraes, Dror and Shaw (2011), Parallel random numbers: as easy as 1, 2, 3, SC '11.
    doi:10.1145/2063384.2063405
    """
    if not isinstance(name, str) or not name.strip():
        raise SchemaError(f"A parameter has no name (name is {name!r}); its stream is keyed by it. Give it a name.")
    for what, value in (("seed", seed), ("start", start), ("stop", stop), ("width", 1 if width is None else width)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise RangeError(f"{what} is {value!r}; give a whole number.")
    seed, start, stop = int(seed), int(start), int(stop)
    if seed < 0:
        raise RangeError(f"seed is {seed}; give a whole number of 0 or more.")
    if start < 0 or stop < start:
        raise RangeError(f"Draws {start} to {stop} cannot be: number them from 0 upwards, stop after start.")
    if stop == start:
        raise RangeError(f"Zero draws of {name!r} were asked for ({start} to {stop}); ask for at least one.")
    if width is not None and width < 1:
        raise RangeError(f"width is {width}; a draw holds at least 1 number.")
    first, last = start * (width or 1), stop * (width or 1)
    count, skipped = divmod(first, _WORDS_PER_COUNT)
    stream = np.random.Philox(key=_key(seed, name), counter=count)
    words = stream.random_raw(skipped + last - first)[skipped:]
    # The middle of one of 2^52 equal steps: symmetric around a half, and never at an end
    steps = (words >> np.uint64(_WORD_BITS - _USED_BITS)).astype(np.float64)
    numbers = (steps + 0.5) * 2.0**-_USED_BITS
    return numbers if width is None else numbers.reshape(stop - start, width)


def _key(seed: int, name: str) -> npt.NDArray[np.uint64]:
    """Return the 128 bits that stand for a seed and a name, on every machine."""
    digest = hashlib.sha256(f"{int(seed)}\0{name}".encode()).digest()
    return np.frombuffer(digest[:16], dtype="<u8").astype(np.uint64)


def quantiles(
    share: npt.ArrayLike,
    distribution: Distribution,
    *,
    low: float | None = None,
    central: float | None = None,
    high: float | None = None,
    sd: float | None = None,
    gsd: float | None = None,
    values: Sequence[Any] | None = None,
    weights: Sequence[float] | None = None,
    name: str = "a parameter",
) -> npt.NDArray[Any]:
    """Return quantiles of a distribution: the value below which ``share`` of it lies.

    ==============  ==============================================================================================
    distribution    what it takes
    ==============  ==============================================================================================
    ``uniform``     ``low``, ``high``
    ``triangular``  ``low``, ``central`` (the mode), ``high``
    ``normal``      ``central`` (mean), ``sd`` (standard deviation); with ``low`` or ``high`` it is cut there
    ``lognormal``   ``central`` (median), ``gsd`` (geometric standard deviation, above 1); may be cut likewise
    ``choice``      ``values``, and ``weights`` if they are not equally likely
    ``fixed``       ``central``
    ==============  ==============================================================================================

    Parameters
    ----------
    share
        Numbers between 0 and 1, of any shape.
    distribution
        One of the names above.
    low, central, high, sd, gsd, values, weights
        As the table says [unit of the parameter; ``gsd`` is a ratio]. ``weights`` need not add up to 1.
    name
        What messages call the parameter.

    Returns
    -------
    numpy.ndarray
        Shape of ``share``; the type of ``values`` for a choice.

    Raises
    ------
    UnknownNameError
        No such distribution.
    SchemaError
        A number that the distribution needs is missing, or one was given that it has no use for.
    RangeError
        Bounds, mode, spread or weights that cannot be, or a share outside 0 to 1.

    Examples
    --------
    >>> quantiles([0.125, 0.5, 0.875], "triangular", low=0, central=2, high=4).tolist()
    [1.0, 2.0, 3.0]
    >>> quantiles([0.2, 0.9], "choice", values=["short run", "long run"], weights=[3, 1]).tolist()
    ['short run', 'long run']
    """
    _check(
        distribution,
        {"low": low, "central": central, "high": high, "sd": sd, "gsd": gsd, "values": values, "weights": weights},
        name,
    )
    u = np.asarray(share, dtype=np.float64)
    if u.size and not (u.min() >= 0 and u.max() <= 1):
        raise RangeError(
            f"{name}: shares run from {u.min():g} to {u.max():g}; a quantile is asked for between 0 and 1."
        )
    if distribution == "choice":
        return _chosen(u, values or (), weights, name)
    if distribution == "fixed":
        return np.full(u.shape, _number(central))
    if distribution in ("uniform", "triangular"):
        a, b = _number(low), _number(high)
        if not a < b:
            raise RangeError(
                f"{name}: low {a:g} is not below high {b:g}. Give bounds in rising order, or distribution='fixed' with "
                "central= for a parameter that does not vary."
            )
        return a + (b - a) * u if distribution == "uniform" else _triangular(u, a, _number(central), b, name)
    return _bell(u, distribution, _number(central), sd if distribution == "normal" else gsd, low, high, name)


def draws(
    seed: int,
    name: str,
    start: int,
    stop: int,
    *,
    distribution: Distribution = "uniform",
    width: int | None = None,
    **parameters: Any,
) -> npt.NDArray[Any]:
    """Return draws ``start`` to ``stop`` (without it) of a named parameter.

    Parameters
    ----------
    seed, name, start, stop, width
        As in :func:`uniforms`.
    distribution
        One of those of :func:`quantiles`. Default: uniform between ``low`` 0 and ``high`` 1.
    **parameters
        What the distribution takes, as in :func:`quantiles`.

    Returns
    -------
    numpy.ndarray
        Shape (stop - start,), or (stop - start, width): one value a draw [unit of the parameter].

    Raises
    ------
    SchemaError, RangeError, UnknownNameError
        As :func:`uniforms` and :func:`quantiles` say.

    Examples
    --------
    >>> saving = dict(distribution="triangular", low=0.1, central=0.2, high=0.4)
    >>> parts = [draws(7, "retrofit_saving_share", a, a + 5, **saving) for a in (0, 5)]
    >>> bool((np.concatenate(parts) == draws(7, "retrofit_saving_share", 0, 10, **saving)).all())
    True
    """
    if distribution == "uniform" and not parameters:
        parameters = {"low": 0.0, "high": 1.0}
    return quantiles(uniforms(seed, name, start, stop, width=width), distribution, name=name, **parameters)


def _number(value: float | None) -> float:
    """Return a number that was checked to be there."""
    assert value is not None
    return float(value)


def _check(distribution: str, given: dict[str, Any], name: str) -> None:
    """Refuse a distribution that is unknown, or numbers that are not just those that it takes."""
    if distribution not in _NEEDS:
        raise suggest(distribution, get_args(Distribution), what="distribution", see="citylab.stats.draws.quantiles")
    takes = _NEEDS[distribution]
    missing = [n for n in takes if given[n] is None]
    if missing:
        raise SchemaError(
            f"{name} is {distribution} and lacks {', '.join(missing)}; the distribution takes {', '.join(takes)}."
        )
    useless = [n for n, v in given.items() if v is not None and n not in (*takes, *_MAY.get(distribution, ()))]
    if useless:
        raise SchemaError(
            f"{name} is {distribution} and has no use for {', '.join(useless)}; it takes {', '.join(takes)}. Leave the "
            "others out, or name the distribution that you mean."
        )
    strange = [
        f"{n} = {v}"
        for n, v in given.items()
        if v is not None and n not in ("values", "weights") and not np.isfinite(v)
    ]
    if strange:
        raise RangeError(f"{name}: {', '.join(strange)} is no finite number.")


def _triangular(u: _Array, low: float, mode: float, high: float, name: str) -> _Array:
    """Return quantiles of a triangular distribution."""
    if not low <= mode <= high:
        raise RangeError(f"{name}: central (the mode) is {mode:g} and lies outside {low:g} to {high:g}.")
    below = (mode - low) / (high - low)
    rising = low + np.sqrt(u * (high - low) * (mode - low))
    falling = high - np.sqrt((1 - u) * (high - low) * (high - mode))
    return np.where(u < below, rising, falling)


def _bell(
    u: _Array, kind: str, central: float, spread: float | None, low: float | None, high: float | None, name: str
) -> _Array:
    """Return quantiles of a normal or lognormal distribution, cut at the bounds that are given."""
    from scipy.special import ndtr, ndtri

    spread = _number(spread)
    if kind == "normal":
        if spread <= 0:
            raise RangeError(f"{name}: sd is {spread:g}; a standard deviation is above 0 (or distribution='fixed').")
        middle, scale = central, spread
    else:
        if central <= 0 or spread <= 1:
            raise RangeError(
                f"{name}: a lognormal has central (its median) above 0 and gsd above 1; given {central:g}, {spread:g}."
            )
        middle, scale = float(np.log(central)), float(np.log(spread))
        if (low is not None and low < 0) or (high is not None and high <= 0):
            raise RangeError(f"{name}: a lognormal lies above 0; it cannot be cut at low {low} and high {high}.")
        low = None if low in (None, 0) else float(np.log(_number(low)))
        high = None if high is None else float(np.log(high))
    if low is not None and high is not None and not low < high:
        raise RangeError(f"{name}: low is not below high; give the cuts in rising order.")
    bottom = 0.0 if low is None else ndtr((low - middle) / scale)
    top = 1.0 if high is None else ndtr((high - middle) / scale)
    if not bottom < top:
        raise RangeError(f"{name}: nothing of the {kind} distribution lies between its cuts; move them.")
    z = middle + scale * ndtri(bottom + (top - bottom) * u)
    return z if kind == "normal" else np.exp(z)


def _chosen(u: _Array, values: Sequence[Any], weights: Sequence[float] | None, name: str) -> npt.NDArray[Any]:
    """Return the values at which the running sum of their weights passes ``u``."""
    if not len(values):
        raise RangeError(f"{name}: there is nothing to choose from; give at least one value.")
    share = np.ones(len(values)) if weights is None else np.asarray(weights, dtype=np.float64)
    if share.shape != (len(values),):
        raise RangeError(f"{name}: {len(values)} values and {share.size} weights; give one weight a value.")
    if not (np.isfinite(share).all() and (share >= 0).all() and share.sum() > 0):
        raise RangeError(f"{name}: weights {share.tolist()} are none; give numbers of 0 or more, not all 0.")
    edges = np.cumsum(share) / share.sum()
    # An edge short of 1 by rounding must not choose a value past the last that has weight
    last = int(np.flatnonzero(share)[-1])
    position = np.minimum(np.searchsorted(edges, u, side="right"), last)
    return np.asarray(values)[position]
