"""`sega-vec browse`: look at a library in the browser."""
