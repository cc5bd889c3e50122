"""What a wallet can do in the market, and the transaction that does it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from bonafides.errors import InvalidInput
from bonafides.types import Address

from bonafides_lab.market import methods
from bonafides_lab.market.calldata import MAX_UINT256
from bonafides_lab.market.deployment import Deployment


class Verb(StrEnum):
    """One kind of transaction with the pool or its tokens."""

    SUPPLY = "supply"
    SUPPLY_ON_BEHALF = "supply_on_behalf"
    WITHDRAW = "withdraw"
    BORROW = "borrow"
    BORROW_ON_BEHALF = "borrow_on_behalf"
    REPAY = "repay"
    REPAY_ON_BEHALF = "repay_on_behalf"
    REPAY_WITH_ATOKENS = "repay_with_atokens"
    APPROVE_DELEGATION = "approve_delegation"
    TRANSFER_SUPPLY = "transfer_supply"
    COLLATERAL_ON = "collateral_on"
    COLLATERAL_OFF = "collateral_off"
    LIQUIDATE = "liquidate"
    LIQUIDATE_FOR_ATOKENS = "liquidate_for_atokens"


ALL = MAX_UINT256
"""As an amount: the whole balance or the whole debt."""

_NEEDS_TOKENS = frozenset(
    {
        Verb.SUPPLY,
        Verb.SUPPLY_ON_BEHALF,
        Verb.REPAY,
        Verb.REPAY_ON_BEHALF,
        Verb.LIQUIDATE,
        Verb.LIQUIDATE_FOR_ATOKENS,
    }
)


@dataclass(frozen=True, slots=True)
class Action:
    """One transaction that a wallet wants to send."""

    verb: Verb
    sender: Address
    reserve: int
    """Place in `RESERVES`; of a liquidation: the debt that is repaid."""
    amount: int
    """Base units of the token, or `ALL`."""
    other: Address | None = None
    """The debtor, the delegate, the receiver or the liquidated: whoever is not the sender."""
    collateral_reserve: int | None = None
    """Of a liquidation: what is seized."""

    @property
    def pays_in_tokens(self) -> bool:
        """Whether the sender must hold the reserve's token and have approved the pool."""
        return self.verb in _NEEDS_TOKENS

    @property
    def touches(self) -> tuple[tuple[Address, int], ...]:
        """Each (wallet, reserve) whose balances may change, the treasury's aside."""
        reserves = (self.reserve,) if self.collateral_reserve is None else (self.reserve, self.collateral_reserve)
        wallets = (self.sender,) if self.other is None else (self.sender, self.other)
        return tuple((wallet, reserve) for wallet in wallets for reserve in reserves)


def transaction_of(action: Action, deployment: Deployment) -> tuple[Address, bytes]:
    """The contract to call and the calldata."""
    reserve, pool = deployment.reserves[action.reserve], deployment.pool
    sender, amount, rate, referral = action.sender, action.amount, methods.VARIABLE_RATE, methods.NO_REFERRAL
    match action.verb:
        case Verb.SUPPLY:
            return pool, methods.SUPPLY(reserve.token, amount, sender, referral)
        case Verb.SUPPLY_ON_BEHALF:
            return pool, methods.SUPPLY(reserve.token, amount, _other(action), referral)
        case Verb.WITHDRAW:
            return pool, methods.WITHDRAW(reserve.token, amount, sender)
        case Verb.BORROW:
            return pool, methods.BORROW(reserve.token, amount, rate, referral, sender)
        case Verb.BORROW_ON_BEHALF:
            return pool, methods.BORROW(reserve.token, amount, rate, referral, _other(action))
        case Verb.REPAY:
            return pool, methods.REPAY(reserve.token, amount, rate, sender)
        case Verb.REPAY_ON_BEHALF:
            return pool, methods.REPAY(reserve.token, amount, rate, _other(action))
        case Verb.REPAY_WITH_ATOKENS:
            return pool, methods.REPAY_WITH_ATOKENS(reserve.token, amount, rate)
        case Verb.APPROVE_DELEGATION:
            return reserve.variable_debt_token, methods.APPROVE_DELEGATION(_other(action), amount)
        case Verb.TRANSFER_SUPPLY:
            return reserve.a_token, methods.TRANSFER(_other(action), amount)
        case Verb.COLLATERAL_ON:
            return pool, methods.USE_AS_COLLATERAL(reserve.token, 1)
        case Verb.COLLATERAL_OFF:
            return pool, methods.USE_AS_COLLATERAL(reserve.token, 0)
        case Verb.LIQUIDATE | Verb.LIQUIDATE_FOR_ATOKENS:
            if action.collateral_reserve is None:
                raise InvalidInput("a liquidation names the collateral that it seizes")
            collateral = deployment.reserves[action.collateral_reserve].token
            for_atokens = action.verb is Verb.LIQUIDATE_FOR_ATOKENS
            return pool, methods.LIQUIDATION_CALL(collateral, reserve.token, _other(action), amount, int(for_atokens))
        case _:
            assert_never(action.verb)


def _other(action: Action) -> Address:
    if action.other is None:
        raise InvalidInput(f"{action.verb} names another wallet beside the sender")
    return action.other
