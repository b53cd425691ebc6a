"""A guidance vector: the sparse ψ of one concept over all the steps of one run, with its provenance.

It holds m_t, the entries of ψ_t that pass the threshold, unscaled and before momentum, so that scale, sign, weight,
warm-up, cool-down, momentum and any stricter threshold are chosen when it is applied.

References:
    SEGA: Instructing Text-to-Image Models using Semantic Guidance, Brack et al., arXiv 2301.12247
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Real
from typing import SupportsFloat, cast

import numpy as np
from numpy.typing import DTypeLike

from sega_store.errors import InvalidInputError
from sega_store.records import algebra, content_hash, rules
from sega_store.records.concept import Concept
from sega_store.records.dtypes import Array, check_dtype, read_only, widen
from sega_store.records.edit_parameters import BY_NAME
from sega_store.records.preview import Preview
from sega_store.records.provenance import Provenance, recipe
from sega_store.records.quantile import reaches_quantile
from sega_store.records.support import BLOCK, Support, steps_last


@dataclass(frozen=True, eq=False)
class GuidanceVector:
    """The sparse m_t of equation (6); equal to another when its content is.

    Attributes:
        concept: The concept with the edit parameters of the recording.
        support: Where m_t isn't zero, bool, shape (T, C, *S) with at least one spatial dimension. T counts the calls
            of `scheduler.step`. Held as bits: each access makes the array anew, `packed` and `blocks` do without it.
        values: m_t there, shape (nnz,), in the order (C, *S, T), that is with the step running fastest; float32,
            float16, or uint16 that holds bfloat16 bits. Finite. Entries that are exactly zero are dropped, here and
            from the support.
        dtype: `float32`, `float16` or `bfloat16`.
        timesteps: The timestep of each step, float64, shape (T,).
        sigmas: The noise level of each step, float64, shape (T,): σ/α, infinite where no signal is left; for
            `flow_prediction` σ itself, the share of noise.
        provenance: Where it comes from.
        preview: Pictures before and after, if any; no part of its identity.

    All arrays are read-only copies; `support` is a view in which the step runs fastest. `v + w`, `v - w`, `-v`,
    `s * v`, `v / s`, `abs(v)`, `sum([v, w])`: see `sega_store.records.algebra`. `np.asarray(v)` is `v.dense()`.

    Raises:
        InvalidInputError: A rule is broken.
    """

    concept: Concept
    support: Array
    values: Array
    dtype: str
    timesteps: Array
    sigmas: Array
    provenance: Provenance
    preview: Preview | None = None

    __array_ufunc__ = None  # np.float32(2) * vector is this class's business

    def __post_init__(self) -> None:
        steps, values = self.shape[0], self.values
        rules.instance("concept", self.concept, Concept, "pass Concept('glasses')")
        rules.instance("provenance", self.provenance, Provenance, "take that of a recorded vector")
        for name in ("values", "timesteps", "sigmas"):
            rules.instance(name, getattr(self, name), np.ndarray, "convert it first")
        check_dtype("values", values, self.dtype)
        if values.shape != (count := self.packed.count,):
            raise InvalidInputError(
                f"values must be one for each of the {count} true entries of support, met shape {values.shape}."
            )
        kept = np.empty(count, np.bool_)
        for start in range(0, count, BLOCK):
            part = widen(values[start : start + BLOCK], self.dtype)
            if not np.isfinite(part).all():
                raise InvalidInputError("values must be finite, met NaN or an infinity: the recorded run overflowed.")
            kept[start : start + BLOCK] = part != 0
        if not kept.all():
            object.__setattr__(self, "support", self.packed.keeping(kept))
            values = values[kept]
        for name, array in (("timesteps", self.timesteps), ("sigmas", self.sigmas)):
            if array.dtype != np.float64 or array.shape != (steps,):
                raise InvalidInputError(
                    f"{name} must be float64 of shape ({steps},), met {array.dtype} of {array.shape}."
                )
        if not np.isfinite(self.timesteps).all() or not (self.sigmas >= 0).all():
            raise InvalidInputError("timesteps must be finite and sigmas at least 0; NaN is neither.")
        object.__setattr__(self, "concept", self.concept.in_run(steps))
        for name, array in (("values", values), ("timesteps", self.timesteps), ("sigmas", self.sigmas)):
            object.__setattr__(self, name, read_only(array))

    @classmethod
    def from_dense(
        cls,
        concept: Concept,
        dense: Array,
        timesteps: Array,
        sigmas: Array,
        provenance: Provenance,
        dtype: str | None = None,
        preview: Preview | None = None,
    ) -> "GuidanceVector":
        """The vector of a dense m; the other arguments are as the attributes.

        Args:
            dense: m_t of all steps, zero where nothing is kept, shape (T, C, *S).
            dtype: None means the array's own.
        """
        dtype = str(dense.dtype) if dtype is None else dtype
        check_dtype("dense", dense, dtype)
        if dense.ndim < 3:
            raise InvalidInputError(f"dense must have the shape (T, C, *S), met {dense.shape}.")
        support = widen(dense, dtype) != 0  # NaN is not 0: it reaches the check for finite values
        values = steps_last(dense)[steps_last(support)]
        return cls(concept, support, values, dtype, timesteps, sigmas, provenance, preview)

    def dense(self) -> Array:
        """m_t of all steps as float32, zero where nothing is kept, shape (T, C, *S)."""
        dense = np.zeros(self.shape, np.float32)
        by_place, first = dense.reshape(self.shape[0], -1).T, 0
        for kept, values in self.blocks():
            by_place[first : first + len(kept)][kept] = values
            first += len(kept)
        return dense

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """m_t in parts of about a million entries, so that work on any vector takes little memory.

        Yields:
            Where the next P of the C·∏S places have entries, bool, shape (P, T), and m_t there, float32, in that order.
        """
        start = 0
        for kept in self.packed.blocks():
            end = start + int(np.count_nonzero(kept))
            yield kept, widen(self.values[start:end], self.dtype)
            start = end

    @property
    def packed(self) -> Support:
        """The support, as it is held."""
        return cast(Support, self.__dict__["_packed"])

    @property
    def shape(self) -> tuple[int, ...]:
        """(T, C, *S)."""
        return self.packed.shape

    @property
    def nnz(self) -> int:
        """The number of kept entries."""
        return self.values.size

    @cached_property
    def content(self) -> str:
        """The hash of the arrays; see `sega_store.records.content_hash`."""
        return content_hash.content(self.packed, self.values, self.dtype, self.timesteps, self.sigmas)

    @cached_property
    def recipe(self) -> str:
        """The hash of what was asked for; see `sega_store.records.provenance.recipe`."""
        return recipe(self.concept, self.provenance)

    @property
    def id(self) -> str:
        """`recipe.content`, its name in a library."""
        return f"{self.recipe}.{self.content}"

    def counts(self) -> Array:
        """The number of kept entries in each step."""
        counts = np.zeros(self.shape[0], np.int64)
        for kept in self.packed.blocks():
            counts += kept.sum(axis=0)
        return counts

    def energy(self) -> Array:
        """The L2 norm of m_t in each step, unscaled."""
        squares = np.zeros(self.shape[0])
        for kept, values in self.blocks():
            step = np.flatnonzero(kept) % len(squares)
            squares += np.bincount(step, weights=values.astype(np.float64) ** 2, minlength=len(squares))
        return np.sqrt(squares)

    def with_preview(self, preview: Preview | None) -> "GuidanceVector":
        """The same vector with other pictures; its identity stays."""
        return replace(self, preview=preview)

    def thresholded(self, edit_threshold: float) -> "GuidanceVector":
        """The same vector at a stricter λ: exactly `|m| >= quantile_λ(|ψ|)` in each step and channel.

        Args:
            edit_threshold: λ from the concept's `keep_threshold` up to below 1.

        Raises:
            InvalidInputError: λ is looser than the recording, which lacks the entries in between.
        """
        concept = replace(self.concept, edit_threshold=edit_threshold, keep_threshold=edit_threshold)
        place, values = self.kept(concept.edit_threshold)
        if concept == self.concept:
            return self
        support = np.zeros(self.shape[1:] + self.shape[:1], np.bool_)
        support.reshape(-1)[place] = True
        return replace(
            self,
            concept=concept,
            support=np.moveaxis(support, -1, 0),
            values=values,
            provenance=replace(self.provenance, derived_from=(self.content,)),
            preview=None,
        )

    def kept(self, edit_threshold: float) -> tuple[Array, Array]:
        """The entries at a stricter λ: exactly those with `|m| >= quantile_λ(|ψ|)` in their step and channel.

        Args:
            edit_threshold: λ from the concept's `keep_threshold` up to below 1.

        Returns:
            Their flat places in the order of the file, (C, *S, T), ascending, int64, shape (n,); and their values, as
            `values` holds them, shape (n,).

        Raises:
            InvalidInputError: λ is looser than the recording, which lacks the entries in between.
        """
        edit_threshold = BY_NAME["edit_threshold"].check(edit_threshold)
        keep = self.concept.keep_threshold
        if edit_threshold < keep:
            raise InvalidInputError(
                f"edit_threshold {edit_threshold} is looser than the recording of {self.concept.text!r}, made with "
                f"keep_threshold {keep}. Take {keep} or more, or record again with a looser keep_threshold."
            )
        place = self.packed.places()
        if edit_threshold == keep:
            return place, self.values
        steps, channels, *space = self.shape
        size = math.prod(space) * steps
        reached = np.empty(self.nnz, np.bool_)
        span = max(1, BLOCK // size)  # some channels at a time, which takes less memory
        for first in range(0, channels, span):
            part = slice(*np.searchsorted(place, [first * size, (first + span) * size]))
            channel, at = np.divmod(place[part] - first * size, size)
            magnitude = np.abs(widen(self.values[part], self.dtype))
            row = channel * steps + at % steps
            reached[part] = reaches_quantile(magnitude, row, span * steps, size // steps, edit_threshold)
        return place[reached], self.values[reached]

    def __add__(self, other: "GuidanceVector") -> "GuidanceVector":
        return algebra.add(self, other, 1) if isinstance(other, GuidanceVector) else NotImplemented

    def __sub__(self, other: "GuidanceVector") -> "GuidanceVector":
        return algebra.add(self, other, -1) if isinstance(other, GuidanceVector) else NotImplemented

    def __mul__(self, scale: SupportsFloat) -> "GuidanceVector":
        return algebra.multiply(self, float(scale)) if isinstance(scale, Real) else NotImplemented

    __rmul__ = __mul__

    def __truediv__(self, divisor: SupportsFloat) -> "GuidanceVector":
        return algebra.divide(self, float(divisor)) if isinstance(divisor, Real) else NotImplemented

    def __radd__(self, other: object) -> "GuidanceVector":
        """The vector itself for 0, which `sum` starts with."""
        return self if isinstance(other, int) and other == 0 else NotImplemented

    def __abs__(self) -> "GuidanceVector":
        return algebra.absolute(self)

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> Array:
        """What numpy takes it for: `dense()`."""
        if copy is False:
            raise ValueError("a dense array of a sparse vector is always a new one: leave copy=False out")
        return self.dense().astype(dtype or np.float32, copy=False)

    def __neg__(self) -> "GuidanceVector":
        return algebra.negate(self)

    def __eq__(self, other: object) -> bool:
        return self.content == other.content if isinstance(other, GuidanceVector) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.content)

    def _repr_html_(self) -> str:
        """What a notebook shows of it."""
        from sega_store.records.vector_html import vector_html

        return vector_html(self)

    def __repr__(self) -> str:
        return f"<GuidanceVector {self.concept.text!r} {self.shape} {self.dtype}, {self.nnz} entries, {self.id[:12]}>"


class _AsBits:
    """The field `support`: it is held as bits, and may be given so."""

    def __get__(self, vector: GuidanceVector, owner: type | None = None) -> Array:
        return vector.packed.array()

    def __set__(self, vector: GuidanceVector, support: Array | Support) -> None:
        vector.__dict__["_packed"] = support if isinstance(support, Support) else Support.of(support)


GuidanceVector.support = _AsBits()  # type: ignore[assignment]  # here, where it is no default of the dataclass
