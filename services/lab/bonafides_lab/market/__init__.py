"""A lending market that is synthetic in its people and real in its contracts.

Aave V3's own bytecode runs on anvil (for the demo and the tests) or in this process (for training at scale), by the
same code. `play` and `simulate` are the two ways in; `marginals` holds what came out against real liquidations.

A market to train on is `bonafides lab simulate --borrowers 3000 --days 900` or larger: one to three minutes on one core
that is free. `--prices model`, the default, needs no file and is calibrated to real daily prices. Change nothing in
people, habits, prices or conditions without simulating the training market again: a seed names its bytes only together
with this code.
"""
