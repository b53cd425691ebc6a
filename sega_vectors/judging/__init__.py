"""Whether pictures show a concept, and how often."""
