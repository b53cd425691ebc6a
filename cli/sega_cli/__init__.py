"""The `sega-vec` command: record guidance vectors, keep them in a library, apply them to other prompts."""
