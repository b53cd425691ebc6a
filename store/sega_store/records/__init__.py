"""The values that a library keeps, valid by construction."""
