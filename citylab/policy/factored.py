"""Arrays of draws by cells kept as sums of products, so that a lever's formula costs draws, not draws times cells.

What levers do to people is linear in amounts: a draw's coefficient times an amount times a mask of cells. Such an array
is held as coefficients (draws, 1) on vectors of cells. Sums over cells then need the sums of the vectors only, which
are known beforehand. Whatever does not fit (a power, a comparison) becomes an ordinary array and stays right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from citylab.errors import SchemaError

Array = np.ndarray
Key = tuple[str, ...]

ONE: Key = ()
"""Key of the vector of ones."""
MAX_TERMS = 64
"""Most terms that a product may have before it becomes an ordinary array."""
MAX_VECTORS = 512
"""Vectors kept; beyond it they are forgotten and made again."""
_MASK, _INVERSE = "?", "/"


class Space:
    """The vectors of cells that arrays share, and their sums.

    Parameters
    ----------
    amounts
        Vectors by name, shape (cells,).
    weights
        Replicate weights, shape (replicates, cells): sums then have one value a replicate.
    members
        Gives the groups of cells, zeros and ones of shape (cells, groups); default: one group of all.

    Examples
    --------
    >>> space = Space({"car_km": np.array([100.0, 0.0, 50.0])})
    >>> km = space.array("car_km") * np.array([[1.0], [2.0]])
    >>> km.total().tolist(), (km * np.array([[True, False, False]])).total().tolist()
    ([[150.0], [300.0]], [[100.0], [200.0]])
    """

    def __init__(
        self,
        amounts: Mapping[str, Array],
        weights: Array | None = None,
        members: Callable[[], Array] | None = None,
    ) -> None:
        self.base = {name: np.asarray(v, dtype=float) for name, v in amounts.items()}
        self.size = next(iter(self.base.values())).size
        self.weights = weights
        self._members = members
        self._factors: dict[str, Array] = {}
        self._vectors: dict[Key, Array] = {}
        self._sums: dict[Key, Array] = {}
        self._group_sums: dict[Key, Array] = {}

    @cached_property
    def members(self) -> Array:
        """Which cells belong to which group, shape (cells, groups)."""
        return np.ones((self.size, 1)) if self._members is None else self._members()

    def array(self, name: str, coefficient: Array | float = 1.0) -> Factored:
        """Return an amount times a coefficient of shape (draws, 1)."""
        return Factored(self, {(name,): np.asarray(coefficient, dtype=float).reshape(-1, 1)})

    def constant(self, coefficient: Array | float) -> Factored:
        """Return the same value for every cell."""
        return Factored(self, {ONE: np.asarray(coefficient, dtype=float).reshape(-1, 1)})

    def named(self, values: Array) -> str:
        """Return the name of a vector of any values; equal values have one name."""
        flat = np.ascontiguousarray(values).reshape(-1)
        head = _MASK if flat.dtype == bool else "#"
        name = head + hashlib.blake2b(flat.tobytes(), digest_size=12).hexdigest()
        if name not in self._factors:
            self._factors[name] = flat.astype(float)
        return name

    def vector(self, key: Key) -> Array:
        """Return the product of the vectors that a key names, shape (cells,)."""
        found = self._vectors.get(key)
        if found is None:
            # The first factor is no product yet, so that a vector of one name is not copied
            names = sorted(key, key=lambda name: name[0] == _INVERSE)
            begun = bool(names) and names[0][0] != _INVERSE
            found = self._one(names.pop(0)) if begun else np.ones(self.size)
            for name in names:
                found = found / self._one(name[1:]) if name[0] == _INVERSE else found * self._one(name)
            if len(self._vectors) >= MAX_VECTORS:
                self._vectors.clear()
                self._sums.clear()
                self._group_sums.clear()
            self._vectors[key] = found
        return found

    def _one(self, name: str) -> Array:
        return self.base[name] if name in self.base else self._factors[name]

    def sum(self, key: Key) -> Array:
        """Return the sum of a vector over cells, shape (1, 1) or (replicates, 1)."""
        found = self._sums.get(key)
        if found is None:
            found = self.weigh(self.vector(key)[None, :])
            self._sums[key] = found
        return found

    def by_group(self, amount: Any) -> Array:
        """Return the sums over the cells of each group, shape (draws or replicates or 1, groups)."""
        if isinstance(amount, Factored):
            found = np.zeros((1, self.members.shape[1]))
            for key, coefficient in amount.terms.items():
                sums = self._group_sums.get(key)
                if sums is None:
                    sums = self.by_group(self.vector(key)[None, :])
                    self._group_sums[key] = sums
                found = found + coefficient * sums
            return found if amount.rest is None else found + self.by_group(amount.rest)
        if self.weights is None:
            return amount @ self.members
        if amount.shape[0] == 1:
            return self.weights @ (amount.T * self.members)
        return (self.weights * amount) @ self.members

    def weigh(self, amount: Array) -> Array:
        """Return the sum over cells of an ordinary array (draws or 1, cells)."""
        if self.weights is None:
            return amount.sum(axis=1, keepdims=True)
        if amount.shape[0] == 1:
            return self.weights @ amount.T
        return (self.weights * amount).sum(axis=1, keepdims=True)


def product(a: Key, b: Key) -> Key:
    """Return the key of a product; a name and its inverse cancel, a mask counts once.

    Examples
    --------
    >>> product(("car_km", "?a"), ("/car_km", "?a"))
    ('?a',)
    """
    names = list(a)
    for name in b:
        opposite = name[1:] if name[0] == _INVERSE else _INVERSE + name
        if opposite in names:
            names.remove(opposite)
        elif not (name[0] == _MASK and name in names):
            names.append(name)
    return tuple(sorted(names))


class Factored(NDArrayOperatorsMixin):
    """An array (draws, cells) held as coefficients on vectors of cells, with an ordinary rest.

    It takes part in NumPy's arithmetic like an array. Sum it with :meth:`total`; see all of it with :meth:`dense`.
    """

    __slots__ = ("rest", "space", "terms")
    ndim = 2

    def __init__(self, space: Space, terms: Mapping[Key, Array], rest: Array | None = None) -> None:
        self.space = space
        self.terms = dict(terms)
        self.rest = rest

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array that it stands for."""
        rows = max((c.shape[0] for c in self.terms.values()), default=1)
        return max(rows, 1 if self.rest is None else self.rest.shape[0]), self.space.size

    def dense(self) -> Array:
        """Return the ordinary array, shape (draws or 1, cells)."""
        rows = self.shape[0]
        if rows == 1:
            return self.into(np.empty(self.shape))
        found = None if self.rest is None else np.broadcast_to(self.rest, self.shape)
        if self.terms:
            left = np.concatenate([np.broadcast_to(c, (rows, 1)) for c in self.terms.values()], axis=1)
            made = left @ np.stack([self.space.vector(k) for k in self.terms])
            found = made if found is None else made + found
        return np.zeros(self.shape) if found is None else found

    def into(self, out: Array) -> Array:
        """Write the ordinary array of one draw into ``out``, shape (1, cells), and return it."""
        fresh = self.rest is None
        if self.rest is not None:
            out[...] = self.rest
        elif not self.terms:
            out[...] = 0.0
        for key, coefficient in self.terms.items():
            # The vector of ones and a coefficient of nothing need no product
            if not key or not coefficient.any():
                part: Array | float = coefficient[0, 0]
            elif fresh:
                np.multiply(self.space.vector(key), coefficient, out=out)
                fresh = False
                continue
            else:
                part = self.space.vector(key) * coefficient
            if fresh:
                out[...] = part
            else:
                out += part
            fresh = False
        return out

    def middle(self) -> Factored:
        """Return the mean over draws, an array of one row."""
        rest = None if self.rest is None else self.rest.mean(axis=0, keepdims=True)
        return Factored(self.space, {k: c.mean(axis=0, keepdims=True) for k, c in self.terms.items()}, rest)

    def total(self) -> Array:
        """Return the sum over cells, shape (draws or replicates or 1, 1)."""
        found: Array = np.zeros((1, 1))
        for key, coefficient in self.terms.items():
            found = found + coefficient * self.space.sum(key)
        return found if self.rest is None else found + self.space.weigh(self.rest)

    def sum(self, axis: int = 1, keepdims: bool = True) -> Array:
        """Return :meth:`total`, so that ``.sum(axis=1, keepdims=True)`` is right too."""
        if axis not in (1, -1) or not keepdims:
            raise SchemaError("An array of draws by cells is summed over cells: axis=1, keepdims=True.")
        return self.total()

    def clip(self, low: Any, high: Any, **_: Any) -> Any:
        """Return the array held within bounds, as ``np.clip`` asks."""
        return np.minimum(np.maximum(self, low), high)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return self.dense() if dtype is None else self.dense().astype(dtype)

    def __repr__(self) -> str:
        return f"Factored{self.shape} of {len(self.terms)} terms"

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if method == "__call__" and not kwargs:
            rule = _RULES.get(ufunc)
            if rule is not None:
                found = rule(self.space, *inputs)
                if found is not None:
                    return found
        plain = [x.dense() if isinstance(x, Factored) else np.asarray(x) for x in inputs]
        return getattr(ufunc, method)(*plain, **kwargs)


def _kind(space: Space, x: Any) -> str:
    """Say what an operand is: factored, one value a draw, one value a cell, or both."""
    if isinstance(x, Factored):
        return "factored"
    shape = np.shape(x)
    if len(shape) == 0 or shape == (1,) or (len(shape) == 2 and shape[1] == 1):
        return "draw"
    return "cell" if shape in ((space.size,), (1, space.size)) else "both"


def _column(x: Any) -> Array:
    return np.asarray(x, dtype=float).reshape(-1, 1)


def _factor(space: Space, x: Any) -> Factored | None:
    """Return an operand as a factored array, or None if it is one value a draw and cell."""
    kind = _kind(space, x)
    if kind == "factored":
        return x
    if kind == "draw":
        return Factored(space, {ONE: _column(x)})
    if kind == "cell":
        return Factored(space, {(space.named(np.asarray(x)),): np.ones((1, 1))})
    return None


def _multiply(space: Space, a: Any, b: Any) -> Factored | None:
    if not isinstance(a, Factored):
        a, b = b, a
    if isinstance(b, Factored) and not isinstance(a, Factored):
        a, b = b, a
    if _kind(space, b) == "draw":
        column = _column(b)
        rest = None if a.rest is None else a.rest * column
        return Factored(space, {k: c * column for k, c in a.terms.items()}, rest)
    other = _factor(space, b)
    if other is None or other.rest is not None or len(a.terms) * len(other.terms) > MAX_TERMS:
        return None
    rest = None if a.rest is None else a.rest * other.dense()
    found: dict[Key, Array] = {}
    for key, coefficient in a.terms.items():
        for key_b, coefficient_b in other.terms.items():
            joint = product(key, key_b)
            made = coefficient * coefficient_b
            found[joint] = found[joint] + made if joint in found else made
    return Factored(space, found, rest)


def _add(space: Space, a: Any, b: Any, sign: float = 1.0) -> Factored | None:
    left, right = _factor(space, a), _factor(space, b)
    if left is None:
        left = Factored(space, {}, np.asarray(a, dtype=float))
    if right is None:
        right = Factored(space, {}, np.asarray(b, dtype=float))
    found = dict(left.terms)
    for key, coefficient in right.terms.items():
        found[key] = found[key] + sign * coefficient if key in found else sign * coefficient
    rest = left.rest
    if right.rest is not None:
        rest = sign * right.rest if rest is None else rest + sign * right.rest
    return Factored(space, found, rest)


def _subtract(space: Space, a: Any, b: Any) -> Factored | None:
    return _add(space, a, b, -1.0)


def _negative(space: Space, a: Factored) -> Factored:
    return Factored(space, {k: -c for k, c in a.terms.items()}, None if a.rest is None else -a.rest)


def _positive(space: Space, a: Factored) -> Factored:
    return a


def _divide(space: Space, a: Any, b: Any) -> Factored | None:
    if _kind(space, b) == "draw":
        return _multiply(space, a, 1.0 / _column(b))
    below = _factor(space, b)
    above = _factor(space, a)
    if below is None or above is None or below.rest is not None or len(below.terms) != 1:
        return None
    (key, coefficient), *_ = below.terms.items()
    inverse = tuple(name[1:] if name[0] == _INVERSE else _INVERSE + name for name in key)
    joint = [product(k, inverse) for k in above.terms]
    # What cancels needs no division; the rest must not divide by nothing
    divided = {name[1:] for k in joint for name in k if name[0] == _INVERSE}
    if above.rest is not None or any((space._one(name) == 0).any() for name in divided):
        return None
    return Factored(space, {k: c / coefficient for k, c in zip(joint, above.terms.values(), strict=True)})


def _bounded(space: Space, a: Any, b: Any, *, keep: Callable[[Array, Array], Any]) -> Any:
    """Return whichever operand is the answer everywhere, or None: a guard that does not bind costs no form."""
    x = a.dense() if isinstance(a, Factored) else np.asarray(a)
    y = b.dense() if isinstance(b, Factored) else np.asarray(b)
    if isinstance(a, Factored) and keep(x, y).all():
        return a
    if isinstance(b, Factored) and keep(y, x).all():
        return b
    return None


def _maximum(space: Space, a: Any, b: Any) -> Any:
    return _bounded(space, a, b, keep=np.greater_equal)


def _minimum(space: Space, a: Any, b: Any) -> Any:
    return _bounded(space, a, b, keep=np.less_equal)


_RULES: Mapping[np.ufunc, Callable[..., Any]] = {
    np.multiply: _multiply,
    np.add: _add,
    np.subtract: _subtract,
    np.negative: _negative,
    np.positive: _positive,
    np.true_divide: _divide,
    np.maximum: _maximum,
    np.minimum: _minimum,
}


class Cells(np.ndarray):
    """What the persons of cells share, an array (1, cells): with one value a draw it makes a :class:`Factored`.

    Comparisons and arithmetic among cells give plain values a cell again; ``np.where`` of a mask of cells and values a
    draw is a sum of two terms.
    """

    space: Space

    @classmethod
    def of(cls, values: Array, space: Space) -> Cells:
        """Return an array (1, cells) that belongs to a space."""
        found = np.asarray(values).view(cls)
        found.space = space
        return found

    def __array_finalize__(self, source: Any) -> None:
        self.space = getattr(source, "space", None)  # type: ignore[assignment]

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        if any(isinstance(x, Factored) for x in inputs):
            return NotImplemented
        if method == "__call__" and not kwargs and ufunc in _RULES and ufunc not in (np.maximum, np.minimum):
            draws = [x for x in inputs if np.ndim(x) == 2 and np.shape(x)[0] > 1]
            if draws and self.shape == (1, self.space.size):
                found = _RULES[ufunc](
                    self.space, *[_factor(self.space, x) if isinstance(x, Cells) else x for x in inputs]
                )
                if found is not None:
                    return found
        plain = [np.asarray(x) if isinstance(x, Cells) else x for x in inputs]
        made = getattr(ufunc, method)(*plain, **kwargs)
        return Cells.of(made, self.space) if np.shape(made) == (1, self.space.size) else made

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if func is np.where and len(args) == 3 and not kwargs:
            found = _where(self.space, *args)
            if found is not None:
                return found
        if func is np.select and len(args) == 2 and not kwargs:
            chosen: Any = np.zeros((1, 1))
            for mask, value in zip(reversed(args[0]), reversed(args[1]), strict=True):
                chosen = None if chosen is None else _where(self.space, mask, value, chosen)
            if chosen is not None:
                return chosen
        plain = [_plain(x) for x in args]
        return func(*plain, **{k: _plain(v) for k, v in kwargs.items()})


def _plain(x: Any) -> Any:
    """Return ordinary arrays in place of ours, inside lists too."""
    if isinstance(x, list | tuple):
        return type(x)(_plain(v) for v in x)
    return np.asarray(x) if isinstance(x, Cells | Factored) else x


def _where(space: Space, mask: Any, a: Any, b: Any) -> Factored | None:
    """Return a choice by a mask of cells between two operands that fit."""
    if _kind(space, mask) != "cell" or np.asarray(mask).dtype != bool:
        return None
    left, right = _factor(space, a), _factor(space, b)
    if left is None or right is None:
        return None
    inside = np.asarray(mask)
    first, second = _multiply(space, left, inside), _multiply(space, right, ~inside)
    return None if first is None or second is None else _add(space, first, second)
