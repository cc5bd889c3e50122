"""A lending market that is synthetic in its people and real in its contracts.

Aave V3's own bytecode runs on anvil (for the demo and the tests) or in this process (for training at scale), by the
same code. `play` and `simulate` are the two ways in.
"""
