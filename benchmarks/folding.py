"""fold.events_per_s: how many events of wallets one core folds into states.

The events are those of a simulated market, decoded, wallet by wallet in canonical order and in memory: what is timed is
the fold alone. Before that the same states are made event by event, by way of their bytes each time as the worker keeps
them, and compared.
"""

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

from bonafides.errors import InvalidInput
from bonafides.event_files import read_events
from bonafides.events import LendingEvent
from bonafides.types import Address, ChainId
from bonafides_ingest.file_decoding import decode_folder
from bonafides_ingest.registry import load_registry
from bonafides_ingest.sources.parquet import open_log_folder
from bonafides_lab.market.artifacts import Artifacts
from bonafides_lab.market.simulate import simulate
from bonafides_lab.stack.node_tools import aave_artifacts_folder
from bonafides_scoring.fold import WalletState, decode_state, empty_state, encode_state, fold

from benchmarks.harness import FEWEST_RUNS, Better, Result, check_same, timed
from benchmarks.simulator import CHAIN, SEED, registry_of

MOST_EVENTS = 500_000
"""About a gigabyte of events; more would time the memory."""
CHECKED = 5
"""One wallet of so many is folded event by event too: that takes ten times as long."""
BORROWERS, DAYS = 1_200, 300
"""Of the market that is made where none is given: some 70,000 events."""

type Histories = Mapping[tuple[Address, ChainId], Sequence[LendingEvent]]


def measure(decoded: Path | None = None, rounds: int = FEWEST_RUNS) -> list[Result]:
    """The result over the events of a decoded folder; over those of a small market of its own without one.

    Raises:
        InvalidInput: the folder holds no events.
        InvariantViolation: event by event gives another state than in one go.
    """
    if decoded is None:
        with tempfile.TemporaryDirectory(prefix="bonafides-bench-") as folder:
            return measure(_small_market(Path(folder)), rounds)
    histories = _histories(decoded)
    count = sum(len(own) for own in histories.values())
    if not count:
        raise InvalidInput(f"{decoded.name} holds no events to fold")
    checked = {key: own for place, (key, own) in enumerate(histories.items()) if place % CHECKED == 0}
    check_same("fold", _in_one_go(checked), _event_by_event(checked))
    speed = statistics.median([count / timed(lambda: _in_one_go(histories)) for _ in range(rounds)])
    bytes_each = statistics.mean(len(encode_state(state)) for state in _in_one_go(histories))
    note = (
        f"one core; {count:,} events of {len(histories):,} wallets of a simulated market, in memory, wallet by wallet; "
        f"{sum(len(own) for own in checked.values()):,} of them event by event through bytes before: same states; "
        f"a state has {bytes_each:,.0f} bytes on average"
    )
    return [Result("fold.events_per_s", speed, "events/s", Better.HIGHER, rounds, note)]


def _histories(decoded: Path) -> Histories:
    found: dict[tuple[Address, ChainId], list[LendingEvent]] = {}
    for event in islice(read_events(decoded), MOST_EVENTS):
        found.setdefault((event.wallet, event.position.block.chain_id), []).append(event)
    return found


def _in_one_go(histories: Histories) -> list[WalletState]:
    return [fold(empty_state(wallet, chain_id), own) for (wallet, chain_id), own in histories.items()]


def _event_by_event(histories: Histories) -> list[WalletState]:
    states = []
    for (wallet, chain_id), own in histories.items():
        state = empty_state(wallet, chain_id)
        for event in own:
            state = decode_state(encode_state(fold(state, [event])))
        states.append(state)
    return states


def _small_market(folder: Path) -> Path:
    logs, decoded = folder / "logs", folder / "decoded"
    artifacts = Artifacts(aave_artifacts_folder() / "contracts")
    simulate(artifacts, logs, borrowers=BORROWERS, days=DAYS, seed=SEED, chain_id=CHAIN)
    decode_folder(open_log_folder(logs), load_registry(registry_of(logs)), decoded)
    return decoded
