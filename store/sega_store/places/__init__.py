"""Where a library's files are: a folder or a bucket."""
