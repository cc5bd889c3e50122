"""A reserve or two of Aave V3 in logs, and what is decoded of one transaction more, under each rounding."""

from dataclasses import dataclass, field
from typing import Any

from bonafides.types import Address, EventType
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.protocols.aave_v3.protocol import AaveV3
from bonafides_ingest.protocols.aave_v3.rounding import Rounding
from bonafides_ingest.protocols.aave_v3.state import AaveV3State
from bonafides_ingest.protocols.decoded import Decoded

from tests.support.ingest_logs import DEPLOYMENT, RAY, ChainOfLogs

INDEX = RAY * 11 // 10


@dataclass
class Market:
    """WETH and USDC, and what is decoded of logs put into one transaction."""

    rounding: Rounding = Rounding.BY_OPERATION
    chain: ChainOfLogs = field(default_factory=ChainOfLogs)

    def __post_init__(self) -> None:
        self.weth, self.usdc = (self.chain.list_reserve(1, name) for name in ("WETH", "USDC"))

    def log(self, emitter: Address, codec: EventCodec[Any], *values: Any, tx: int = 0) -> None:
        self.chain.emit(2, tx, emitter, codec, *values)

    def decode(self) -> Decoded:
        deployment = DEPLOYMENT.model_copy(update={"rounding": self.rounding})
        return AaveV3().decode_logs(AaveV3State(deployment), self.chain.logs, 1)[1]

    def deltas(self) -> list[tuple[Address, EventType, int]]:
        return [(e.wallet, e.type, e.scaled_delta) for e in self.decode().events if e.scaled_delta]

    def refusals(self) -> list[str]:
        return [refusal.reason for refusal in self.decode().refused]
