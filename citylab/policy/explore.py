"""Which assumption matters, which option stays good, and how much is enough.

Three questions to a simulation that is already there. *Sensitivity*: which uncertain parameter moves which output
(Sobol's shares of variance, Morris's elementary effects), for all outputs at once. *Robustness*: which option
disappoints least over many futures (regret), and in how many of them it meets what was promised (satisficing).
*Thresholds*: how much of a lever is needed to reach a target, and in how many draws that is enough.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import polars as pl

from citylab import scale
from citylab.errors import DataError, RangeError, RefusalError, SchemaError, suggest
from citylab.frames import Frame, lazily, need_columns, need_numbers
from citylab.stats import bootstrap
from citylab.stats.draws import quantiles

if TYPE_CHECKING:
    import numpy.typing as npt
    import xarray as xr
    from distributed import Client

    _Array = npt.NDArray[np.float64]

Parameters = Mapping[str, "tuple[float, float] | Mapping[str, Any]"]
"""Names with a pair of bounds (uniform between them), or with what :func:`citylab.stats.draws.quantiles` takes."""
Model = Callable[[dict[str, Any]], Any]
"""Takes one array per parameter, one entry a run; returns outputs with the runs along the first axis."""

LEVEL = 0.95
"""Level of intervals."""
RESAMPLES = 200
"""Bootstrap resamples of an index; each end of a 95 % interval then leaves out five."""
_RUNS_AT_ONCE = 1024
"""Runs that a model gets in one call."""
_LEVELS = 4
"""Steps of Morris's grid, the usual choice: Campolongo et al. (2007)."""
_EDGE = float(np.finfo(np.float64).epsneg)
"""Shares keep this distance from 0 and 1, so that every quantile is finite."""
_ROUNDING = 64 * float(np.finfo(np.float64).eps)
"""An output that varies by less than this share of its size varies by rounding."""
_MORRIS_COLUMNS = ("trajectory", "changed", "step_share")


# Parameters ----------------------------------------------------------------------------------------------------------


def _priors(parameters: Parameters) -> dict[str, dict[str, Any]]:
    """Return what is known of each parameter as a distribution, or say what is wrong with it."""
    if not parameters:
        raise SchemaError("No parameters were given; name at least one with its bounds, {'pv_yield': (900, 1200)}.")
    told: dict[str, dict[str, Any]] = {}
    for name, given in parameters.items():
        if not isinstance(name, str) or not name.strip():
            raise SchemaError(f"A parameter has no name ({name!r}: {given!r}); give it one, results are named by it.")
        if isinstance(given, Mapping):
            prior = dict(given)
        else:
            try:
                low, high = given
            except (TypeError, ValueError):
                raise SchemaError(
                    f"{name} is given as {given!r}; expected a pair (low, high) or a mapping such as "
                    "{'distribution': 'triangular', 'low': 1, 'central': 2, 'high': 4}."
                ) from None
            prior = {"distribution": "uniform", "low": low, "high": high}
        if prior.get("distribution") == "fixed":
            raise RangeError(f"{name} is fixed: it cannot matter. Leave it out of the parameters.")
        if "distribution" not in prior:
            raise SchemaError(f"{name} has no distribution; for example {{'distribution': 'uniform', ...}}.")
        quantiles(0.5, name=name, **prior)  # says what is wrong before anything is run
        told[name] = prior
    return told


def _table(unit: _Array, priors: Mapping[str, dict[str, Any]]) -> pl.DataFrame:
    """Return parameter values at points of the unit cube, one row a run."""
    columns = {name: quantiles(unit[:, j], name=name, **prior) for j, (name, prior) in enumerate(priors.items())}
    for name, values in columns.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise RangeError(
                f"{name} reaches infinity: Morris steps to the very ends of a range. Cut its "
                f"{priors[name]['distribution']} distribution with low= and high=."
            )
    return pl.DataFrame(columns)


def _problem(names: Sequence[str]) -> dict[str, Any]:
    """Return what SALib calls a problem: parameters on the unit cube."""
    return {"num_vars": len(names), "names": list(names), "bounds": [[0.0, 1.0]] * len(names)}


def _evaluated(model: Model, cases: pl.DataFrame, names: Sequence[str], client: Client | None) -> Any:
    """Return the outputs of all runs."""
    columns = {name: cases[name].to_numpy() for name in names}

    def some(start: int, stop: int) -> Any:
        return model({name: values[start:stop] for name, values in columns.items()})

    return scale.map_draws(some, cases.height, block=_RUNS_AT_ONCE, client=client)


def _flat(values: Any, outputs: Mapping[str, Sequence[Any]] | None) -> tuple[_Array, dict[str, Any]]:
    """Return outputs as a matrix of runs and outputs, and the axes that outputs had."""
    if isinstance(values, Mapping):
        raise SchemaError(
            f"The model returned several arrays ({', '.join(map(str, values))}); stack them into one along an axis "
            "that outputs= names."
        )
    array = np.asarray(values)
    if array.dtype.kind not in "fiub" or array.ndim == 0 or array.size == 0:
        raise SchemaError(f"Outputs are {array.dtype} of shape {array.shape}; expected numbers with one entry a run.")
    shape = array.shape[1:]
    axes: dict[str, Any]
    if outputs is None:
        axes = {f"output_{i + 1}": np.arange(size) for i, size in enumerate(shape)}
    else:
        axes = {name: list(labels) for name, labels in outputs.items()}
        sizes = tuple(len(labels) for labels in axes.values())
        if sizes != shape:
            raise SchemaError(
                f"outputs names axes of {sizes} entries ({', '.join(axes)}); one run has shape {shape}. Name every "
                "axis after the first, in order, with one label an entry."
            )
    if taken := {"parameter", "other"} & set(axes):
        raise SchemaError(f"An axis of the outputs cannot be called {taken.pop()!r}; that names parameters.")
    flat = array.reshape(len(array), -1).astype(np.float64)
    bad = ~np.isfinite(flat)
    if bad.any():
        run, output = np.argwhere(bad)[0]
        raise DataError(
            f"{int(bad.any(axis=1).sum())} of {len(flat)} runs have outputs that are no finite numbers (first: run "
            f"{run}, output {output}). Mend the model for those parameters, or narrow their bounds."
        )
    return flat, axes


def _dataset(
    found: Mapping[str, tuple[tuple[str, ...], _Array]],
    axes: Mapping[str, Any],
    names: Sequence[str],
    attributes: Mapping[str, Any],
) -> xr.Dataset:
    """Return matrices that end in outputs as a Dataset with the outputs' own axes."""
    import xarray as xr

    shape = tuple(len(labels) for labels in axes.values())
    return xr.Dataset(
        {
            name: ((*dims, *axes), values.reshape((*values.shape[: len(dims)], *shape)))
            for name, (dims, values) in found.items()
        },
        coords={"parameter": list(names), **({"other": list(names)} if "s2" in found else {}), **axes},
        attrs=dict(attributes),
    )


# Sobol ---------------------------------------------------------------------------------------------------------------


def sobol_cases(parameters: Parameters, n: int, *, second_order: bool = True, seed: int) -> pl.DataFrame:
    """Return the runs from which Sobol indices can be had: Saltelli's scheme on a scrambled Sobol sequence.

    Parameters
    ----------
    parameters
        Names with a pair of bounds, or with a distribution as in :func:`citylab.stats.draws.quantiles`.
    n
        Points of the base sample, a power of 2. Runs are n · (2k + 2) for k parameters, n · (k + 2) without second
        order.
    second_order
        Make the runs that tell pairs of parameters apart.
    seed
        Of the scrambling.

    Returns
    -------
    polars.DataFrame
        One row a run, one column a parameter, in the order that :func:`sobol_indices` expects.

    Raises
    ------
    RangeError
        ``n`` is no power of 2, which a Sobol sequence needs for its balance; or bounds that cannot be.
    SchemaError
        A parameter without a name or without what its distribution needs.

    Examples
    --------
    >>> cases = sobol_cases({"pv_yield_kwh_kw": (900, 1200), "grid_kgco2_kwh": (0.3, 0.6)}, 8, seed=1)
    >>> cases.shape
    (48, 2)

    References
    ----------
    Saltelli (2002), Making best use of model evaluations to compute sensitivity indices, Computer Physics
    Communications 145, 280-297. doi:10.1016/S0010-4655(02)00280-1. Sampling by SALib: Iwanaga, Usher and Herman (2022),
    Socio-Environmental Systems Modelling 4, 18155. doi:10.18174/sesmo.18155
    """
    priors = _priors(parameters)
    _need_power_of_2(n)
    from SALib.sample import sobol as sampler

    unit = sampler.sample(_problem(list(priors)), n, calc_second_order=second_order, scramble=True, seed=seed)
    return _table(np.clip(unit, _EDGE, 1 - _EDGE), priors)


def _need_power_of_2(n: int) -> None:
    if not isinstance(n, int | np.integer):
        raise RangeError(f"n is {n!r}; expected a whole number, a power of 2 such as 1024.")
    if n < 2 or n & (n - 1):
        below = 1 << (max(n, 2).bit_length() - 1)
        near = f"{below} or {2 * below}" if n > 2 else "2 or more, for example 1024"
        raise RangeError(f"n is {n}; a Sobol sequence keeps its balance at powers of 2 only. Take {near}.")


def sobol_indices(
    values: Any,
    names: Sequence[str],
    *,
    outputs: Mapping[str, Sequence[Any]] | None = None,
    second_order: bool = True,
    n_boot: int = RESAMPLES,
    level: float = LEVEL,
    seed: int,
) -> xr.Dataset:
    """Return first, second and total Sobol indices of all outputs from the runs of :func:`sobol_cases`.

    The first index of a parameter is the share of an output's variance that would go if the parameter were known; the
    total one is the share that would stay if all others were known; the second one of two parameters is the share that
    only both together explain. Estimates may fall a little outside 0 to 1: that is their error, see the intervals.

    Parameters
    ----------
    values
        Outputs, runs along the first axis in the order of the cases; any further axes.
    names
        The parameters, in the order of the cases' columns.
    outputs
        Names of the further axes with their labels, ``{"year": [2030, 2035]}``. Default: ``output_1``, ... numbered.
    second_order
        As the cases were made.
    n_boot
        Bootstrap resamples of the base sample's points; the same ones for all outputs.
    level
        Level of the percentile intervals.
    seed
        Of the bootstrap.

    Returns
    -------
    xarray.Dataset
        ``s1`` and ``st`` by ``parameter``, ``s2`` by ``parameter`` and ``other`` (symmetric, not a number on the
        diagonal), each with ``_low``, ``_high`` (interval) and ``_se`` (standard error), by the outputs' axes [share of
        variance]; ``mean`` and ``variance`` of the outputs over all runs; ``is_constant`` where an output does not
        vary over the base sample: it has no variance to share, and its indices are not a number. Attributes hold n,
        runs, n_boot, level and seed.

    Raises
    ------
    SchemaError
        The number of runs does not fit the parameters, or ``outputs`` the values.
    DataError
        Values that are no finite numbers; too few resamples for the level.

    Notes
    -----
    Estimators: first and total order after Saltelli et al. (2010), second order after Saltelli (2002), on outputs
    centred at their mean over all runs: those of SALib 1.6, with equal values. The points of a Sobol sequence are more
    even than random ones, so that bootstrap intervals tend to be too wide rather than too narrow.

    Examples
    --------
    >>> cases = sobol_cases({"a": (0, 1), "b": (0, 1)}, 1024, seed=1)
    >>> total = 2 * cases["a"] + cases["b"]  # variances 4/12 and 1/12
    >>> found = sobol_indices(total.to_numpy(), ["a", "b"], seed=1)
    >>> [round(float(v), 2) for v in found["s1"]], round(float(found["s2"][0, 1]), 2)
    ([0.8, 0.2], ...0.0)

    References
    ----------
    Saltelli et al. (2010), Variance based sensitivity analysis of model output, Computer Physics Communications 181,
    259-270. doi:10.1016/j.cpc.2009.09.018
    """
    bootstrap.need_draws(n_boot, level)
    flat, axes = _flat(values, outputs)
    k = len(names)
    step = 2 * k + 2 if second_order else k + 2
    n, rest = divmod(len(flat), step)
    if k < 1 or rest or n < 2:
        raise SchemaError(
            f"{len(flat)} runs do not fit {k} parameters {'with' if second_order else 'without'} second order; "
            f"expected a multiple of {step}. Give all runs of sobol_cases in order, and second_order as it was there."
        )
    mean, spread = flat.mean(axis=0), flat.std(axis=0)
    is_constant = np.ptp(flat, axis=0) <= _ROUNDING * np.abs(flat).max(axis=0)
    y = (flat - mean) / np.where(is_constant, 1.0, spread)
    scheme = np.ascontiguousarray(y.reshape(n, step, -1).swapaxes(0, 1))
    is_constant |= np.var(scheme[[0, -1]], axis=(0, 1)) <= np.finfo(np.float64).eps
    again = np.random.default_rng(seed).integers(n, size=(n, n_boot))
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # the matrices are flat: threads would mostly wait for one another
        found = _sobol_found(scheme, k, bootstrap.multiplicities(again.T, n) / n, is_constant, level)
    found |= {"mean": ((), mean), "variance": ((), spread**2)}
    made = _dataset(
        found,
        axes,
        names,
        {"n": n, "runs": len(flat), "n_boot": n_boot, "level": level, "seed": seed, "method": "Sobol"},
    )
    return made.assign(is_constant=(tuple(axes), is_constant.reshape([len(labels) for labels in axes.values()])))


def _sobol_found(
    scheme: _Array, k: int, weight: _Array, is_constant: npt.NDArray[np.bool_], level: float
) -> dict[str, tuple[tuple[str, ...], _Array]]:
    """Return indices of outputs by name, from outputs by matrix (A, A with one of B, B with one of A, B) and point."""
    a, ab, b = scheme[0], scheme[1 : k + 1], scheme[-1]
    variance = np.var(np.concatenate([a, b]), axis=0)
    variances = weight @ ((a * a + b * b) / 2) - (weight @ ((a + b) / 2)) ** 2

    def index(product: _Array) -> tuple[_Array, _Array]:
        """Return the mean of a product of outputs over their variance, and of every resample."""
        return _ratio(product.mean(axis=0), variance), _ratio(weight @ product, variances)

    def told(estimate: _Array, drawn: _Array) -> tuple[_Array, ...]:
        low, high = bootstrap.interval(drawn, level=level)
        return tuple(np.where(is_constant, np.nan, v) for v in (estimate, low, high, drawn.std(axis=0, ddof=1)))

    first = [index(b * (ab[j] - a)) for j in range(k)]
    total = [index((a - ab[j]) ** 2 / 2) for j in range(k)]
    by_one: tuple[str, ...] = ("parameter",)
    parts = [("s1", by_one, np.stack([told(*f) for f in first], axis=1))]
    parts.append(("st", by_one, np.stack([told(*t) for t in total], axis=1)))
    if len(scheme) > k + 2:
        ba, ends = scheme[k + 1 : 2 * k + 1], a * b
        pairs = np.full((4, k, k, scheme.shape[2]), np.nan)
        for i in range(k):
            for j in range(i + 1, k):
                closed = index(ba[i] * ab[j] - ends)
                alone = (closed[0] - first[i][0] - first[j][0], closed[1] - first[i][1] - first[j][1])
                pairs[:, i, j] = pairs[:, j, i] = told(*alone)
        parts.append(("s2", (*by_one, "other"), pairs))
    return {
        name + suffix: (dims, values[i])
        for name, dims, values in parts
        for i, suffix in enumerate(("", "_low", "_high", "_se"))
    }


def _ratio(above: _Array, below: _Array) -> _Array:
    """Divide where there is a variance; where there is none, nothing is explained."""
    eps = np.finfo(np.float64).eps
    return np.divide(above, below, out=np.zeros_like(above), where=below > eps)


def sobol(
    model: Model,
    parameters: Parameters,
    n: int,
    *,
    outputs: Mapping[str, Sequence[Any]] | None = None,
    second_order: bool = True,
    n_boot: int = RESAMPLES,
    level: float = LEVEL,
    seed: int,
    client: Client | None = None,
) -> xr.Dataset:
    """Run a model as Sobol's method needs it and return the indices of all its outputs.

    Parameters
    ----------
    model
        Takes a dict of arrays by parameter, one entry a run; returns an array with the runs along its first axis. It is
        called with up to 1,024 runs at once.
    parameters, n, second_order
        As in :func:`sobol_cases`.
    outputs, n_boot, level
        As in :func:`sobol_indices`.
    seed
        Of the scrambling and of the bootstrap.
    client
        From :func:`citylab.scale.connect`; default: here. Results are the same.

    Returns
    -------
    xarray.Dataset
        As :func:`sobol_indices` returns it.

    Raises
    ------
    RangeError, SchemaError, DataError
        As :func:`sobol_cases`, :func:`sobol_indices` and :func:`citylab.scale.map_draws` say.

    Examples
    --------
    Which matters more for tonnes saved by solar roofs, their area or the grid's factor?

    >>> def saved(p):
    ...     kt = p["area_km2"] * 150 * p["grid_kgco2_kwh"]  # 150 kWh a square metre and year
    ...     return np.stack([kt, 2 * kt], axis=1)
    >>> found = sobol(
    ...     saved, {"area_km2": (1, 5), "grid_kgco2_kwh": (0.4, 0.6)}, 256, outputs={"year": [2030, 2035]}, seed=1
    ... )
    >>> found["st"].sel(year=2030).idxmax("parameter").item()
    'area_km2'
    """
    bootstrap.need_draws(n_boot, level)
    cases = sobol_cases(parameters, n, second_order=second_order, seed=seed)
    values = _evaluated(model, cases, cases.columns, client)
    return sobol_indices(
        values, cases.columns, outputs=outputs, second_order=second_order, n_boot=n_boot, level=level, seed=seed
    )


# Morris --------------------------------------------------------------------------------------------------------------


def morris_cases(parameters: Parameters, n: int, *, levels: int = _LEVELS, seed: int) -> pl.DataFrame:
    """Return the runs of Morris's method: walks that change one parameter at a time.

    Parameters
    ----------
    parameters
        As in :func:`sobol_cases`. A normal or lognormal must be cut by ``low`` and ``high``: walks go to the ends.
    n
        Walks, at least 2; ten to fifty are usual. Runs are n · (k + 1) for k parameters.
    levels
        Steps of the grid, even.
    seed
        Of the walks.

    Returns
    -------
    polars.DataFrame
        One row a run: ``trajectory`` (number of the walk), ``changed`` (the parameter that differs from the row before,
        null at a start), ``step_share`` (by how much, as a share of its distribution), and one column a parameter.

    Raises
    ------
    RangeError
        Fewer than two walks, an odd number of levels, or a parameter without ends.
    SchemaError
        A parameter without a name, or named like one of the columns above.

    Examples
    --------
    >>> cases = morris_cases({"a": (0, 3), "b": (0, 3)}, 2, seed=1)
    >>> cases.columns, cases.height
    (['trajectory', 'changed', 'step_share', 'a', 'b'], 6)

    References
    ----------
    Morris (1991), Factorial sampling plans for preliminary computational experiments, Technometrics 33, 161-174.
    doi:10.1080/00401706.1991.10484804. Sampling by SALib, doi:10.18174/sesmo.18155
    """
    priors = _priors(parameters)
    if n < 2:
        raise RangeError(f"n is {n}; a spread of effects needs at least 2 walks, and ten or more tell something.")
    if levels < 2 or levels % 2:
        raise RangeError(f"levels is {levels}; Morris's grid has an even number of levels, usually {_LEVELS}.")
    if taken := set(_MORRIS_COLUMNS) & set(priors):
        raise SchemaError(f"A parameter cannot be called {taken.pop()!r}; the table of walks uses that name.")
    from SALib.sample import morris as sampler

    unit = sampler.sample(_problem(list(priors)), n, num_levels=levels, seed=seed)
    steps = np.diff(unit.reshape(n, len(priors) + 1, -1), axis=1)
    which = np.abs(steps).argmax(axis=2)
    size = np.take_along_axis(steps, which[:, :, None], axis=2)[:, :, 0]
    names = np.array(list(priors), dtype=object)
    start = np.full((n, 1), None, dtype=object)
    walks = pl.DataFrame(
        {
            "trajectory": np.repeat(np.arange(n, dtype=np.uint32), len(priors) + 1),
            "changed": pl.Series(np.concatenate([start, names[which]], axis=1).ravel().tolist(), dtype=pl.String),
            "step_share": pl.Series(np.concatenate([start, size], axis=1).ravel().tolist(), dtype=pl.Float64),
        }
    )
    return walks.hstack(_table(unit, priors))


def morris_effects(
    values: Any,
    cases: pl.DataFrame,
    *,
    outputs: Mapping[str, Sequence[Any]] | None = None,
    n_boot: int = RESAMPLES,
    level: float = LEVEL,
    seed: int,
) -> xr.Dataset:
    """Return Morris's elementary effects of all outputs from the runs of :func:`morris_cases`.

    An elementary effect is the change of an output over the step of one parameter, in units of the output per whole
    range of the parameter (from the lowest to the highest share of its distribution).

    Parameters
    ----------
    values
        Outputs, runs along the first axis in the order of ``cases``; any further axes.
    cases
        The table of :func:`morris_cases`.
    outputs, n_boot, level, seed
        As in :func:`sobol_indices`; the bootstrap draws whole walks.

    Returns
    -------
    xarray.Dataset
        By ``parameter`` and the outputs' axes [unit of the output]: ``mu`` (mean effect), ``mu_star`` (mean size of the
        effect: how much a parameter matters), both with ``_low``, ``_high`` and ``_se``, and ``sigma`` (spread of the
        effect: interaction or curvature).

    Raises
    ------
    SchemaError
        The table is not one of walks, or values do not fit it.
    DataError
        Values that are no finite numbers; too few resamples for the level.

    Examples
    --------
    >>> cases = morris_cases({"a": (0, 1), "b": (0, 1)}, 10, seed=1)
    >>> found = morris_effects((3 * cases["a"] - cases["b"]).to_numpy(), cases, seed=1)
    >>> found["mu"].round(6).values.tolist(), found["mu_star"].round(6).values.tolist()
    ([3.0, -1.0], [3.0, 1.0])

    References
    ----------
    Campolongo, Cariboni and Saltelli (2007), An effective screening design for sensitivity analysis of large models,
    Environmental Modelling & Software 22, 1509-1518. doi:10.1016/j.envsoft.2006.10.004
    """
    bootstrap.need_draws(n_boot, level)
    need_columns(cases.lazy(), _MORRIS_COLUMNS, what="morris_effects")
    names = [name for name in cases.columns if name not in _MORRIS_COLUMNS]
    flat, axes = _flat(values, outputs)
    k = len(names)
    n, rest = divmod(cases.height, k + 1)
    changed = cases["changed"].to_numpy().reshape(-1, k + 1)[:, 1:] if not rest and n else np.empty((0, k))
    position = {name: j for j, name in enumerate(names)}
    which = np.array([[position.get(c, -1) for c in row] for row in changed], dtype=np.int64).reshape(-1, k)
    if len(flat) != cases.height or rest or n < 2 or (np.sort(which, axis=1) != np.arange(k)).any():
        raise SchemaError(
            f"{len(flat)} runs and {cases.height} cases of {k} parameters are not whole walks; give the table of "
            f"morris_cases as it is, and one value a row ({k + 1} rows a walk, at least 2 walks)."
        )
    step = cases["step_share"].to_numpy().reshape(n, k + 1)[:, 1:, None]
    walked = np.diff(flat.reshape(n, k + 1, -1), axis=1) / step
    effects = np.take_along_axis(walked, np.argsort(which, axis=1)[:, :, None], axis=1).swapaxes(0, 1)
    again = np.random.default_rng(seed).integers(n, size=(n_boot, n))
    weight = bootstrap.multiplicities(again, n) / n
    found: dict[str, tuple[tuple[str, ...], _Array]] = {}
    for name, effect in (("mu", effects), ("mu_star", np.abs(effects))):
        drawn = np.stack([weight @ one for one in effect], axis=1)
        low, high = bootstrap.interval(drawn, level=level)
        for suffix, part in zip(
            ("", "_low", "_high", "_se"), (effect.mean(axis=1), low, high, drawn.std(axis=0, ddof=1)), strict=True
        ):
            found[name + suffix] = (("parameter",), part)
    found["sigma"] = (("parameter",), effects.std(axis=1, ddof=1))
    told = {"n": n, "runs": len(flat), "n_boot": n_boot, "level": level, "seed": seed, "method": "Morris"}
    return _dataset(found, axes, names, told)


def morris(
    model: Model,
    parameters: Parameters,
    n: int,
    *,
    levels: int = _LEVELS,
    outputs: Mapping[str, Sequence[Any]] | None = None,
    n_boot: int = RESAMPLES,
    level: float = LEVEL,
    seed: int,
    client: Client | None = None,
) -> xr.Dataset:
    """Run a model on Morris's walks and return the elementary effects of all its outputs.

    A few hundred runs rank many parameters; :func:`sobol` then says how much the leading ones explain.

    Parameters
    ----------
    model, client
        As in :func:`sobol`.
    parameters, n, levels
        As in :func:`morris_cases`.
    outputs, n_boot, level
        As in :func:`morris_effects`.
    seed
        Of the walks and of the bootstrap.

    Returns
    -------
    xarray.Dataset
        As :func:`morris_effects` returns it.

    Raises
    ------
    RangeError, SchemaError, DataError
        As :func:`morris_cases`, :func:`morris_effects` and :func:`citylab.scale.map_draws` say.

    Examples
    --------
    >>> found = morris(lambda p: p["a"] * p["b"], {"a": (0, 1), "b": (0, 1), "idle": (0, 1)}, 20, seed=1)
    >>> float(found["mu_star"].sel(parameter="idle"))
    0.0
    """
    bootstrap.need_draws(n_boot, level)
    cases = morris_cases(parameters, n, levels=levels, seed=seed)
    names = [name for name in cases.columns if name not in _MORRIS_COLUMNS]
    values = _evaluated(model, cases, names, client)
    return morris_effects(values, cases, outputs=outputs, n_boot=n_boot, level=level, seed=seed)


# Options over futures ------------------------------------------------------------------------------------------------

Better = Literal["lower", "higher"]
_SIGNS = {"<=": "less", ">=": "more"}


def _futures(frame: pl.LazyFrame, columns: Sequence[str], option: str, future: str, what: str) -> pl.DataFrame:
    """Return rows of every option in every future, sorted; refuse a table in which one is missing or there twice."""
    schema = need_columns(frame, [option, future, *columns], what=what)
    need_numbers(schema, columns, what=what)
    table = frame.select(option, future, *columns).sort(option, future).collect()
    if not table.height:
        raise DataError(f"{what} got no rows; give one row for every option in every future.")
    for name in (option, future):
        if nameless := table[name].null_count():
            raise DataError(f"{what}: {nameless} rows have no {name!r}. Name every option and every future.")
    twice = table.group_by(option, future).len().filter(pl.col("len") > 1).sort(option, future)
    if twice.height:
        raise DataError(
            f"Option {twice[0, 0]!r} stands {twice[0, 2]} times in future {twice[0, 1]!r}; expected one row."
        )
    options, futures = table[option].n_unique(), table[future].n_unique()
    if table.height != options * futures:
        every = table.select(pl.col(option).unique()).join(table.select(pl.col(future).unique()), how="cross")
        lost = every.join(table, on=[option, future], how="anti").sort(option, future)
        raise DataError(
            f"{lost.height} of {options * futures} rows are missing (first: option {lost[0, option]!r} in future "
            f"{lost[0, future]!r}). Options are compared in the same futures; run them all, or leave that future out."
        )
    for name in columns:
        bad = table.filter(pl.col(name).is_null() | ~pl.col(name).cast(pl.Float64).is_finite())
        if bad.height:
            raise DataError(
                f"{name} is {bad[0, name]} for option {bad[0, option]!r} in future {bad[0, future]!r} ({bad.height} "
                "rows in all); expected finite numbers. A run that failed is no future: leave it out for all options."
            )
    return table


def _wilson(count: Any, of: int, level: float) -> tuple[Any, Any]:
    from statsmodels.stats.proportion import proportion_confint

    return proportion_confint(count, of, alpha=1 - level, method="wilson")


def _need_level(level: float) -> None:
    if not 0 < level < 1:
        raise RangeError(f"level is {level}; a level lies between 0 and 1, for example {LEVEL}.")


def regret(
    table: Frame,
    *,
    value: str,
    better: Better,
    option: str = "option_id",
    future: str = "future_id",
    quantile: float = 0.9,
    level: float = LEVEL,
) -> Frame:
    """Return how much each option may be regretted: what it falls short of the best option of the same future.

    Parameters
    ----------
    table
        One row an option and future, every option in every future.
    value
        The column by which options are judged.
    better
        Whether ``"lower"`` or ``"higher"`` values are better.
    option, future
        The columns that name options and futures.
    quantile
        Share of futures that the quantile regret covers.
    level
        Level of the intervals.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row an option, least maximal regret first: ``n_futures``; ``regret_mean``; ``regret_quantile`` with ``_low``
        and ``_high``; ``regret_max`` [unit of ``value``]; ``max_covers_share``: with confidence ``level`` at least this
        share of all futures brings no more regret than the maximum that was seen; ``best_share`` of futures in which
        the option is the best or as good, with ``_low`` and ``_high``; ``quantile``, ``level``.

    Raises
    ------
    SchemaError
        A column is missing or holds no numbers.
    DataError
        An option is missing in a future or there twice, or a value is no finite number.
    RangeError
        A quantile or level that cannot be.

    Notes
    -----
    Intervals are over futures and hold if futures were drawn independently of one another. That of the quantile is made
    of order statistics and supposes no distribution; ``regret_quantile_high`` is null where futures are too few for
    an upper bound (36 for a quantile of 0.9 at 95 %). The maximum has no upper bound at all, it grows with the number
    of futures; ``max_covers_share`` says how far it reaches (Wilks 1941). Adding or dropping options changes regret.

    Examples
    --------
    >>> table = pl.DataFrame({
    ...     "option_id": ["pv", "pv", "pump", "pump"], "future_id": ["cheap", "dear"] * 2,
    ...     "cny_t": [100, 400, 150, 200],
    ... })
    >>> regret(table, value="cny_t", better="lower").select("option_id", "regret_max", "best_share").rows()
    [('pump', 50.0, 0.5), ('pv', 200.0, 0.5)]

    References
    ----------
    Savage (1951), The theory of statistical decision, Journal of the American Statistical Association 46, 55-67.
    doi:10.1080/01621459.1951.10500768. Wilks (1941), Annals of Mathematical Statistics 12, 91-96.
    doi:10.1214/aoms/1177731788
    """
    from scipy.stats import binom

    frame, back = lazily(table)
    if better not in get_args(Better):
        raise suggest(str(better), get_args(Better), what="direction", see="better='lower' or better='higher'")
    _need_level(level)
    if not 0 < quantile < 1:
        raise RangeError(f"quantile is {quantile}; a share of futures lies between 0 and 1, for example 0.9.")
    rows = _futures(frame, [value], option, future, "regret")
    options = rows[option].unique(maintain_order=True)
    worth = rows[value].cast(pl.Float64).to_numpy().reshape(len(options), -1)
    if better == "higher":
        worth = -worth
    short = worth - worth.min(axis=0)
    n = short.shape[1]
    ordered = np.sort(short, axis=1)
    tail = (1 - level) / 2
    rank_low, rank_high = (int(binom.ppf(p, n, quantile)) for p in (tail, 1 - tail))
    best = (short == 0).sum(axis=1)
    best_low, best_high = _wilson(best, n, level)
    found = pl.DataFrame(
        {
            option: options,
            "n_futures": pl.Series([n] * len(options), dtype=pl.UInt32),
            "regret_mean": short.mean(axis=1),
            "regret_quantile": np.quantile(short, quantile, axis=1, method="inverted_cdf"),
            # Nothing is regretted by less than 0
            "regret_quantile_low": ordered[:, rank_low - 1] if rank_low else np.zeros(len(options)),
            "regret_quantile_high": pl.Series(
                ordered[:, rank_high].tolist() if rank_high < n else [None] * len(options), dtype=pl.Float64
            ),
            "regret_max": ordered[:, -1],
            "max_covers_share": np.full(len(options), (1 - level) ** (1 / n)),
            "best_share": best / n,
            "best_share_low": best_low,
            "best_share_high": best_high,
            "quantile": np.full(len(options), quantile),
            "level": np.full(len(options), level),
        }
    )
    return back(found.sort("regret_max", option).lazy())


def satisficing(
    table: Frame,
    thresholds: Mapping[str, tuple[str, float]],
    *,
    option: str = "option_id",
    future: str = "future_id",
    level: float = LEVEL,
) -> Frame:
    """Return in which share of futures each option meets all thresholds (Starr's domain criterion).

    Parameters
    ----------
    table
        One row an option and future, every option in every future.
    thresholds
        Columns with what they must be: ``{"co2_saved_t": (">=", 500_000), "budget_cny": ("<=", 5e9)}``.
    option, future
        The columns that name options and futures.
    level
        Level of the interval.

    Returns
    -------
    polars.DataFrame or polars.LazyFrame
        One row an option, the most often satisfying first: ``n_futures``, ``met_count``, ``met_share`` with ``_low``
        and ``_high`` (Wilson's interval, futures independent of one another), for each threshold
        ``<column>_met_share``, and ``level``.

    Raises
    ------
    SchemaError
        No threshold, a comparison other than ``<=`` and ``>=``, or a column that is missing or holds no numbers.
    DataError
        An option is missing in a future or there twice, or a value is no finite number.

    Examples
    --------
    >>> table = pl.DataFrame({
    ...     "option_id": ["pv", "pv", "pump", "pump"], "future_id": ["cheap", "dear"] * 2,
    ...     "cny_t": [100, 400, 150, 200],
    ... })
    >>> satisficing(table, {"cny_t": ("<=", 200)}).select("option_id", "met_share").rows()
    [('pump', 1.0), ('pv', 0.5)]

    References
    ----------
    Starr (1962), Product design and decision theory, Prentice-Hall (from memory). Wilson (1927), Journal of the
    American Statistical Association 22, 209-212. doi:10.1080/01621459.1927.10502953
    """
    frame, back = lazily(table)
    _need_level(level)
    if not thresholds:
        raise SchemaError("No thresholds were given; name at least one, {'co2_saved_t': ('>=', 500_000)}.")
    tests: dict[str, pl.Expr] = {}
    for name, told in thresholds.items():
        try:
            sign, bound = told
        except (TypeError, ValueError):
            sign, bound = "", None
        if sign not in _SIGNS or not isinstance(bound, Real) or not np.isfinite(bound):
            raise SchemaError(f"The threshold of {name} is {told!r}; expected ('<=', number) or ('>=', number).")
        tests[name] = pl.col(name) <= bound if sign == "<=" else pl.col(name) >= bound
    rows = _futures(frame, list(tests), option, future, "satisficing")
    found = rows.group_by(option, maintain_order=True).agg(
        pl.len().alias("n_futures"),
        pl.all_horizontal(*tests.values()).sum().alias("met_count"),
        *(test.mean().alias(f"{name}_met_share") for name, test in tests.items()),
    )
    low, high = _wilson(found["met_count"].to_numpy(), int(found["n_futures"][0]), level)
    found = found.select(
        option,
        "n_futures",
        "met_count",
        met_share=pl.col("met_count") / pl.col("n_futures"),
        met_share_low=pl.Series(low),
        met_share_high=pl.Series(high),
        **{f"{name}_met_share": pl.col(f"{name}_met_share") for name in tests},
        level=pl.lit(level),
    )
    return back(found.sort("met_share", option, descending=[True, False]).lazy())


# How much is enough --------------------------------------------------------------------------------------------------

_GRID = 9
"""Values at which a search looks first: enough to see a bend, few enough to wait for."""
_TOLERANCE = 1e-3
"""Width to which a value is narrowed down, as a share of the range that is searched."""
_COUNT_ROUNDING = 1e-9
"""Share times number may exceed a whole number by this much."""
_NOISE = 3.0
"""Standard errors of a paired difference up to which a step back counts as noise."""

Reach = Literal["at least", "at most"]
Holds = Literal["from", "up to", "always", "never"]


@dataclass(frozen=True, slots=True)
class Threshold:
    """How much is enough.

    Attributes
    ----------
    value
        Where the mean over the draws meets the target [unit of the lever]; None if it does not within the bounds.
    low, high
        Interval over the draws: the target is met in (1 - level) / 2 of the draws at one end of it and in all but that
        share of them at the other. None where that share is not met within the bounds. An end that lies on a bound of
        the search may lie beyond it.
    error
        Standard error of ``value`` that comes from the finite number of draws; None without a value inside the bounds.
    holds
        ``"from"`` the value upwards, ``"up to"`` the value, ``"always"`` or ``"never"`` within the bounds.
    met_share
        Share of the draws that meet the target at ``value``; if there is none, at the better bound.
    target, reach, level, n_draws
        As they were given.
    curve
        What was run, one row a value: ``value``, ``mean``, ``mean_se``, ``met_share``, in rising order.
    """

    value: float | None
    low: float | None
    high: float | None
    error: float | None
    holds: Holds
    met_share: float
    target: float
    reach: Reach
    level: float
    n_draws: int
    curve: pl.DataFrame


def threshold(
    function: Callable[[float, int, int], Any],
    target: float,
    *,
    low: float,
    high: float,
    n_draws: int,
    reach: Reach = "at least",
    tolerance: float = _TOLERANCE,
    level: float = LEVEL,
    block: int = scale.BLOCK_DRAWS,
    client: Client | None = None,
) -> Threshold:
    """Return how much of a lever it takes until the mean over the draws meets a target.

    All values are tried on the same draws, so that the mean is a smooth function of the value and not a noisy one.

    Parameters
    ----------
    function
        Takes a value and the numbers of the first draw and of the one after the last; returns one outcome a draw. Its
        random numbers must go by draw number (:func:`citylab.stats.draws.draws`).
    target
        What the outcome shall reach [unit of the outcome].
    low, high
        Bounds of the search [unit of the lever].
    n_draws
        Draws per value; for an interval of 95 % at least 40.
    reach
        ``"at least"`` or ``"at most"`` the target.
    tolerance
        How far the value is narrowed down, as a share of ``high - low``.
    level
        Level of the interval.
    block, client
        As in :func:`citylab.scale.map_draws`.

    Returns
    -------
    Threshold
        Value, interval over the draws, error, and the curve that was run; ``holds`` says on which side the target is
        met, or that it is met nowhere within the bounds.

    Raises
    ------
    RangeError
        Bounds out of order, too few draws for the level, or a tolerance that cannot be.
    RefusalError
        The mean goes up and down between the bounds, or the share of draws that meet the target does: then there is
        no single threshold.
    DataError
        The function does not return one finite number a draw.

    Examples
    --------
    How many GW of PV for 500,000 t a year, if a GW yields 900 to 1,300 GWh and the grid emits 0.5 t a MWh?

    >>> from citylab.stats.draws import draws
    >>> def saved_t(pv_gw, start, stop):
    ...     return pv_gw * 500 * draws(7, "pv_yield_gwh_gw", start, stop, low=900, high=1300)
    >>> found = threshold(saved_t, 500_000, low=0, high=4, n_draws=1000)
    >>> found.holds, round(found.value, 2), round(found.low, 2), round(found.high, 2)
    ('from', 0.91, 0.78, 1.1)
    """
    if reach not in get_args(Reach):
        raise suggest(str(reach), get_args(Reach), what="reach", see="reach='at least' or reach='at most'")
    _need_level(level)
    if not (np.isfinite([low, high, target]).all() and low < high):
        raise RangeError(f"low is {low}, high {high}, target {target}: give finite numbers, low below high.")
    if not 0 < tolerance < 1:
        raise RangeError(f"tolerance is {tolerance}; give a share of the range, for example {_TOLERANCE}.")
    tail = (1 - level) / 2
    if n_draws * tail < 1 - _COUNT_ROUNDING:
        raise RangeError(
            f"{n_draws} draws are too few for an interval of {100 * level:g}%; take at least {np.ceil(1 / tail):.0f}."
        )
    tried = _Tried(function, float(target), reach, n_draws, block, client)
    grid = np.linspace(low, high, _GRID)
    rises = _direction([tried(x) for x in grid], grid, "mean", size=abs(target))
    # On a line on which more of the target is met the further one goes
    met_at_high = rises is None or rises == (reach == "at least")
    line = grid if met_at_high else grid[::-1]
    grows = _direction([tried.meets(x) for x in line], line, "share of draws that meet the target", size=1.0)
    mean_meets = [tried.mean_meets(x) for x in line]
    if grows is False or sorted(mean_meets) != mean_meets:
        raise RefusalError(
            f"The mean {'rises' if rises else 'falls'} over {low:g} to {high:g}, but the target is met where it should "
            "not be: there is no single threshold. Look at the draws, take more of them, or narrow low and high."
        )
    step = tolerance * (high - low)
    value = _first(line, lambda x: tried.mean_meets(x), step)
    # Counted in draws, so that rounding of a share does not ask for one more
    needed = [int(np.ceil(share * n_draws - _COUNT_ROUNDING)) for share in (tail, 1 - tail)]
    ends = [_first(line, lambda x, count=count: tried.meets(x).sum() >= count, step) for count in needed]  # type: ignore[misc]
    least, most = ends if met_at_high else ends[::-1]
    holds: Holds = "from" if met_at_high else "up to"
    error = None
    if value is None:
        holds = "never"
    elif value == line[0]:
        holds = "always"
    else:
        value, error = tried.refined(value)
    return Threshold(
        value=value,
        low=least,
        high=most,
        error=error,
        holds=holds,
        met_share=tried.met_share(line[-1] if value is None else value),
        target=float(target),
        reach=reach,
        level=level,
        n_draws=n_draws,
        curve=tried.curve(),
    )


class _Tried:
    """Outcomes by value; what was run once is remembered."""

    def __init__(
        self,
        function: Callable[[float, int, int], Any],
        target: float,
        reach: Reach,
        n_draws: int,
        block: int,
        client: Client | None,
    ) -> None:
        self.function, self.target, self.reach = function, target, reach
        self.n_draws, self.block, self.client = n_draws, block, client
        self.known: dict[float, _Array] = {}

    def __call__(self, value: float) -> _Array:
        value = float(value)
        if value not in self.known:
            function = self.function
            outcome = scale.map_draws(
                lambda start, stop: function(value, start, stop), self.n_draws, block=self.block, client=self.client
            )
            if isinstance(outcome, Mapping) or np.ndim(outcome) != 1 or not np.isfinite(outcome).all():
                shape = "several arrays" if isinstance(outcome, Mapping) else f"shape {np.shape(outcome)}"
                raise DataError(
                    f"The function returned {shape} for value {value:g}; expected one finite number a draw. Pick the "
                    "one outcome that the target is about."
                )
            self.known[value] = np.asarray(outcome, dtype=np.float64)
        return self.known[value]

    def meets(self, value: float) -> _Array:
        outcome = self(value)
        return np.asarray(outcome >= self.target if self.reach == "at least" else outcome <= self.target, dtype=float)

    def met_share(self, value: float) -> float:
        return float(self.meets(value).mean())

    def mean_meets(self, value: float) -> bool:
        mean = float(self(value).mean())
        return mean >= self.target if self.reach == "at least" else mean <= self.target

    def refined(self, value: float) -> tuple[float, float]:
        """Return where a line through the two means next to the target meets it, and that value's standard error."""
        known = np.array(sorted(self.known))
        means = np.array([self.known[x].mean() for x in known])
        turns = np.flatnonzero(np.diff([self.mean_meets(x) for x in known]))
        i = int(turns[np.abs(known[turns] - value).argmin()])
        slope = (means[i + 1] - means[i]) / (known[i + 1] - known[i])
        at = float(known[i] + (self.target - means[i]) / slope)
        return at, float(self(at).std(ddof=1) / np.sqrt(self.n_draws) / abs(slope))

    def curve(self) -> pl.DataFrame:
        values = sorted(self.known)
        return pl.DataFrame(
            {
                "value": values,
                "mean": [float(self.known[x].mean()) for x in values],
                "mean_se": [float(self.known[x].std(ddof=1) / np.sqrt(self.n_draws)) for x in values],
                "met_share": [self.met_share(x) for x in values],
            }
        )


def _direction(series: Sequence[_Array], values: _Array, what: str, *, size: float) -> bool | None:
    """Return whether the means of a series rise (True), fall (False) or stay (None); refuse those that do both."""
    size = max(size, *(float(np.abs(y).max()) for y in series))
    signs = []
    for before, after in itertools.pairwise(series):
        change = after - before
        noise = _NOISE * change.std(ddof=1) / np.sqrt(len(change)) + _ROUNDING * size
        mean = change.mean()
        signs.append(0 if abs(mean) <= noise else int(np.sign(mean)))
    if 1 in signs and -1 in signs:
        up, down = signs.index(1), signs.index(-1)
        raise RefusalError(
            f"The {what} rises from {values[up]:g} to {values[up + 1]:g} and falls from {values[down]:g} to "
            f"{values[down + 1]:g}: there is no single threshold. Give low and high on one side of the turn."
        )
    return True if 1 in signs else False if -1 in signs else None


def _first(line: _Array, holds: Callable[[float], bool], step: float) -> float | None:
    """Return the first value along a line at which something holds, to within ``step``; None if it never does."""
    at = next((i for i, x in enumerate(line) if holds(x)), None)
    if at is None or at == 0:
        return None if at is None else float(line[0])
    short, enough = float(line[at - 1]), float(line[at])
    while abs(enough - short) > step:
        middle = (short + enough) / 2
        short, enough = (short, middle) if holds(middle) else (middle, enough)
    return enough
