"""Lending protocols, a folder each, and what they share: the logs of one transaction to normalised events. Pure."""
