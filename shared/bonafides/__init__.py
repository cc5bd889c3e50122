"""Bonafides: credit scores for DeFi wallets that a lender can verify instead of trust."""

__version__ = "0.1.0"
