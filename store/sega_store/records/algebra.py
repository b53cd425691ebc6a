"""Vector algebra: sums, differences, multiples and absolute values of guidance vectors.

Applying `v + w` is the same as applying `[v, w]`, since both add the sum of the m_t; so the operands must agree in all
that isn't linear or that a vector has only one of. Each is taken at its own `edit_threshold` first, and the sum keeps
all of its entries: its thresholds are 0. Multiples keep their thresholds, since scaling moves no entry across a
quantile. Entries that cancel are dropped: `v - v` is empty. Results carry the provenance of their first operand, with
`derived_from`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sega_store.errors import IncompatibleError, InvalidInputError
from sega_store.records import rules
from sega_store.records.dtypes import Array, narrow, widen
from sega_store.records.edit_parameters import OF_CONCEPT, OF_RUN
from sega_store.records.provenance import NoiseFacts
from sega_store.records.support import Support, spread

if TYPE_CHECKING:  # vector.py offers this module's functions as operators
    from sega_store.records.vector import GuidanceVector

_SHARED = [parameter.name for parameter in OF_CONCEPT if "threshold" not in parameter.name]


def add(first: GuidanceVector, second: GuidanceVector, sign: int) -> GuidanceVector:
    """first + sign * second for a sign of 1 or -1, in float32; of the operands' dtype if they share it, else float32.

    Raises:
        IncompatibleError: The operands differ in shape, steps, initial noise, prediction type or an edit parameter;
            the message names it.
    """
    _check_alike(first, second)
    operands = [v.thresholded(v.concept.edit_threshold) for v in (first, second)]
    dtype = first.dtype if first.dtype == second.dtype else "float32"
    bits, values = [], []
    for blocks in zip(*(v.blocks() for v in operands), strict=True):
        total = _rounded(spread(*blocks[0]) + np.float32(sign) * spread(*blocks[1]), dtype)
        kept = widen(total, dtype) != 0
        bits.append(np.packbits(kept))
        values.append(total[kept])
    support: Any = Support(first.shape, np.concatenate(bits))
    text = f"{first.concept.text} {'+' if sign > 0 else '-'} {_term(second, bare_sum=sign > 0)}"
    return type(first)(
        replace(first.concept, text=text, edit_threshold=0.0, keep_threshold=0.0),
        support,
        np.concatenate(values),
        dtype,
        first.timesteps,
        first.sigmas,
        replace(first.provenance, derived_from=(first.content, second.content)),
    )


def multiply(vector: GuidanceVector, scale: float) -> GuidanceVector:
    """scale * vector, rounded to its dtype; 0 gives the empty vector.

    Raises:
        InvalidInputError: The scale isn't finite, or a value overflows the dtype.
    """
    factor = rules.finite("A vector's multiplier", float(scale))
    with np.errstate(over="ignore", under="ignore"):
        return _derived(vector, _wide(vector) * np.float32(factor), f"{factor:g} * {_term(vector)}")


def divide(vector: GuidanceVector, divisor: float) -> GuidanceVector:
    """vector / divisor, rounded to its dtype.

    Raises:
        InvalidInputError: The divisor is 0 or not finite, or a value overflows the dtype.
    """
    number = np.float32(rules.finite("A vector's divisor", float(divisor)))
    if not number:
        raise InvalidInputError(f"A vector's divisor must not be 0, met {divisor}. Multiply by 0 for the empty vector.")
    with np.errstate(over="ignore", under="ignore"):
        return _derived(vector, _wide(vector) / number, f"{_term(vector)} / {number:g}")


def absolute(vector: GuidanceVector) -> GuidanceVector:
    """|vector|, exactly: how strongly it guides where, whatever the direction."""
    return _derived(vector, np.abs(_wide(vector)), f"abs({vector.concept.text})")


def negate(vector: GuidanceVector) -> GuidanceVector:
    """-vector, exactly: the concept in the reversed direction."""
    return _derived(vector, -_wide(vector), f"-{_term(vector)}")


def moved(vector: GuidanceVector, noise: NoiseFacts) -> GuidanceVector:
    """The same numbers as if they belonged to another initial noise: what a control or placebo applies there."""
    return replace(
        vector, provenance=replace(vector.provenance, noise=noise, derived_from=(vector.content,)), preview=None
    )


def _wide(vector: GuidanceVector) -> Array:
    """The kept values as float32."""
    return widen(vector.values, vector.dtype)


def _derived(vector: GuidanceVector, values: Array, text: str) -> GuidanceVector:
    """The vector with other values, float32, at the same places."""
    return replace(
        vector,
        concept=replace(vector.concept, text=text),
        values=_rounded(values, vector.dtype),
        provenance=replace(vector.provenance, derived_from=(vector.content,)),
        preview=None,
    )


def _rounded(values: Array, dtype: str) -> Array:
    rounded = narrow(values, dtype)
    if not np.isfinite(widen(rounded, dtype)).all():
        raise InvalidInputError(f"The result is too large for {dtype}. Scale less, or set edit_guidance_scale instead.")
    return rounded


def _term(vector: GuidanceVector, bare_sum: bool = False) -> str:
    """The concept's text as an operand, in parentheses where they are needed."""
    text = vector.concept.text
    is_sum = " + " in text or " - " in text
    return f"({text})" if (is_sum and not bare_sum) or text.startswith("-") else text


def _check_alike(first: GuidanceVector, second: GuidanceVector) -> None:
    pairs = {
        "shape": (first.shape, second.shape),
        "timesteps": (first.timesteps.tolist(), second.timesteps.tolist()),
        "sigmas": (first.sigmas.tolist(), second.sigmas.tolist()),
        "initial noise": (first.provenance.noise.sha256, second.provenance.noise.sha256),
        "prediction_type": (first.provenance.scheduler.prediction_type, second.provenance.scheduler.prediction_type),
    }
    pairs |= {name: (getattr(first.concept, name), getattr(second.concept, name)) for name in _SHARED}
    for name in (parameter.name for parameter in OF_RUN):
        pairs[name] = (getattr(first.provenance.run, name), getattr(second.provenance.run, name))
    for name, (one, other) in pairs.items():
        if one != other:
            raise IncompatibleError(
                f"Vectors can be added only if they share their {name}: {_term(first)!r} has {_brief(one)}, "
                f"{_term(second)!r} has {_brief(other)}. Apply them together instead: Applier(pipe, [v, w])."
            )


def _brief(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"
