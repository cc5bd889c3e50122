"""`make demo`: the main job, end to end, on real parts, and then the lender who believes none of it."""
