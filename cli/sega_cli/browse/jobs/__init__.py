"""Jobs: what pages order and one process works on."""
