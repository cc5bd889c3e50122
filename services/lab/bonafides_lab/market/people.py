"""Who is in a market: its borrowers by kind, and everybody beside them."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bonafides.errors import InvalidInput
from bonafides.types import Address

from bonafides_lab.market.borrowers import make_borrower
from bonafides_lab.market.habits import Borrower, Kind
from bonafides_lab.market.run import BIG_LENDERS, LIQUIDATORS
from bonafides_lab.market.schemers import LARGEST_CLUSTER, SMALLEST_CLUSTER, make_cluster
from bonafides_lab.market.tempers import richer, with_temper
from bonafides_lab.market.wallets import borrower_role, companion_role, wallet_of

MIX: Mapping[Kind, float] = {
    Kind.CAREFUL: 0.14,
    Kind.STEADY_REPAYER: 0.11,
    Kind.GAMBLER: 0.10,
    Kind.LOOPER: 0.10,
    Kind.DORMANT: 0.08,
    Kind.STABLE_FARMER: 0.10,
    Kind.NEWCOMER: 0.05,
    Kind.LENDER: 0.03,
    Kind.REPAID_ALL: 0.02,
    Kind.LEAVER: 0.03,
    Kind.HELPED: 0.01,
    Kind.MOVER: 0.01,
    Kind.DELEGATOR: 0.01,
    Kind.ATOKEN_REPAYER: 0.01,
    Kind.WASHER: 0.04,
    Kind.SYBIL: 0.05,
    Kind.RETURNER: 0.05,
    Kind.RUNNER: 0.02,
    Kind.PANICKER: 0.02,
    Kind.FADER: 0.02,
}
"""Shares of the kinds in a large market."""

DEMO_COUNTS: Mapping[Kind, int] = {
    Kind.CAREFUL: 8,
    Kind.STEADY_REPAYER: 8,
    Kind.GAMBLER: 8,
    Kind.LOOPER: 6,
    Kind.DORMANT: 5,
    Kind.STABLE_FARMER: 4,
    Kind.NEWCOMER: 3,
    Kind.LENDER: 2,
    Kind.REPAID_ALL: 2,
    Kind.LEAVER: 2,
    Kind.HELPED: 2,
    Kind.MOVER: 2,
    Kind.DELEGATOR: 1,
    Kind.ATOKEN_REPAYER: 2,
}
"""Borrowers of the demo's market: each kind that does something honest at least once."""


@dataclass(frozen=True, slots=True)
class MarketWallet:
    """One wallet of the market. Its key is `wallets.private_key(seed, role)`."""

    address: Address
    role: str
    kind: str
    """A `Kind`, or `companion`, `liquidator`, `big_lender`, `treasury`."""


def demo_borrowers(seed: int, days: int) -> list[Borrower]:
    """The borrowers of the demo's market."""
    kinds = [kind for kind, count in DEMO_COUNTS.items() for _ in range(count)]
    return [make_borrower(seed, index, kind, days=days) for index, kind in enumerate(kinds)]


def mixed_borrowers(seed: int, count: int, days: int) -> list[Borrower]:
    """`count` borrowers, each of a kind drawn by the shares of `MIX` and of a temper of his own.

    Those drawn as sybils are dealt out, in order, to people who have several wallets each.
    """
    if count < 1:
        raise InvalidInput(f"a market needs at least one borrower, asked for {count}")
    rng = random.Random(f"kinds/{seed}")  # noqa: S311  repeatable, not secret
    kinds = rng.choices(list(MIX), list(MIX.values()), k=count)
    clustered = {
        borrower.index: richer(borrower, random.Random(f"wealth/{seed}/{indices[0]}"))  # noqa: S311
        for indices in _clusters([index for index, kind in enumerate(kinds) if kind is Kind.SYBIL], seed)
        for borrower in make_cluster(seed, indices, days)
    }
    return [
        clustered.get(index) or _with_temper(make_borrower(seed, index, kind, days=days), seed)
        for index, kind in enumerate(kinds)
    ]


def _clusters(indices: Sequence[int], seed: int) -> list[Sequence[int]]:
    rng = random.Random(f"clusters/{seed}")  # noqa: S311
    clusters: list[Sequence[int]] = []
    start = 0
    while start < len(indices):
        size = rng.randint(SMALLEST_CLUSTER, LARGEST_CLUSTER)
        clusters.append(indices[start : start + size])
        start += size
    return clusters


def _with_temper(borrower: Borrower, seed: int) -> Borrower:
    person = with_temper(borrower, random.Random(f"temper/{seed}/{borrower.index}"))  # noqa: S311
    return richer(person, random.Random(f"wealth/{seed}/{borrower.index}"))  # noqa: S311


def wallets_of_market(seed: int, borrowers: Sequence[Borrower]) -> list[MarketWallet]:
    """Every wallet that may hold a position: borrowers, their companions, liquidators, big lenders, the treasury."""
    wallets = [
        MarketWallet(borrower.address, borrower_role(borrower.index), borrower.kind.value) for borrower in borrowers
    ]
    wallets += [
        MarketWallet(borrower.companion, companion_role(borrower.index), "companion")
        for borrower in borrowers
        if borrower.companion is not None
    ]
    others = [(f"liquidator/{number}", "liquidator") for number in range(LIQUIDATORS)]
    others += [(f"lender/{number}", "big_lender") for number in range(BIG_LENDERS)]
    others.append(("treasury", "treasury"))
    return wallets + [MarketWallet(wallet_of(seed, role), role, kind) for role, kind in others]
