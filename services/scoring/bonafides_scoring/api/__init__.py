"""The HTTP side of scoring: answers about wallets as JSON, and the borrower's page."""
