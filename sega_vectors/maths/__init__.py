"""The mathematics of semantic guidance, on tensors alone."""
