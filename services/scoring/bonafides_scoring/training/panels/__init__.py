"""Panels: who owed something at a cut-off, what was known then, and what happened after."""
