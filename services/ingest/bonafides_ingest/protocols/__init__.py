"""Lending protocols, one file each: the logs of one transaction to normalised events. Pure."""
