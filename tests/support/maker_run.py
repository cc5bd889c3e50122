"""A Maker of the tests' own: its entry in the registry, and logs read one transaction after another."""

from dataclasses import dataclass, field
from typing import Any

from bonafides.events import LendingEvent
from bonafides.types import Address, Digest, EventType, Role, address_text
from bonafides_ingest.accounts.urns import urn_of
from bonafides_ingest.chain import Log
from bonafides_ingest.decoders import EventCodec
from bonafides_ingest.decoders.notes import NoteCodec
from bonafides_ingest.protocols.decoded import Decoded
from bonafides_ingest.protocols.maker import events as abi
from bonafides_ingest.protocols.maker.deployment import MakerDeployment
from bonafides_ingest.protocols.maker.protocol import Maker
from bonafides_ingest.protocols.maker.state import MakerState

from tests.support.ingest_logs import CHAIN, ChainOfLogs, address
from tests.support.maker_notes import encode_note

WAD, RAY, RAD = 10**18, 10**27, 10**45
VAT, SPOTTER, DOG, CAT, MANAGER, CLIPPER = (address(name) for name in ("vat", "spot", "dog", "cat", "manager", "clip"))
DAI, WETH, WBTC, GATEWAY = (address(name) for name in ("dai", "weth", "wbtc", "gateway"))
ALICE, BOB, CAROL, KEEPER = (address(name) for name in ("alice", "bob", "carol", "keeper"))
ETH_A, WBTC_A, RWA = (Digest(name.ljust(32, b"\0")) for name in (b"ETH-A", b"WBTC-A", b"RWA001-A"))
ENTRY = {
    "id": "maker-test",
    "chain_id": CHAIN,
    "protocol": "maker",
    "vat": address_text(VAT),
    "dai": address_text(DAI),
    "spotter": address_text(SPOTTER),
    "dog": address_text(DOG),
    "cats": [address_text(CAT)],
    "cdp_manager": address_text(MANAGER),
    "gateways": [address_text(GATEWAY)],
    "ilks": [
        {"name": "ETH-A", "gem": address_text(WETH), "decimals": 18},
        {"name": "WBTC-A", "gem": address_text(WBTC), "decimals": 8},
    ],
    "from_block": 1,
    "source": "@makerdao/dai-plugin-mcd@1.8.5",
    "development": True,
}
DEPLOYMENT = MakerDeployment.model_validate(ENTRY)
URN = urn_of(MANAGER, 1)


@dataclass
class Run:
    """Logs as they come, and what was made of them; each call is a transaction."""

    state: MakerState = field(default_factory=lambda: Maker().restore(DEPLOYMENT, {}))
    chain: ChainOfLogs = field(default_factory=ChainOfLogs)

    def note(self, codec: NoteCodec[Any], *values: Any, emitter: Address = VAT) -> Decoded:
        return self.read(self.note_log(codec, *values, emitter=emitter))

    def note_log(self, codec: NoteCodec[Any], *values: Any, emitter: Address = VAT) -> Log:
        caller = address("caller") if codec.names_caller else None
        return self.chain.emit_raw(1, len(self.chain.logs), emitter, *encode_note(codec, values, caller=caller))

    def emit(self, emitter: Address, codec: EventCodec[Any], *values: Any) -> Decoded:
        return self.read(self.log(emitter, codec, *values))

    def log(self, emitter: Address, codec: EventCodec[Any], *values: Any) -> Log:
        return self.chain.emit(1, len(self.chain.logs), emitter, codec, *values)

    def read(self, *logs: Log) -> Decoded:
        """The logs of one transaction."""
        self.state, decoded = Maker().decode_transaction(self.state, logs, 0)
        assert [event.order for event in decoded.events] == sorted(event.order for event in decoded.events)
        assert len({event.id for event in decoded.events}) == len(decoded.events)
        return decoded

    def bark(self, tab: int, due: int, ink: int = 10 * WAD, art: int = 12_000 * WAD, number: int = 7) -> Decoded:
        """Bob's urn liquidated by the keeper: grab, Kick and Bark, as the Dog emits them."""
        return self.read(
            self.note_log(abi.GRAB, ETH_A, BOB, CLIPPER, address("vow"), -ink, -art),
            self.log(CLIPPER, abi.KICK, number, 3_000 * RAY, tab, ink, BOB, KEEPER, 0),
            self.log(DOG, abi.BARK, ETH_A, BOB, ink, art, due, CLIPPER, number),
        )

    def take(self, tab_left: int, lot_left: int, number: int = 7) -> Decoded:
        return self.emit(CLIPPER, abi.TAKE, number, 3_000 * RAY, 2_000 * RAY, RAD, tab_left, lot_left, BOB)


def started(rate: int = RAY) -> Run:
    """ETH-A and WBTC-A begun; ETH-A at a rate, with its auction house."""
    run = Run()
    for ilk in (ETH_A, WBTC_A, RWA):
        run.note(abi.INIT, ilk)
    run.note(abi.FOLD, ETH_A, address("vow"), rate - RAY)
    run.emit(DOG, abi.CLIP_FILED, ETH_A, Digest(b"clip".ljust(32, b"\0")), CLIPPER)
    return run


def told(event: LendingEvent) -> tuple[EventType, Role, Address, Address | None, Address, int]:
    return event.type, event.role, event.wallet, event.counterparty, event.asset, event.amount


def entry(event: LendingEvent) -> tuple[EventType, Address, Address, int, int, int]:
    return event.type, event.wallet, event.asset, event.scaled_delta, event.index_ray, event.amount
