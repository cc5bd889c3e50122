"""Fakes that pass the same suite as the real thing. Only tests import this package."""
