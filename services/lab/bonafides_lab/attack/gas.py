"""What a transaction costs in gas, as receipts of a node say.

The EVM in this process runs a whole market as one endless transaction, so that storage is always warm there and a call
looks a third cheaper than it is. The numbers here are receipts of the same bytecode on anvil; a test measures again.
"""

from collections.abc import Mapping
from enum import StrEnum

WEI_PER_GWEI = 10**9
WEI_PER_ETHER = 10**18


class GasOf(StrEnum):
    """Kinds of transactions that cost about the same each time."""

    SUPPLY = "supply"
    FIRST_SUPPLY = "first_supply"
    WITHDRAW = "withdraw"
    BORROW = "borrow"
    REPAY = "repay"
    APPROVE = "approve"
    DELEGATE = "delegate"
    SEND_TOKENS = "send_tokens"
    ONE_TRANSACTION = "one_transaction"
    FLASH_LOAN = "flash_loan"


GAS: Mapping[GasOf, int] = {
    GasOf.SUPPLY: 144_600,
    GasOf.FIRST_SUPPLY: 186_100,
    GasOf.WITHDRAW: 216_300,
    GasOf.BORROW: 245_300,
    GasOf.REPAY: 175_300,
    GasOf.APPROVE: 46_500,
    GasOf.DELEGATE: 54_000,
    GasOf.SEND_TOKENS: 51_500,
    GasOf.ONE_TRANSACTION: 300_000,
    GasOf.FLASH_LOAN: 409_200,
}


def gas_usd(gas: int, gas_gwei: float, ether_usd: float) -> float:
    """Dollars for so much gas."""
    return gas * gas_gwei * WEI_PER_GWEI / WEI_PER_ETHER * ether_usd
