"""The dense guidance γ of one vector, as the list `sem_guidance` of diffusers' `SemanticStableDiffusionPipeline`.

    γ_t     = ± g s_e m_t + s_m ν_t                                                                     (13, 15)
    ν_{t+1} = β_m ν_t + (1 - β_m) γ_t,  ν_0 = 0                                                             (14)

With the parameters of the recording, for the vector alone: before the warm-up ends γ_t is left out, though momentum
builds up; after the cool-down m_t is.

References:
    SEGA: Instructing Text-to-Image Models using Semantic Guidance, Brack et al., arXiv 2301.12247
"""

import numpy as np

from sega_store.records.dtypes import Array
from sega_store.records.support import BLOCK
from sega_store.records.vector import GuidanceVector


@np.errstate(over="ignore", invalid="ignore")  # a huge scale ends in infinities, as it does in a run
def sem_guidance(vector: GuidanceVector) -> Array:
    """γ_t of every step, shape (T, 1, C, *S); `list` of it is what the pipeline takes, one tensor a step.

    Raises:
        InvalidInputError: A threshold of the concept can't be applied to the vector.
    """
    concept, run = vector.concept, vector.provenance.run
    guidance = vector.thresholded(concept.edit_threshold).dense()  # m_t, which each step's γ_t takes the place of
    scale = np.float32(concept.edit_weight * concept.edit_guidance_scale)
    scale = -scale if concept.reverse_editing_direction else scale
    cooldown = len(guidance) if concept.edit_cooldown_steps is None else concept.edit_cooldown_steps
    s_m, β_m = np.float32(run.edit_momentum_scale), np.float32(run.edit_mom_beta)

    by_step = guidance.reshape(len(guidance), -1)
    for start in range(0, by_step.shape[1], BLOCK):
        places = by_step[:, start : start + BLOCK]
        momentum = np.zeros_like(places[0])
        for step, m in enumerate(places):
            γ = (scale * m if step < cooldown else 0 * m) + s_m * momentum
            momentum = β_m * momentum + (1 - β_m) * γ
            places[step] = γ if step >= concept.warmup else 0
    return guidance[:, np.newaxis]
