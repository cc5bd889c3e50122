"""What the contracts themselves say of every wallet, for tests: the ledger in Postgres must equal it."""

from collections.abc import Sequence
from dataclasses import dataclass

from bonafides.json_rpc import JsonRpc
from bonafides.types import Address

from bonafides_lab.market import methods
from bonafides_lab.market.anvil_chain import calls_at
from bonafides_lab.market.calldata import words
from bonafides_lab.market.deployment import Deployment


@dataclass(frozen=True, slots=True)
class TrueBalance:
    """What one wallet holds and owes in one reserve at one block, interest included, in base units of the token."""

    wallet: Address
    token: Address
    """The underlying token."""
    supply: int
    """`balanceOf` of the aToken."""
    debt: int
    """`balanceOf` of the variable debt token."""


@dataclass(frozen=True, slots=True)
class AccountData:
    """`Pool.getUserAccountData` of one wallet at one block."""

    wallet: Address
    collateral_base: int
    """USD with 8 decimals, as are the next two."""
    debt_base: int
    available_borrows_base: int
    liquidation_threshold_bps: int
    ltv_bps: int
    health_factor_wad: int
    """2**256 - 1 without debt."""


def read_balances(
    rpc: JsonRpc, deployment: Deployment, wallets: Sequence[Address], block_number: int
) -> list[TrueBalance]:
    """Balances of each wallet in each reserve, wallet by wallet, zeros included."""
    requests = []
    for wallet in wallets:
        request = methods.BALANCE_OF(wallet)
        for reserve in deployment.reserves:
            requests += [(reserve.a_token, request), (reserve.variable_debt_token, request)]
    answers = iter(calls_at(rpc, requests, hex(block_number)))
    return [
        TrueBalance(wallet, reserve.token, supply=words(next(answers))[0], debt=words(next(answers))[0])
        for wallet in wallets
        for reserve in deployment.reserves
    ]


def read_account_data(
    rpc: JsonRpc, deployment: Deployment, wallets: Sequence[Address], block_number: int
) -> list[AccountData]:
    """Account data of each wallet, in their order."""
    requests = [(deployment.pool, methods.ACCOUNT_DATA(wallet)) for wallet in wallets]
    answers = calls_at(rpc, requests, hex(block_number))
    return [AccountData(wallet, *words(answer)[:6]) for wallet, answer in zip(wallets, answers, strict=True)]
