"""Studies: SEGA's properties measured on a model, from planned runs to a reproducible report."""
