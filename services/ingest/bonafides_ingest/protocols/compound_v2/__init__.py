"""Compound V2."""
