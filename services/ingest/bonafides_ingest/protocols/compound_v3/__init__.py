"""Compound V3 (Comet)."""
