"""Where a vector comes from, and whether it belongs to a run."""
