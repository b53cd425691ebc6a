"""The file format: vectors and noises as bytes."""
