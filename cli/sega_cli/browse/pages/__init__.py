"""The pages, a module each, with its templates beside it."""
