"""The pages: one module each, with its templates beside it."""
