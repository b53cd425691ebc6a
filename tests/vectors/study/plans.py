"""Small plans for the study's tests."""

from typing import Any

from sega_vectors.study.plan import Plan

SMALL: dict[str, Any] = {
    "concepts": ("glasses", "beard"),
    "styles": ("a photograph of", "a pencil drawing of"),
    "subjects": ("a man", "a woman"),
    "seeds": (1, 2, 3, 4),
    "arguments": {"num_inference_steps": 2, "guidance_scale": 4.0},
    "edit": {"edit_guidance_scale": 10.0, "edit_threshold": 0.8, "edit_warmup_steps": 0},
    "apply_scale": 15.0,
    "tried": 4,
    "few": 2,
    "few_concepts": 1,
    "swaps": (("beard", "glasses"),),
}


def small_plan(**changes: Any) -> Plan:
    """Two concepts, styles and subjects, four noises and two steps."""
    return Plan(**{**SMALL, **changes})
