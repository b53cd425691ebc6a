"""What vectors and noises show when compared: similarity, the space of noises."""
