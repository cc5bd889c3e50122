"""Maker's life on its real bytecode: every ledger sum is the Vat's own `urns`, exactly.

The test chain that npm ships is of March 2021: Vat, Jug, Spotter, Cat, Flippers, CdpManager and joins are real. The Dog
and its Clippers came a month later; their logs are encoded from the ABI in tests/unit/test_ingest_maker.py.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pytest
from bonafides.events import LendingEvent, MarketPoint
from bonafides.types import Address, Digest, EventType, MarketPointKind, Role
from bonafides_ingest.accounts.urns import urn_of
from bonafides_ingest.protocols.maker.protocol import Maker
from bonafides_ingest.protocols.maker.state import MakerState

from tests.support.compound_chain import Reverted, wallet
from tests.support.maker_chain import ADMIN, ILKS, MakerChain, addresses, deployment_of_test_chain, signed_call

pytestmark = pytest.mark.integration

WAD, RAY = 10**18, 10**27
ALICE, BOB, CAROL, KEEPER = (wallet(name) for name in ("alice", "bob", "carol", "keeper"))
WALLETS = (ALICE, BOB, CAROL, KEEPER)
ETH, WBTC = (Digest(name.ljust(32, b"\0")) for name in (b"ETH-A", b"WBTC-A"))
FIVE_PERCENT = 1000000001547125957863212448
"""Ray a second: 1.05 ** (1 / 31,536,000)."""
BLOCKS_A_YEAR = 31_536_000 // 12
FROB = "frob(bytes32,address,address,address,int256,int256)"
FORK = "fork(bytes32,address,address,int256,int256)"


@dataclass
class Life:
    """The deployed protocol, and what ingest made of its logs so far."""

    maker: MakerChain
    state: MakerState
    events: list[LendingEvent] = field(default_factory=list)
    points: list[MarketPoint] = field(default_factory=list)
    last_points: tuple[MarketPoint, ...] = ()

    def call(self, sender: Address, contract: str | Address, signature: str, *arguments: Any) -> list[LendingEvent]:
        """A transaction; its events, after every position was compared."""
        return self.send(sender, contract, signed_call(signature, *arguments))

    def send(self, sender: Address, contract: str | Address, calldata: bytes, *, value: int = 0) -> list[LendingEvent]:
        to = addresses()[contract] if isinstance(contract, str) else contract
        logs = self.maker.chain.send(sender, to, calldata, value=value)
        self.state, decoded = Maker().decode_transaction(self.state, logs, 0)
        assert decoded.refused == ()
        assert len({event.id for event in decoded.events}) == len(decoded.events)
        self.events += decoded.events
        self.points += decoded.points
        self.last_points = decoded.points
        self.compare()
        return list(decoded.events)

    def open_cdp(self, caller: Address, owner: Address, ilk: Digest) -> int:
        """A cdp of an owner; its number."""
        self.call(caller, "CDP_MANAGER", "open(bytes32,address)", ilk, owner)
        return self.cdps

    @property
    def cdps(self) -> int:
        (count,) = self.maker.read("CDP_MANAGER", "cdpi()")
        return count

    def urns_of(self, owner: Address) -> list[Address]:
        """The owner's urns, as the contracts say."""
        found = [owner]
        for cdp in range(1, self.cdps + 1):
            (holder,) = self.maker.read("CDP_MANAGER", "owns(uint256)", cdp)
            if holder == int.from_bytes(owner):
                (urn,) = self.maker.read("CDP_MANAGER", "urns(uint256)", cdp)
                found.append(Address(urn.to_bytes(20)))
        return found

    def urn(self, ilk: Digest, urn: Address) -> tuple[int, int]:
        """(ink, art) as the Vat says."""
        ink, art = self.maker.read("MCD_VAT", "urns(bytes32,address)", ilk, urn)
        return ink, art

    def rate(self, ilk: Digest) -> int:
        return self.maker.read("MCD_VAT", "ilks(bytes32)", ilk)[1]

    def compare(self) -> None:
        """Ledger and state against `urns(ilk, urn)`, rates against `ilks(ilk)`."""
        sums: dict[tuple[Address, Digest, EventType], int] = defaultdict(int)
        for event in self.events:
            if event.type in (EventType.SUPPLY_BALANCE, EventType.DEBT_BALANCE):
                sums[event.wallet, event.market, event.type] += event.scaled_delta
        for ilk in (ETH, WBTC):
            assert self.state.rates[ilk] == self.rate(ilk)
            for owner in WALLETS:
                held = [self.urn(ilk, urn) for urn in self.urns_of(owner)]
                assert sums[owner, ilk, EventType.SUPPLY_BALANCE] == sum(ink for ink, _ in held)
                assert sums[owner, ilk, EventType.DEBT_BALANCE] == sum(art for _, art in held)
        for urn, by_ilk in self.state.positions.items():
            for ilk, position in by_ilk.items():
                assert (position.ink, position.art) == self.urn(ilk, urn)


@pytest.fixture
def life() -> Life:
    """Alice and Bob with 1,000 ETH each in the Vat, at $3,000, where 150 % is the least collateral."""
    maker = MakerChain.replay()
    state, decoded = Maker().decode_logs(Maker().restore(deployment_of_test_chain(), {}), maker.logs, 0)
    life = Life(maker, state, list(decoded.events), list(decoded.points))
    assert decoded.refused == ()
    for name in ("MCD_VAT", "MCD_JUG", "MCD_CAT"):
        maker.make_ward(name)
    for account in WALLETS:
        maker.chain.fund(account, 10**25)
    for account in (ALICE, BOB):
        life.send(account, "ETH", signed_call("deposit()"), value=1_000 * WAD)
        life.call(account, "ETH", "approve(address,uint256)", addresses()["MCD_JOIN_ETH_A"], 2**256 - 1)
        life.call(account, "MCD_JOIN_ETH_A", "join(address,uint256)", account, 1_000 * WAD)
    set_price(life, 3_000)
    return life


def set_price(life: Life, dollars: int) -> None:
    """Through the real oracle's storage: its owner gave up his rights when all was set."""
    pip = addresses()["PIP_ETH"]
    life.maker.chain.evm.basic("0x" + pip.hex())
    life.maker.chain.evm.insert_account_storage("0x" + pip.hex(), 2, dollars * WAD)
    life.call(KEEPER, "MCD_SPOT", "poke(bytes32)", ETH)


def with_cdp(life: Life, owner: Address, ether: int, dai: int) -> int:
    """A cdp of an owner with this much collateral and debt; its number."""
    cdp = life.open_cdp(owner, owner, ETH)
    urn = urn_of(addresses()["CDP_MANAGER"], cdp)
    life.call(owner, "MCD_VAT", "flux(bytes32,address,address,uint256)", ETH, owner, urn, ether * WAD)
    life.call(owner, "CDP_MANAGER", "frob(uint256,int256,int256)", cdp, ether * WAD, dai * WAD * RAY // life.rate(ETH))
    return cdp


def accrue_a_year(life: Life) -> None:
    life.call(KEEPER, "MCD_JUG", "drip(bytes32)", ETH)
    filed = signed_call("file(bytes32,bytes32,uint256)", ETH, b"duty", FIVE_PERCENT)
    life.maker.chain.send_in_same_block(ADMIN, addresses()["MCD_JUG"], filed)  # the Jug wants it at once
    life.maker.chain.skip(BLOCKS_A_YEAR)
    life.call(KEEPER, "MCD_JUG", "drip(bytes32)", ETH)


def told(events: list[LendingEvent]) -> list[tuple[EventType, Role, Address, int]]:
    """Events in words: type, role, wallet and amount, ledger entries left out."""
    ledger = (EventType.SUPPLY_BALANCE, EventType.DEBT_BALANCE)
    return [(event.type, event.role, event.wallet, event.amount) for event in events if event.type not in ledger]


def test_test_chain__sent_again__says_no_position_and_every_rate_is_the_vats(life: Life) -> None:
    assert not life.events
    assert len(life.state.rates) == 26
    assert all(rate == life.rate(ilk) for ilk, rate in life.state.rates.items())
    assert {point.kind for point in life.points} == {MarketPointKind.RESERVE_INDEX, MarketPointKind.PRICE}


def test_maker__cdps_are_opened__each_urn_is_where_its_number_says(life: Life) -> None:
    for number in range(1, 131):  # the address is made of the number in RLP, which takes two bytes from 128 on
        life.maker.chain.send(
            CAROL, addresses()["CDP_MANAGER"], signed_call("open(bytes32,address)", ETH, ALICE if number % 2 else BOB)
        )

    for cdp in (1, 2, 127, 128, 130):
        (urn,) = life.maker.read("CDP_MANAGER", "urns(uint256)", cdp)
        assert urn_of(addresses()["CDP_MANAGER"], cdp) == urn.to_bytes(20)


def test_maker__borrowed_through_the_manager_and_repaid_after_a_year__is_told_of_the_cdps_owner(life: Life) -> None:
    cdp = life.open_cdp(CAROL, ALICE, ETH)  # Carol calls, Alice owns
    urn = urn_of(addresses()["CDP_MANAGER"], cdp)
    life.call(ALICE, "MCD_VAT", "flux(bytes32,address,address,uint256)", ETH, ALICE, urn, 10 * WAD)

    opened = life.call(ALICE, "CDP_MANAGER", "frob(uint256,int256,int256)", cdp, 10 * WAD, 10_000 * WAD)
    accrue_a_year(life)
    repaid = life.call(ALICE, "CDP_MANAGER", "frob(uint256,int256,int256)", cdp, -WAD, -1_000 * WAD)

    assert told(opened) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, 10 * WAD),
        (EventType.BORROWED, Role.OWNER, ALICE, 10_000 * WAD),
    ]
    rate = life.rate(ETH)
    assert 1.05 * RAY < rate < 1.06 * RAY  # a year at 5 %, and some days at what the test chain took before
    assert told(repaid) == [
        (EventType.WITHDRAWN, Role.OWNER, ALICE, WAD),
        (EventType.REPAID, Role.OWNER, ALICE, -(-1_000 * WAD * rate // RAY)),
    ]
    debt = next(event for event in repaid if event.type is EventType.DEBT_BALANCE)
    assert (debt.asset, debt.scaled_delta, debt.index_ray) == (addresses()["MCD_DAI"], -1_000 * WAD, rate)
    assert life.urn(ETH, urn) == (9 * WAD, 9_000 * WAD)


def test_maker__drip__debt_index_of_dai_is_the_vats_rate(life: Life) -> None:
    accrue_a_year(life)

    (point,) = life.last_points
    assert (point.kind, point.asset, point.market) == (MarketPointKind.RESERVE_INDEX, addresses()["MCD_DAI"], ETH)
    assert point.values == (0, 0, RAY, life.rate(ETH))


def test_maker__poke__price_is_the_oracles(life: Life) -> None:
    set_price(life, 2_500)

    (point,) = life.last_points
    assert (point.kind, point.asset, point.market) == (MarketPointKind.PRICE, addresses()["ETH"], ETH)
    assert point.values == (2_500 * 10**8,)
    _, _, spot, _, _ = life.maker.read("MCD_VAT", "ilks(bytes32)", ETH)
    assert spot == 2_500 * RAY * 100 // 150  # what the Vat reckons with: 150 % is the least collateral


def test_maker__own_urn_with_other_wallets_collateral_and_dai__each_is_told_its_part(life: Life) -> None:
    for other in (BOB, CAROL):
        life.call(other, "MCD_VAT", "hope(address)", ALICE)

    opened = life.call(ALICE, "MCD_VAT", FROB, ETH, ALICE, BOB, CAROL, 10 * WAD, 5_000 * WAD)
    closed = life.call(ALICE, "MCD_VAT", FROB, ETH, ALICE, BOB, CAROL, -10 * WAD, -5_000 * WAD)

    assert told(opened) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, 10 * WAD),
        (EventType.SUPPLIED, Role.PAYER, BOB, 10 * WAD),
        (EventType.BORROWED, Role.OWNER, ALICE, 5_000 * WAD),
        (EventType.BORROWED, Role.RECIPIENT, CAROL, 5_000 * WAD),
    ]
    assert told(closed) == [
        (EventType.WITHDRAWN, Role.OWNER, ALICE, 10 * WAD),
        (EventType.WITHDRAWN, Role.RECIPIENT, BOB, 10 * WAD),
        (EventType.REPAID, Role.OWNER, ALICE, 5_000 * WAD),
        (EventType.REPAID, Role.PAYER, CAROL, 5_000 * WAD),
    ]


def test_maker__cdp_is_given__its_position_moves_with_its_debt(life: Life) -> None:
    cdp = with_cdp(life, ALICE, 10, 10_000)
    accrue_a_year(life)

    given = life.call(ALICE, "CDP_MANAGER", "give(uint256,address)", cdp, BOB)

    words = [event for event in given if event.type is EventType.TRANSFERRED]
    assert [(event.role, event.wallet, event.counterparty) for event in words] == [
        (Role.SENDER, ALICE, BOB),
        (Role.RECEIVER, BOB, ALICE),
    ]
    owed = -(-10_000 * WAD * life.rate(ETH) // RAY)
    for event in words:
        assert (event.asset, event.amount) == (addresses()["ETH"], 10 * WAD)
        assert (event.second_asset, event.second_amount) == (addresses()["MCD_DAI"], owed)
    entries = [(event.type, event.wallet, event.scaled_delta) for event in given if event not in words]
    assert sorted(entries) == sorted(
        [
            (EventType.SUPPLY_BALANCE, ALICE, -10 * WAD),
            (EventType.SUPPLY_BALANCE, BOB, 10 * WAD),
            (EventType.DEBT_BALANCE, ALICE, -10_000 * WAD),
            (EventType.DEBT_BALANCE, BOB, 10_000 * WAD),
        ]
    )
    repaid = life.call(BOB, "CDP_MANAGER", "frob(uint256,int256,int256)", cdp, 0, -WAD)
    assert {event.wallet for event in repaid} == {BOB}


def test_maker__positions_are_forked_quit_and_shifted__ledgers_follow_the_urns(life: Life) -> None:
    for one, other in ((ALICE, BOB), (BOB, ALICE)):
        life.call(one, "MCD_VAT", "hope(address)", other)
        life.call(one, "MCD_VAT", "hope(address)", addresses()["CDP_MANAGER"])
        life.call(one, "CDP_MANAGER", "urnAllow(address,uint256)", other, 1)
    first, second = with_cdp(life, ALICE, 10, 9_000), with_cdp(life, BOB, 20, 9_000)
    life.call(BOB, "CDP_MANAGER", "cdpAllow(uint256,address,uint256)", second, ALICE, 1)

    shifted = life.call(ALICE, "CDP_MANAGER", "shift(uint256,uint256)", first, second)
    quitted = life.call(BOB, "CDP_MANAGER", "quit(uint256,address)", second, ALICE)
    back = life.call(ALICE, "MCD_VAT", FORK, ETH, BOB, ALICE, -4 * WAD, -2_000 * WAD)
    crosswise = life.call(ALICE, "MCD_VAT", FORK, ETH, ALICE, BOB, 3 * WAD, -1_000 * WAD)

    ways = [
        [(event.wallet, event.amount, event.second_amount) for event in events if event.role is Role.SENDER]
        for events in (shifted, quitted, back, crosswise)
    ]
    assert ways == [
        [(ALICE, 10 * WAD, 9_000 * WAD)],
        [(BOB, 30 * WAD, 18_000 * WAD)],
        [(ALICE, 4 * WAD, 2_000 * WAD)],  # negative amounts go the other way
        [(ALICE, 3 * WAD, 0), (BOB, 0, 1_000 * WAD)],
    ]
    assert life.urn(ETH, ALICE) == (23 * WAD, 17_000 * WAD)
    assert life.urn(ETH, BOB) == (7 * WAD, 1_000 * WAD)


def test_maker__bitten__is_told_once_and_the_ledger_loses_what_the_vat_grabbed(life: Life) -> None:
    cdp = with_cdp(life, ALICE, 10, 19_000)
    accrue_a_year(life)
    set_price(life, 2_000)
    urn = urn_of(addresses()["CDP_MANAGER"], cdp)
    ink, art = life.urn(ETH, urn)

    bitten = life.call(KEEPER, "MCD_CAT", "bite(bytes32,address)", ETH, urn)

    left_ink, left_art = life.urn(ETH, urn)
    (word,) = (event for event in bitten if event.type is EventType.LIQUIDATED)
    assert (word.role, word.wallet, word.counterparty) == (Role.OWNER, ALICE, None)
    assert (word.asset, word.second_asset) == (addresses()["MCD_DAI"], addresses()["ETH"])
    assert word.amount == -(-(art - left_art) * life.rate(ETH) // RAY)
    assert word.second_amount == ink - left_ink > 0
    entries = {event.type: event.scaled_delta for event in bitten if event is not word}
    assert entries == {EventType.SUPPLY_BALANCE: left_ink - ink, EventType.DEBT_BALANCE: left_art - art}


def test_maker__dirty_address_in_the_calldata__is_read_as_the_vat_reads_it(life: Life) -> None:
    calldata = bytearray(signed_call(FROB, ETH, ALICE, BOB, BOB, 3 * WAD, 0))
    calldata[4 + 32 : 4 + 32 + 12] = b"\xff" * 12  # what stands before Alice's address

    supplied = life.send(BOB, "MCD_VAT", bytes(calldata) + b"what follows the arguments, too")

    assert told(supplied) == [
        (EventType.SUPPLIED, Role.OWNER, ALICE, 3 * WAD),
        (EventType.SUPPLIED, Role.PAYER, BOB, 3 * WAD),
    ]
    assert life.urn(ETH, ALICE) == (3 * WAD, 0)


def test_maker__token_of_eight_decimals__amount_is_in_its_units_and_the_ledger_in_the_vats(life: Life) -> None:
    _, decimals = ILKS["WBTC-A"]
    life.call(ADMIN, "MCD_VAT", "slip(bytes32,address,int256)", WBTC, ALICE, 2 * WAD)  # as its join would

    supplied = life.call(ALICE, "MCD_VAT", FROB, WBTC, ALICE, ALICE, ALICE, 15 * WAD // 10, 0)

    assert told(supplied) == [(EventType.SUPPLIED, Role.OWNER, ALICE, 15 * 10**decimals // 10)]
    entry = supplied[-1]
    assert (entry.scaled_delta, entry.index_ray) == (15 * WAD // 10, RAY // 10**10)
    assert entry.amount == entry.scaled_delta * entry.index_ray // RAY


UNLISTED = Digest(b"KNC-A".ljust(32, b"\0"))
"""Begun on the test chain, and not in its entry of the registry."""


def test_maker__strangers_call_what_the_vat_lets_them__no_wallet_is_named_and_nothing_is_refused(life: Life) -> None:
    assert life.rate(UNLISTED) == RAY
    life.call(ADMIN, "MCD_VAT", "slip(bytes32,address,int256)", UNLISTED, KEEPER, WAD)  # as its join would
    cdp_to_come = urn_of(addresses()["CDP_MANAGER"], life.cdps + 1)
    no_ilk = Digest(b"no such ilk".ljust(32, b"\0"))

    for urn in (ALICE, cdp_to_come):  # `call` sees that nothing is refused
        for dink in (0, 1):
            life.call(KEEPER, "MCD_VAT", FROB, UNLISTED, urn, KEEPER, KEEPER, dink, 0)
    life.call(KEEPER, "MCD_VAT", FORK, no_ilk, KEEPER, KEEPER, 0, 0)
    life.call(KEEPER, "MCD_JUG", "drip(bytes32)", no_ilk)
    life.open_cdp(KEEPER, ALICE, ETH)

    assert life.urn(UNLISTED, ALICE) == life.urn(UNLISTED, cdp_to_come) == (1, 0)
    assert no_ilk not in life.state.rates


def test_maker__debt_in_an_ilk_that_is_not_listed__is_a_hole_whatever_a_stranger_did_before(life: Life) -> None:
    for signature, *arguments in (
        ("slip(bytes32,address,int256)", UNLISTED, ALICE, 1_000_000 * WAD),  # as its join would
        ("file(bytes32,bytes32,uint256)", UNLISTED, b"spot", RAY),
        ("file(bytes32,bytes32,uint256)", UNLISTED, b"line", 10**60),
    ):
        life.call(ADMIN, "MCD_VAT", signature, *arguments)
    life.call(KEEPER, "MCD_VAT", FROB, UNLISTED, ALICE, KEEPER, KEEPER, 0, 0)

    borrowed = signed_call(FROB, UNLISTED, ALICE, ALICE, ALICE, 1_000_000 * WAD, 50_000 * WAD)
    logs = life.maker.chain.send(ALICE, addresses()["MCD_VAT"], borrowed)
    _, decoded = Maker().decode_transaction(life.state, logs, 0)

    assert decoded.events == ()
    assert [(refusal.wallets, refusal.is_hole) for refusal in decoded.refused] == [((ALICE,), True)]
    assert life.urn(UNLISTED, ALICE) == (1_000_000 * WAD, 50_000 * WAD)


def test_maker__state_from_its_facts__is_the_same_state(life: Life) -> None:
    cdp = with_cdp(life, ALICE, 10, 10_000)
    life.call(ALICE, "CDP_MANAGER", "give(uint256,address)", cdp, BOB)

    again = Maker().restore(life.state.deployment, life.state.facts())

    assert again == life.state
    assert again.owner_of(urn_of(addresses()["CDP_MANAGER"], cdp)) == BOB


STEPS = 400
"""Of a random play; about half of them revert."""


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_maker__random_play__ledger_is_urns_after_every_step(life: Life, seed: int) -> None:
    chance = random.Random(seed)  # a play, no secret
    players, manager = (ALICE, BOB), addresses()["CDP_MANAGER"]
    for player in players:
        for other in (*players, manager):
            life.call(player, "MCD_VAT", "hope(address)", other)
        for other in players:
            life.call(player, "CDP_MANAGER", "urnAllow(address,uint256)", other, 1)
    life.call(ADMIN, "MCD_VAT", "file(bytes32,bytes32,uint256)", ETH, b"dust", 0)
    accrue_a_year(life)
    cdps = [life.open_cdp(player, player, ETH) for player in players for _ in range(2)]
    done: set[str] = set()

    for _ in range(STEPS):
        caller = chance.choice(players)
        cdp, second = chance.choice(cdps), chance.choice(cdps)
        urn = chance.choice((*players, urn_of(manager, cdp)))
        dink, dart = chance.randrange(-20, 40) * WAD, chance.choice((0, 1, -1)) * chance.randrange(20_000 * WAD)
        contract, signature, *arguments = chance.choice(
            (
                ("MCD_VAT", FROB, ETH, urn, caller, chance.choice(players), dink, dart),
                ("MCD_VAT", "flux(bytes32,address,address,uint256)", ETH, caller, urn_of(manager, cdp), 20 * WAD),
                ("CDP_MANAGER", "frob(uint256,int256,int256)", cdp, dink, dart),
                ("CDP_MANAGER", "give(uint256,address)", cdp, chance.choice(players)),
                ("CDP_MANAGER", "cdpAllow(uint256,address,uint256)", cdp, chance.choice(players), 1),
                ("CDP_MANAGER", "quit(uint256,address)", cdp, chance.choice(players)),
                ("CDP_MANAGER", "enter(address,uint256)", chance.choice(players), cdp),
                ("CDP_MANAGER", "shift(uint256,uint256)", cdp, second),
                ("MCD_VAT", FORK, ETH, ALICE, BOB, dink // 4, dart // 4),
                ("MCD_JUG", "drip(bytes32)", ETH),
                ("MCD_CAT", "bite(bytes32,address)", ETH, urn),
            )
        )
        life.maker.chain.skip(chance.randrange(BLOCKS_A_YEAR // 50))
        try:
            if signature.startswith("bite"):
                set_price(life, chance.randrange(50, 3_500))
                urns = (*players, *(urn_of(manager, each) for each in cdps))
                arguments = [ETH, max(urns, key=lambda each: life.urn(ETH, each)[1])]
            life.call(caller, contract, signature, *arguments)
            done.add(signature.partition("(")[0])
        except Reverted:
            continue

    assert done >= {"frob", "give", "quit", "enter", "shift", "fork", "drip", "bite"}
