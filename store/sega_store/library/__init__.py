"""The library and its catalogue."""
