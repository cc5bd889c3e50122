"""Logs that could not be read: what they are, and reading them again with a decoder that was mended."""
