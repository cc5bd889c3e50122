"""The borrower's page: words, drawings and templates."""
