"""Whether what was read is what the chain's receipts show."""
