"""Latents: their space, how pipelines pack them, and the initial noise they start from."""
