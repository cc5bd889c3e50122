"""How near the synthetic market comes to the real one, in four marginals of its liquidations.

`bonafides lab marginals` puts each beside the same number from real Aave V2 events. What counts as near is stated in
`bounds`, which was committed before the first comparison was run, and is not moved to fit one.
"""
