"""Aave V3 and its forks, by version of the Pool."""
