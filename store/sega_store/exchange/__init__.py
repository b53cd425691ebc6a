"""What goes from one library to another, and out to other tools."""
