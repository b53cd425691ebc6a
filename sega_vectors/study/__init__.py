"""Studies: SEGA's properties measured on a model, from planned runs to a report that can be made again."""
