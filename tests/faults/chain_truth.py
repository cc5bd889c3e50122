"""Which facts the logs of an Aave V3 market must have left. Imports nothing but the standard library.

The Pool says what was meant, the tokens say what it did to scaled balances; both must stand in the tables, told to each
wallet that they name. The market's own contracts and its treasury are no credit wallets.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

# topic0 of the events of @aave/core-v3
SUPPLY = "0x2b627736bca15cd5381dcf80b0bf11fd197d01a037c52b927a881a10fb73ba61"
WITHDRAW = "0x3115d1449a7b732c986cba18244e897a450f61e1bb8d589cd2e69e6c8924f9f7"
BORROW = "0xb3d084820fb1a9decffb176436bd02558d15fac9b0ddfed8c465bc7359d7dce0"
REPAY = "0xa534c8dbe71f871f9f3530e97a74601fea17b426cae02e1c5aee42c96c784051"
LIQUIDATION = "0xe413a321e8681d831f4dbccbca790d2952b56f977908e45be37335533e005286"
COLLATERAL_ON = "0x00058a56ea94653cdf4f152d227ace22d4c00ad99e2a43f58cb7d9e3feb295f2"
COLLATERAL_OFF = "0x44c58d81365b66dd4b1a7f36c25aa97b8c71c361ee4937adc1a00000227db5dd"
RESERVE_DATA = "0x804c9b842b2748a22bb64b345453a3de7ca54a6ca45ce00d415894979e22897a"  # of the market: names no wallet
MINT = "0x458f5fa412d0f69b08dd84872b0215675cc67bc1d5b6fd93300a1c3878b86196"  # also a burn that its interest outgrew
BURN = "0x4cf25bc1d991c17529c25213d3cc0cda295eeaad5f13f361969b12ea48015f90"
BALANCE_TRANSFER = "0x4beccb90f994c31aced7a23b5611020728a23d8ec5cddd1a3e9d97b96fda8666"  # its value is scaled
RESERVE_INITIALIZED = "0x3a0ca721fc364424566385a1aa271ed508cc2c0949c2272575fb3013a163a45f"  # names the tokens
INITIALIZED = "0xb19e051f8af41150ccccb3fc2c2d8d15f4a4cf434f32a559ba75fe73d6eea20b"  # of an aToken: names the treasury

RAY = 10**27
type Log = Mapping[str, Any]  # as JSON-RPC gives it


class Fact(NamedTuple):
    """One thing that a log says of one wallet, or of an asset for the market's indices."""

    block_hash: str
    log_index: int
    wallet: str
    type: str
    role: str
    asset: str
    amount: int
    second_asset: str = ""
    second_amount: int = 0
    scaled_delta: int = 0

    @property
    def place(self) -> tuple[str, int, str, str, str]:
        """What tells it from others; the two entries of a transfer to oneself share one."""
        return self[:5]


class Market(NamedTuple):
    """What the chain says of a market's contracts. Addresses are lower-case hexadecimal."""

    pool: str
    tokens: Mapping[str, tuple[str, str]]
    """The type of its ledger entries and its asset, by token."""
    not_wallets: frozenset[str]
    first_block: int


def read_market(logs: Iterable[Log], pool: str, configurator: str) -> Market:
    """The tokens and treasuries that the market's own logs name."""
    tokens: dict[str, tuple[str, str]] = {}
    treasuries: dict[str, str] = {}
    first_block: int | None = None
    for log in logs:
        topic = log["topics"][0] if log["topics"] else None
        if log["address"] in (pool, configurator) and first_block is None:
            first_block = number(log["blockNumber"])
        if topic == RESERVE_INITIALIZED and log["address"] == configurator:
            asset, a_token = address(log["topics"][1]), address(log["topics"][2])
            tokens[a_token] = ("supply_balance", asset)
            tokens[address(words(log)[1])] = ("debt_balance", asset)  # word 0: debt at a stable rate, which is off
        elif topic == INITIALIZED:
            treasuries[log["address"]] = address(words(log)[0])
    if first_block is None:
        raise ValueError("no receipt holds a log of this Pool or its configurator")
    own = {treasury for token, treasury in treasuries.items() if tokens.get(token, ("",))[0] == "supply_balance"}
    return Market(pool, tokens, frozenset({address(0), pool, configurator, *tokens, *own}), first_block)


def facts_of(log: Log, market: Market) -> Iterator[Fact]:
    """What one log must have left."""
    for wallet, type_, *content in _said(log, market):
        if wallet not in market.not_wallets or type_ == "reserve_index":
            yield Fact(log["blockHash"], number(log["logIndex"]), wallet, type_, *content)


def _said(log: Log, market: Market) -> Iterator[tuple[Any, ...]]:
    if not log["topics"]:
        return
    topic, said = log["topics"][0], words(log)
    one, two, three = [*map(address, log["topics"][1:]), "", "", ""][:3]
    if log["address"] == market.pool:
        if topic == SUPPLY:
            yield from _act("supplied", two, "payer", address(said[0]), one, said[1])
        elif topic == BORROW:
            yield from _act("borrowed", two, "recipient", address(said[0]), one, said[1])
        elif topic == WITHDRAW:
            yield from _act("withdrawn", two, "recipient", three, one, said[0])
        elif topic == REPAY:
            yield from _act("repaid", two, "payer", three, one, said[0])
        elif topic == LIQUIDATION:  # topics: collateral, debt, borrower; data: repaid, seized, liquidator
            yield three, "liquidated", "owner", two, said[0], one, said[1]
            yield address(said[2]), "liquidated", "liquidator", two, said[0], one, said[1]
        elif topic in (COLLATERAL_ON, COLLATERAL_OFF):
            yield two, "collateral_enabled" if topic == COLLATERAL_ON else "collateral_disabled", "owner", one, 0
        elif topic == RESERVE_DATA:  # the liquidity index and the variable borrow index
            yield one, "reserve_index", "market", one, said[3], "", said[4]
    elif log["address"] in market.tokens:
        type_, asset = market.tokens[log["address"]]
        if topic in (MINT, BURN):
            value, increase, index = said[:3]
            moved = value - increase if topic == MINT else -(value + increase)
            shares = (abs(moved) * RAY + index // 2) // index  # half up, as WadRayMath does
            if shares:
                wallet = two if topic == MINT else one
                yield wallet, type_, "owner", asset, abs(moved), "", 0, shares if moved > 0 else -shares
        elif topic == BALANCE_TRANSFER:
            shares, index = said[:2]
            amount = (shares * index + RAY // 2) // RAY
            if shares:
                yield one, type_, "owner", asset, amount, "", 0, -shares
                yield two, type_, "owner", asset, amount, "", 0, shares
            if one != two and not {one, two} & market.not_wallets:
                yield one, "transferred", "sender", asset, amount
                yield two, "transferred", "receiver", asset, amount


def _act(type_: str, owner: str, role: str, other: str, asset: str, amount: int) -> Iterator[tuple[Any, ...]]:
    """Told to the owner of the position, and to whoever paid or received where that is somebody else."""
    yield owner, type_, "owner", asset, amount
    if other != owner:
        yield other, type_, role, asset, amount


def words(log: Log) -> list[int]:
    """The 32-byte words of a log's data."""
    octets = bytes.fromhex(log["data"][2:])
    return [int.from_bytes(octets[at : at + 32]) for at in range(0, len(octets), 32)]


def address(word: int | str) -> str:
    """The address in the low 20 bytes of a word."""
    return "0x" + (f"{word:064x}" if isinstance(word, int) else word)[-40:]


def number(quantity: str) -> int:
    """A quantity of JSON-RPC."""
    return int(quantity, 16)
