"""From one kind of prediction to another, in the same latent space.

A sample is z = α x_0 + σ ε. At a given z, a change Δε of the predicted noise is the same as these changes of what other
models predict, with r = σ / α the ratio of noise to signal::

    epsilon           ε                 Δε
    v_prediction      v = α ε - σ x_0   Δε = α Δv,        α = 1 / sqrt(1 + r^2)  (variance-preserving)
    flow_prediction   v = ε - x_0       Δε = (1 - σ) Δv,  1 - σ = 1 / (1 + r)
    sample            x_0               Δε = -Δx_0 / r

References:
    v: Salimans and Ho, Progressive Distillation for Fast Sampling of Diffusion Models, arXiv 2202.00512.
    Flow matching with z = (1 - σ) x_0 + σ ε: Esser et al., arXiv 2403.03206.
"""

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


def conversion(recorded: str, target: str, ratios: FloatArray) -> FloatArray:
    """What guidance is multiplied by, step by step, to act on another kind of prediction.

    Args:
        recorded: The prediction type that the guidance was recorded with.
        target: The prediction type that it is to act on.
        ratios: r where the guidance was recorded, positive, one a step.

    Returns:
        Factors, one a step.
    """
    factors: FloatArray = _noise_per_prediction(recorded, ratios) / _noise_per_prediction(target, ratios)
    return factors


def _noise_per_prediction(prediction_type: str, ratios: FloatArray) -> FloatArray:
    """Δε for a change by 1 of the prediction."""
    factors: dict[str, FloatArray] = {
        "epsilon": np.ones_like(ratios),
        "v_prediction": 1 / np.sqrt(1 + ratios**2),
        "flow_prediction": 1 / (1 + ratios),
        "sample": -1 / ratios,
    }
    return factors[prediction_type]
