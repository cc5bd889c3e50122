"""What ingest was made from is what the packages hold; what files say is what the contracts say."""

import json
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest
from bonafides import event_files
from bonafides.types import Address, EventType, Role
from bonafides_ingest.decoders.codec import AbiFragment, load_fragments
from bonafides_ingest.file_decoding import decode_folder
from bonafides_ingest.registry import load_registry
from bonafides_ingest.sources.parquet import open_log_folder
from bonafides_lab.market.artifacts import AAVE_SOURCE
from bonafides_lab.market.simulate import DEPLOYMENTS_FILE, simulate

from tests.support.market_chains import aave_artifacts_or_skip

pytestmark = pytest.mark.integration

ABI_FILES = sorted(
    entry.name
    for entry in (files("bonafides_ingest.decoders") / "abi").iterdir()
    if not entry.name.endswith("_notes.json")  # functions that are logged: no events
)
FRAGMENTS = [fragment for name in ABI_FILES for fragment in load_fragments(name) if fragment.source == AAVE_SOURCE]


@pytest.mark.parametrize("fragment", FRAGMENTS, ids=lambda fragment: fragment.contract)
def test_abi__committed_fragment__is_what_its_package_holds(fragment: AbiFragment) -> None:
    folder = aave_artifacts_or_skip().folder
    (path,) = [path for path in folder.rglob(f"{fragment.contract}.json") if path.parent.name.endswith(".sol")]
    packaged = {entry.get("name"): entry for entry in json.loads(path.read_text())["abi"] if entry["type"] == "event"}

    for event in fragment.events:
        expected = [(a["name"], a["type"], a["indexed"]) for a in packaged[event.name]["inputs"]]
        assert [(a.name, a.type, a.indexed) for a in event.inputs] == expected


def test_decode__simulated_market__refuses_nothing_and_no_balance_ever_goes_below_zero(tmp_path: Path) -> None:
    market = simulate(aave_artifacts_or_skip(), tmp_path / "logs", borrowers=60, days=200)
    registry = load_registry(tmp_path / "logs" / DEPLOYMENTS_FILE)

    counts = decode_folder(open_log_folder(tmp_path / "logs"), registry, tmp_path / "out")

    assert (counts.logs, counts.refused) == (market.logs, Counter())
    balances: Counter[tuple[Address, Address, EventType]] = Counter()
    liquidated: set[Address] = set()
    for event in event_files.read_events(tmp_path / "out"):
        balances[event.wallet, event.asset, event.type] += event.scaled_delta
        assert balances[event.wallet, event.asset, event.type] >= 0
        if (event.type, event.role) == (EventType.LIQUIDATED, Role.OWNER):
            liquidated.add(event.wallet)
    assert len(liquidated) == market.liquidated_wallets
    debtors = {wallet for (wallet, _, kind), left in balances.items() if kind is EventType.DEBT_BALANCE and left}
    assert len(debtors) == market.wallets_with_debt
