"""The pages that show a library in the browser."""
