"""How a recording asks for the concepts' predictions, and keeps what they give."""
