"""What the pools of Aave V2 and V3 say in the same events: withdrawals, liquidations, what is collateral."""

from collections.abc import Callable
from enum import StrEnum

from bonafides.events import LendingEvent
from bonafides.types import Address, EventType, Role

from bonafides_ingest.protocols.aave_v3 import events as abi
from bonafides_ingest.protocols.acts import act, liquidation
from bonafides_ingest.protocols.reading import Reader, Reading
from bonafides_ingest.protocols.state import DeploymentState


def same_pool_readers[S: DeploymentState](pool: StrEnum) -> tuple[Reader[S], ...]:
    """Readers of the events that need nothing but their log."""
    return (
        Reader((pool,), abi.LIQUIDATION_CALL, _read_liquidation, wallet_topics=(3,)),
        Reader((pool,), abi.COLLATERAL_ENABLED, _read_collateral_enabled, wallet_topics=(2,)),
        Reader((pool,), abi.COLLATERAL_DISABLED, _read_collateral_disabled, wallet_topics=(2,)),
    )


def withdrawal[S: DeploymentState](
    reading: Reading[S], a_token_of: Callable[[Address], Address | None]
) -> list[LendingEvent]:
    """A Withdraw. What a gateway withdraws, the wallet withdraws that gave it its aTokens for it."""
    asset, owner, recipient, amount = abi.WITHDRAW.decode(reading.log)
    if owner in reading.state.deployment.gateways:
        caller = _caller_of_gateway(reading, asset, owner, a_token_of(asset))
        if caller is None:
            return []
        owner = caller
    return act(reading, EventType.WITHDRAWN, owner, asset, amount, Role.RECIPIENT, recipient)


def _caller_of_gateway[S: DeploymentState](
    reading: Reading[S], asset: Address, gateway: Address, a_token: Address | None
) -> Address | None:
    """Whose aTokens a gateway withdraws: it takes them from its caller first, in the same transaction."""
    callers: list[Address] = []
    for log in reading.transaction:
        if log.position.log_index >= reading.log.position.log_index:
            break
        if log.address == a_token and log.topics[:1] == (abi.BALANCE_TRANSFER.topic0,):
            sender, receiver, _, _ = abi.BALANCE_TRANSFER.decode(log)
            if receiver == gateway:
                callers.append(sender)
        elif log.address == reading.log.address and log.topics[:1] == (abi.WITHDRAW.topic0,):
            earlier_asset, owner, _, _ = abi.WITHDRAW.decode(log)
            if callers and (earlier_asset, owner) == (asset, gateway):
                callers.pop()
    return callers[-1] if callers else None


def _read_liquidation[S: DeploymentState](reading: Reading[S]) -> list[LendingEvent]:
    collateral, debt, borrower, repaid, seized, liquidator, _ = abi.LIQUIDATION_CALL.decode(reading.log)
    return liquidation(reading, borrower, liquidator, repaid=(debt, repaid), seized=(collateral, seized))


def _read_collateral_enabled[S: DeploymentState](reading: Reading[S]) -> list[LendingEvent]:
    asset, owner = abi.COLLATERAL_ENABLED.decode(reading.log)
    return reading.event(EventType.COLLATERAL_ENABLED, Role.OWNER, owner, asset=asset, amount=0)


def _read_collateral_disabled[S: DeploymentState](reading: Reading[S]) -> list[LendingEvent]:
    asset, owner = abi.COLLATERAL_DISABLED.decode(reading.log)
    return reading.event(EventType.COLLATERAL_DISABLED, Role.OWNER, owner, asset=asset, amount=0)
