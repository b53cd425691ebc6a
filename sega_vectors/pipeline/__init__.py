"""What touches a stock diffusers pipeline."""
