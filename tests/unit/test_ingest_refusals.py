"""What providers say when they refuse, as it was recorded, and what it means.

Each text stands with who says it and where it was seen: a public issue, or tests and comments of public indexers.
"""

from typing import NamedTuple

import pytest
from bonafides.errors import Unavailable
from bonafides.json_rpc import AnswerTooLong, NodeRefused
from bonafides_ingest.sources.providers.refusals import (
    CallRefused,
    Hint,
    NodeBehind,
    RangeRefused,
    RateLimited,
    hint_in,
    refusal_of,
    refusals_told_apart,
)

pytestmark = pytest.mark.unit


class Said(NamedTuple):
    """One recorded refusal."""

    who: str
    code: int | None
    words: str
    hint: Hint | None = None


ALCHEMY = (
    "Log response size exceeded. You can make eth_getLogs requests with up to a 2K block range and no limit on the "
    "response size, or you can request any block range with a cap of 10K logs in the response. Based on your "
    "parameters and the response size limit, this block range should work: [0xc5dc00, 0xc614a7]"
)

RANGES = [
    # worldcoin/signup-sequencer#156
    Said("alchemy", -32602, ALCHEMY, Hint(14_504, 0xC5DC00)),
    Said(
        "alchemy, free",
        -32600,
        "Under the Free tier plan, you can make eth_getLogs requests with up to a 10 block range. Based on your "
        "parameters, this block range should work: [0x1180fca, 0x1180fd3]. Upgrade to PAYG for expanded block range.",
        Hint(10, 0x1180FCA),
    ),
    Said(
        "alchemy, slow",
        -32000,
        "Query timeout exceeded. Consider reducing your block range. Based on your parameters and the response size "
        "limit, this block range should work: [0x5223c98, 0x5223e80]",
        Hint(489, 0x5223C98),
    ),
    Said(
        "infura",
        -32005,
        "query returned more than 10000 results. Try with this block range [0xCB3D, 0x7B737].",
        Hint(453_627, 0xCB3D),
    ),
    Said("infura", -32602, "range 1000000 exceeds limit of 10000", Hint(10_000)),  # INFURA/infura#237
    Said("infura, of old", -32005, "query returned more than 10000 results"),
    # matter-labs/zksync-era#3412: the first range, and what asking for just that range gave
    Said(
        "zksync",
        -32602,
        "Query returned more than 10000 results. Try with this block range [0x0, 0x30f].",
        Hint(784, 0),
    ),
    Said("zksync", -32008, "Response is too big"),
    # base/base#2421: the very range that was asked for
    Said(
        "reth",
        -32602,
        "query exceeds max results 20000, retry with the range 25766988-25775072",
        Hint(8_085, 25_766_988),
    ),
    Said("reth", -32602, "query exceeds max block range 100000", Hint(100_000)),
    # ponder-sh/ponder, packages/utils; enviodev/hyperindex
    Said("quicknode", -32614, "eth_getLogs is limited to a 10,000 range", Hint(10_000)),
    Said("1rpc", -32000, "eth_getLogs is limited to a 1000 blocks range", Hint(1_000)),
    Said("1rpc", -32000, "response size should not greater than 10000000 bytes"),
    Said("blockpi", -32602, "eth_getLogs is limited to 2000 block range", Hint(2_000)),
    Said("an unnamed one", -32000, "limited to 0 - 50 blocks range", Hint(50)),
    Said(
        "cloudflare",
        -32047,
        "Invalid eth_getLogs request. 'fromBlock'-'toBlock' range too large. Max range: 800",
        Hint(800),
    ),
    Said("thirdweb", -32005, "Maximum allowed number of requested blocks is 3500", Hint(3_500)),
    Said("ankr", -32600, "block range is too wide"),
    Said("ankr, tac", -32000, "maximum [from, to] blocks distance: 1000", Hint(1_000)),
    Said("llamarpc", -32000, "query exceeds max results 20000"),
    Said(
        "chainstack", -32602, "Block range limit exceeded. See more details at https://docs.chainstack.com/docs/limits"
    ),
    Said("coinbase", -32000, "please limit the query to at most 1,000 blocks", Hint(1_000)),
    Said("publicnode", -32701, "exceed maximum block range: 50000", Hint(50_000)),
    Said("bnb", -32000, "exceed maximum block range: 5000", Hint(5_000)),
    Said("bnb", -32005, "limit exceeded"),  # DefiLlama/dimension-adapters#864: neither a range nor a quota
    Said("base", -32000, "block range too large"),
    Said("base", -32011, "no backend is currently healthy to serve traffic"),
    Said("sei", -32000, "block range too large (2000), maximum allowed is 1000 blocks", Hint(1_000)),
    Said("cdk-erigon", -32005, "block range too large, max range: 1000", Hint(1_000)),  # 0xPolygon/cdk-erigon#1706
    Said("optimism", -32020, "backend response too large"),
    Said("optimism", -32062, "Block range is too large"),
    Said("arbitrum", -32000, "logs matched by query exceeds limit of 10000"),
    Said("hyperliquid", -32603, "query exceeds max block range 1000", Hint(1_000)),
    Said("swell", -32000, "block range greater than 1000 max", Hint(1_000)),
    Said("somnia", -32000, "block range exceeds 1000", Hint(1_000)),
    Said("merkle", -32000, "eth_getLogs range is too large, max is 10k blocks", Hint(10_000)),
    Said("harmony", -32000, "query must be smaller than size 1024", Hint(1_024)),
    Said("aurora", -32000, "You can make eth_getLogs requests with up to a 2,000 block range", Hint(2_000)),
    Said(
        "moonbeam", -32603, "block range is too wide (maximum 1024)", Hint(1_024)
    ),  # moonbeam-foundation/moonbeam#3250
    Said("avalanche", -32000, "requested too many blocks from 0 to 5000000, maximum is set to 1024", Hint(1_024)),
    Said(
        "blast",
        -32602,
        "the range 55074203 - 55124202 exceeds the range allowed for your plan (49999 > 2000).",
        Hint(2_000),
    ),
    Said("blast, in the data alone", -32602, "Invalid params"),
    Said(
        "tenderly", -32602, "range 9009594 is bigger than range limit 2000", Hint(2_000)
    ),  # bobanetwork/boba_legacy#827
    Said("drpc", 35, "ranges over 10000 blocks are not supported on freetier", Hint(10_000)),
    Said("drpc", 30, "Request timeout on the free tier, please upgrade your tier to the paid one"),  # hyperindex#715
    # erigontech/erigon#19721
    Said("erigon", -32602, "query block range exceeds server limit, narrow your filter: 1000", Hint(1_000)),
    Said("erigon, of logs", -32602, "query returns too many logs, narrow your filter: 20000"),
    # enviodev/hyperindex#605
    Said(
        "morph",
        -32000,
        "block range is larger than max block range, block range = 5120, max block range = 5000",
        Hint(5_000),
    ),
    Said("geth", -32002, "request timed out"),
    Said("hosted geth", -32603, "query timeout of 10 seconds exceeded"),  # Analog-Labs/chain-connectors#275
    Said("nobody we know", -32099, "no"),
    Said("nobody, without a code", None, ""),
]

QUOTAS = [
    Said("infura", -32005, "daily request count exceeded, request rate limited"),  # CirclesUBI/circles-myxogastria#54
    Said("infura", -32005, "project ID request rate exceeded"),
    # latticexyz/mud#1522
    Said(
        "alchemy",
        429,
        "Your app has exceeded its compute units per second capacity. If you have retries enabled, you can safely "
        "ignore this message. If not, check out https://docs.alchemy.com/reference/throughput",
    ),
    Said("quicknode", -32012, "credits limited to 6000/sec"),
    Said(
        "quicknode",
        -32007,
        "50/second request limit reached - reduce calls per second or upgrade your account at quicknode.com",
    ),
    Said("onfinality", -32029, "Too Many Requests, Please apply an OnFinality API key or contact us"),
    Said("any, by HTTP", 429, "Too Many Requests"),
    Said("any, by the code alone", 429, "no reason given"),
    Said("a public node", -32001, "usage limit"),
]

NOT_AT_ALL = [
    Said("geth", -32601, "the method eth_getBlockReceipts does not exist/is not available"),
    Said("any", -32601, ""),
    Said(
        "ankr",
        -32000,
        "Unauthorized: You must authenticate your request with an API key. Create an account on the provider's page",
    ),
    Said("publicnode", -32701, "Archive requests require a personal token."),
    Said("chainstack", -32000, "Archive, Debug and Trace requests are not available on your current plan."),
]

BEHIND = [
    Said("execution-apis, geth", -32602, "block range extends beyond current head block"),
    Said("reth", -32000, "block range extends beyond current head block: requested 0x2000, head 0x1000"),
    Said(
        "erigon",
        -32000,
        "requested block range [4096, 8192] is beyond latest executed block 4000 (node is still syncing)",
    ),
    Said("a balancer", -32000, "header not found"),
]


def _named(said: list[Said]) -> list[object]:
    return [pytest.param(one, id=f"{one.who} {one.code}: {one.words[:30]}") for one in said]


def _meant(said: Said) -> Unavailable:
    return refusal_of(NodeRefused("eth_getLogs", said.code, said.words))


@pytest.mark.parametrize("said", _named(RANGES))
def test_refusal__of_a_range__asks_for_fewer_blocks_with_the_hint_that_was_given(said: Said) -> None:
    refusal = _meant(said)

    assert isinstance(refusal, RangeRefused)
    assert refusal.hint == said.hint


@pytest.mark.parametrize("said", _named(QUOTAS))
def test_refusal__of_a_quota__never_asks_for_fewer_blocks(said: Said) -> None:
    assert type(_meant(said)) is RateLimited


@pytest.mark.parametrize("said", _named(NOT_AT_ALL))
def test_refusal__of_a_method_or_a_key__is_for_another_provider(said: Said) -> None:
    assert type(_meant(said)) is CallRefused


@pytest.mark.parametrize("said", _named(BEHIND))
def test_refusal__of_a_block_that_is_not_there_yet__is_a_node_behind(said: Said) -> None:
    assert type(_meant(said)) is NodeBehind


@pytest.mark.parametrize("said", _named([*RANGES, *QUOTAS, *NOT_AT_ALL, *BEHIND]))
def test_refusal__any__does_not_repeat_the_providers_words(said: Said) -> None:
    assert len(said.words) < 5 or said.words not in str(_meant(said))


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (NodeRefused("eth_call", 429, "Too Many Requests", retry_after_s=7.0), 7.0),
        (NodeRefused("eth_call", -32000, "Public RPC Rate Limit Hit, limit will reset in 60 seconds"), 60.0),
        (NodeRefused("eth_call", 429, "Too Many Requests, try again in 5s"), 5.0),
        (NodeRefused("eth_call", 429, "Too Many Requests"), None),
    ],
)
def test_refusal__of_a_quota__says_how_long_to_wait_where_the_provider_does(
    refused: NodeRefused, expected: float | None
) -> None:
    refusal = refusal_of(refused)

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after_s == expected


@pytest.mark.parametrize(
    "words",
    [
        "Try with this block range [0x64, 0x10].",
        "retry with the range 500-100",
        "eth_getLogs is limited to a 0 range",
        "Max range: many",
        "Try with this block range [0x" + "f" * 40 + ", 0x" + "f" * 40 + "].",
        "retry with the range " + "9" * 60,
    ],
)
def test_hint_in__range_upside_down_or_senseless__is_none(words: str) -> None:
    assert hint_in(words) is None


def test_refusal__answer_too_long__is_a_range() -> None:
    with pytest.raises(RangeRefused), refusals_told_apart():
        raise AnswerTooLong("longer than 10 bytes")


def test_refusals_told_apart__node_refused__is_raised_as_what_it_means() -> None:
    with pytest.raises(RateLimited) as caught, refusals_told_apart():
        raise NodeRefused("eth_getLogs", 429, "Too Many Requests")

    assert isinstance(caught.value.__cause__, NodeRefused)
