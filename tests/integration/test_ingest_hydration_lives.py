"""The law of hydration over lived markets: for every wallet the same events as the scan's, to the byte.

Each market plays in the EVM on the protocol's own bytecode, what its tests of a life play: crowds at random, and every
particular that was ever thought of. Then each wallet is hydrated from the logs that were made.
"""

import inspect
from collections.abc import Callable, Iterator
from itertools import product
from types import ModuleType

import pytest
from bonafides_ingest.chain import Log
from bonafides_ingest.protocols.aave_v3.state import AaveV3Deployment

from tests.integration import (
    test_life_aave_v2,
    test_life_aave_v2_stable,
    test_life_aave_v3,
    test_life_aave_v3_6,
    test_life_aave_v3_6_by_hand,
    test_life_aave_v3_stable,
    test_life_morpho_blue,
)
from tests.integration.test_life_aave_v2 import life as life_of_v2
from tests.integration.test_life_aave_v2_stable import life as life_of_v2_stable
from tests.integration.test_life_aave_v3_6_by_hand import flash, market
from tests.integration.test_life_aave_v3_stable import market as market_of_v3_stable
from tests.integration.test_life_morpho_blue import life as life_of_morpho
from tests.support.aave_crowd import Crowd
from tests.support.aave_evm import EvmMarket
from tests.support.aave_v2_life import Life as LifeOfV2
from tests.support.aave_v3_6 import Aave36
from tests.support.compound_chain import EvmChain
from tests.support.hydration_past import check_every_wallet

pytestmark = pytest.mark.integration

__all__ = ["flash", "life_of_morpho", "life_of_v2", "life_of_v2_stable", "market", "market_of_v3_stable"]

type Play = Callable[..., None]


def _plays(module: ModuleType, world: str) -> Iterator[object]:
    """Everything that a module plays in its world, with each set of its parameters."""
    for name, play in vars(module).items():
        if not name.startswith("test_") or world not in inspect.signature(play).parameters:
            continue
        choices: list[list[dict[str, object]]] = []
        for mark in getattr(play, "pytestmark", []):
            if mark.name == "parametrize":
                choices.append([{mark.args[0]: value} for value in mark.args[1]])
        for chosen in product(*choices):
            arguments = {key: value for one in chosen for key, value in one.items()}
            yield pytest.param(play, arguments, id=f"{name}-{'-'.join(map(str, arguments.values()))}")


def _market_logs(market: EvmMarket) -> tuple[list[Log], AaveV3Deployment]:
    return market.logs, market.deployment()


@pytest.mark.parametrize("seed", test_life_aave_v3.SEEDS)
def test_hydration__crowd_of_aave_v3_0__every_wallets_events_are_the_scans(seed: int) -> None:
    logs, deployment = _market_logs(test_life_aave_v3._crowd(seed).market)

    assert check_every_wallet(logs, [deployment]) > 3_000


@pytest.mark.parametrize("seed", test_life_aave_v3_6.SEEDS)
@pytest.mark.parametrize("most_blocks", [10**9, 97])
def test_hydration__crowd_of_aave_v3_6__every_wallets_events_are_the_scans(seed: int, most_blocks: int) -> None:
    logs, deployment = _market_logs(test_life_aave_v3_6._crowd(seed).market)

    assert check_every_wallet(logs, [deployment], most_blocks=most_blocks) > 3_000


@pytest.mark.parametrize("seed", [1, 2])
def test_hydration__crowd_with_stable_debt__every_wallets_events_are_the_scans(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowds: list[Crowd] = []
    play = Crowd.play

    def keep(crowd: Crowd, acts: int) -> None:
        crowds.append(crowd)
        play(crowd, acts)

    monkeypatch.setattr(Crowd, "play", keep)
    test_life_aave_v3_stable.test_life__a_crowd_does_anything_it_can__is_the_contracts(seed)
    logs, deployment = _market_logs(crowds[0].market)

    assert check_every_wallet(logs, [deployment]) > 500


@pytest.mark.parametrize(("play", "arguments"), list(_plays(test_life_aave_v3_6_by_hand, "market")))
def test_hydration__particulars_of_aave_v3_6__every_wallets_events_are_the_scans(
    play: Play, arguments: dict[str, object], market: Aave36, request: pytest.FixtureRequest
) -> None:
    if "flash" in inspect.signature(play).parameters:
        arguments = arguments | {"flash": request.getfixturevalue("flash")}
    play(market=market, **arguments)

    assert check_every_wallet(market.logs, [market.deployment()]) > 0
    assert check_every_wallet(market.logs, [market.deployment(gateways=[])]) > 0


@pytest.mark.parametrize(("play", "arguments"), list(_plays(test_life_aave_v3_stable, "market")))
def test_hydration__stable_debt_of_aave_v3__every_wallets_events_are_the_scans(
    play: Play, arguments: dict[str, object], market_of_v3_stable: EvmMarket
) -> None:
    play(market=market_of_v3_stable, **arguments)
    logs, deployment = _market_logs(market_of_v3_stable)

    assert check_every_wallet(logs, [deployment]) > 0


@pytest.mark.parametrize(("play", "arguments"), list(_plays(test_life_aave_v2, "life")))
def test_hydration__life_of_aave_v2__every_wallets_events_are_the_scans(
    play: Play, arguments: dict[str, object], life_of_v2: LifeOfV2
) -> None:
    play(life=life_of_v2, **arguments)

    assert check_every_wallet(life_of_v2.market.logs(), [life_of_v2.deployment]) > 0


@pytest.mark.parametrize(("play", "arguments"), list(_plays(test_life_aave_v2_stable, "life")))
def test_hydration__stable_debt_of_aave_v2__every_wallets_events_are_the_scans(
    play: Play, arguments: dict[str, object], life_of_v2_stable: LifeOfV2
) -> None:
    play(life=life_of_v2_stable, **arguments)

    assert check_every_wallet(life_of_v2_stable.market.logs(), [life_of_v2_stable.deployment]) > 0


@pytest.fixture
def morpho_logs(monkeypatch: pytest.MonkeyPatch) -> list[Log]:
    """Every log of an `EvmChain` from here on."""
    kept: list[Log] = []
    send = EvmChain.send_in_same_block

    def keep(chain: EvmChain, *arguments: object, **options: object) -> tuple[Log, ...]:
        logs = send(chain, *arguments, **options)  # type: ignore[arg-type]
        kept.extend(logs)
        return logs

    monkeypatch.setattr(EvmChain, "send_in_same_block", keep)
    return kept


@pytest.mark.parametrize(("play", "arguments"), list(_plays(test_life_morpho_blue, "life")))
def test_hydration__life_of_morpho_blue__every_wallets_events_are_the_scans_but_the_fee_recipients(
    play: Play,
    arguments: dict[str, object],
    morpho_logs: list[Log],
    request: pytest.FixtureRequest,
) -> None:
    life = request.getfixturevalue("life_of_morpho")
    play(life=life, **arguments)
    unnamed = frozenset({test_life_morpho_blue.TREASURY})

    assert check_every_wallet(morpho_logs, [life.state.deployment], unnamed=unnamed) > 0
