"""Real liquidations: predict them from what was known before, and measure how well, beside one line of recency."""
