"""What the commands that run a model share."""
