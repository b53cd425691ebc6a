"""Pictures and HTML, of plain texts, bytes and numbers."""
