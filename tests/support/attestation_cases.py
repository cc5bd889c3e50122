"""The cases of `tests/vectors/attestation.json`: a document, the circumstances, and the answer.

The layer says which verifiers a case is for: `json` (who read files), `abi` (also Solidity), `chain` (with a node).
"""

import json
from dataclasses import replace

from bonafides.types import ChainId, Digest, ScoreFlag, VerificationStatus
from bonafides.verify.leaves import LEAF_TYPES
from bonafides_attestation.document import present

from tests.support.attestation_circumstances import Case
from tests.support.attestation_edits import (
    OPENED,
    changed,
    drop_as_of,
    drop_leaf,
    duplicate_leaf,
    edited,
    empty_disclosure,
    file_text,
    flipped,
    get,
    golden_file,
    hexed,
    high_s,
    leaf_at,
    message,
    node_as_leaf,
    other_index,
    put,
    replaced_text,
    self_published,
    shown_to,
    signed_contradiction,
    swap_leaf_names,
    truncate,
    turn_blocks_around,
)
from tests.support.attestation_fixtures import (
    ATTESTER,
    BORROWER,
    DOMAIN,
    NOW,
    OTHER_KEY,
    SECOND_WALLET,
    STRANGER,
    FakeChain,
    published_score,
    sign_score,
)

S = VerificationStatus


def cases() -> list[Case]:
    """All cases; the first ones are accepted, so that a verifier that refuses everything fails too."""
    flagged = file_text(published_score(FakeChain(), flags=ScoreFlag.REFERENCE_POSITION))
    live_domain = replace(DOMAIN, chain_id=ChainId(8453))
    live = file_text(published_score(FakeChain(), domain=live_domain))
    foreign = replace(DOMAIN, registry=STRANGER.address)
    foreign_text = file_text(published_score(FakeChain(), domain=foreign, key=OTHER_KEY))
    good = edited(lambda document: None)
    good_file = golden_file()
    second = present(good_file, OPENED, SECOND_WALLET.address).to_json()
    unpublished = file_text(sign_score(17))
    end = good_file.typed_data.message.valid_until
    begin = good_file.typed_data.message.valid_from
    score, bool_leaf, band = leaf_at("score"), leaf_at("scoreGte700"), leaf_at("band")
    leaf = ("disclosure", "leaves")
    struct = ("typedData", "message")
    return [
        Case("valid", "chain", S.VALID, good),
        Case("valid, every leaf opened", "chain", S.VALID, file_text(good_file, tuple(LEAF_TYPES))),
        Case("valid, one predicate opened", "chain", S.VALID, file_text(good_file, ("scoreGte700",))),
        Case("valid, the second wallet of the subject", "chain", S.VALID, second, holder="second wallet"),
        Case("valid, unpinned", "chain", S.VALID, good, trust="unpinned"),
        Case("valid, presented", "chain", S.VALID, shown_to(), holder="audience"),
        Case("valid, presented by a contract wallet", "chain", S.VALID, shown_to(kind="erc1271"), holder="audience"),
        Case("valid, at its first second", "chain", S.VALID, good, at=begin),
        Case("valid, at its last second", "chain", S.VALID, good, at=end - 1),
        Case(
            "valid, key revoked after the root",
            "chain",
            S.VALID,
            good,
            chain="key revoked after the root was published",
        ),
        Case("valid, flag accepted", "chain", S.VALID, flagged, "accepts reference position", "with a flagged score"),
        Case(
            "valid, signature only, not yet published",
            "chain",
            S.VALID,
            unpublished,
            chain="nothing published",
            policy="sig-only",
        ),
        Case("valid, real model on a live chain", "chain", S.VALID, live, "live chain, real", "live chain"),
        # format
        Case("not JSON", "json", S.MALFORMED, good[:-1]),
        Case("duplicate key", "json", S.MALFORMED, replaced_text('"flags":0', '"flags":1,"flags":0')),
        Case("exponent instead of an integer", "json", S.MALFORMED, replaced_text('"value":712', '"value":7.12e2')),
        Case("fraction instead of an integer", "json", S.MALFORMED, replaced_text('"value":712', '"value":712.0')),
        Case("minus zero", "json", S.MALFORMED, replaced_text('"flags":0', '"flags":-0')),
        Case("integer beyond 2**53", "json", S.MALFORMED, changed(*struct, "revocationIndex", to=2**53)),
        Case("the string false for a bool", "json", S.MALFORMED, changed(*leaf, bool_leaf, "value", to="false")),
        Case("0x2c8 for 712", "json", S.MALFORMED, changed(*leaf, score, "value", to="0x2c8")),
        Case("the string 712 for 712", "json", S.MALFORMED, changed(*leaf, score, "value", to="712")),
        Case("1 for true", "json", S.MALFORMED, changed(*leaf, bool_leaf, "value", to=1)),
        Case("another type for a name", "json", S.MALFORMED, changed(*leaf, score, "type", to="uint256")),
        Case("the type of another leaf", "json", S.MALFORMED, changed(*leaf, score, "type", to="string")),
        Case("unknown leaf", "json", S.MALFORMED, changed(*leaf, score, "name", to="income")),
        Case("score out of range", "json", S.MALFORMED, changed(*leaf, score, "value", to=851)),
        Case("unknown band", "json", S.MALFORMED, changed(*leaf, band, "value", to="AA")),
        Case("short salt", "json", S.MALFORMED, changed(*leaf, score, "salt", to="0x" + "11" * 31)),
        Case(
            "upper-case hexadecimal",
            "json",
            S.MALFORMED,
            edited(lambda d: put(d, ("holder", "wallet"), hexed(BORROWER.address).upper().replace("0X", "0x"))),
        ),
        Case("unknown field", "json", S.MALFORMED, edited(lambda d: put(d, ("comment",), "hello"))),
        Case("missing field", "json", S.MALFORMED, edited(drop_as_of)),
        Case("another format version", "json", S.MALFORMED, changed("format", to="bonafides-presentation/2")),
        Case(
            "another domain name", "json", S.MALFORMED, changed("typedData", "domain", "name", to="CreditScoreRegistry")
        ),
        Case("a holder file", "json", S.MALFORMED, good_file.to_json()),
        Case(
            "64-byte signature",
            "json",
            S.MALFORMED,
            edited(lambda d: put(d, ("signature", "value"), str(get(d, ("signature", "value")))[:-2])),
        ),
        Case("as-of blocks out of order", "json", S.MALFORMED, edited(turn_blocks_around)),
        # trust
        Case("another chain id", "abi", S.UNTRUSTED_ISSUER, changed("typedData", "domain", "chainId", to=1)),
        Case("self-consistent forgery under a foreign registry and key", "abi", S.UNTRUSTED_ISSUER, foreign_text),
        Case("unknown model", "abi", S.UNTRUSTED_MODEL, good, "other model"),
        Case("reference position not accepted", "abi", S.FLAG_NOT_ACCEPTED, flagged, chain="with a flagged score"),
        Case(
            "synthetic model on a live chain",
            "abi",
            S.SYNTHETIC_ON_LIVE_CHAIN,
            live,
            "live chain, synthetic",
            "live chain",
        ),
        # signature
        Case("one bit of the score's struct flipped", "abi", S.BAD_SIGNATURE, flipped(*struct, "subject")),
        Case("a later end", "abi", S.BAD_SIGNATURE, changed(*struct, "validUntil", to=end + 1)),
        Case("another revocation index", "abi", S.BAD_SIGNATURE, changed(*struct, "revocationIndex", to=18)),
        Case("another commitment", "abi", S.BAD_SIGNATURE, flipped(*struct, "commitment")),
        Case("high s", "abi", S.BAD_SIGNATURE, edited(high_s)),
        Case(
            "v of 29",
            "abi",
            S.BAD_SIGNATURE,
            edited(lambda d: put(d, ("signature", "value"), str(get(d, ("signature", "value")))[:-2] + "1d")),
        ),
        Case("a bit of the signature flipped", "abi", S.BAD_SIGNATURE, flipped("signature", "value", digit=20)),
        Case("signature of zeros", "abi", S.BAD_SIGNATURE, changed("signature", "value", to="0x" + "00" * 64 + "1b")),
        Case(
            "another key, under its own name",
            "abi",
            S.UNTRUSTED_KEY,
            self_published(),
            chain="unsigned leaves published",
        ),
        Case(
            "another key, under the attester's name",
            "abi",
            S.BAD_SIGNATURE,
            edited(lambda d: put(d, ("signature", "signer"), hexed(ATTESTER.address)), json.loads(self_published())),
            chain="unsigned leaves published",
        ),
        Case("the lender pins another key", "abi", S.UNTRUSTED_KEY, good, "other pin"),
        Case(
            "a root published over unsigned leaves",
            "chain",
            S.UNTRUSTED_KEY,
            self_published(),
            "unpinned",
            "unsigned leaves published",
        ),
        Case("key unknown to the registry", "chain", S.UNTRUSTED_KEY, good, chain="no keys"),
        Case("issued before the key's life", "chain", S.UNTRUSTED_KEY, good, chain="key began after the issue"),
        Case(
            "published after the key's life",
            "chain",
            S.UNTRUSTED_KEY,
            edited(lambda d: None),
            chain="key ended before the root",
        ),
        Case(
            "key revoked when the root was published",
            "chain",
            S.KEY_REVOKED,
            good,
            chain="key revoked when the root was published",
        ),
        Case(
            "key revoked, not published",
            "chain",
            S.KEY_REVOKED,
            unpublished,
            chain="key revoked after the root was published",
            policy="sig-only",
        ),
        # disclosure
        Case("another score", "abi", S.BAD_DISCLOSURE, changed(*leaf, score, "value", to=713)),
        Case("a predicate turned", "abi", S.BAD_DISCLOSURE, changed(*leaf, bool_leaf, "value", to=False)),
        Case("another salt", "abi", S.BAD_DISCLOSURE, flipped(*leaf, score, "salt")),
        Case("swapped name", "abi", S.BAD_DISCLOSURE, edited(swap_leaf_names)),
        Case("an empty disclosure with proof = [root]", "abi", S.BAD_DISCLOSURE, edited(empty_disclosure)),
        Case("a leaf twice", "abi", S.BAD_DISCLOSURE, edited(duplicate_leaf)),
        Case("a leaf missing from the multiproof", "abi", S.BAD_DISCLOSURE, edited(drop_leaf)),
        Case("truncated multiproof", "abi", S.BAD_DISCLOSURE, truncate("disclosure", "proof")),
        Case("truncated flags", "abi", S.BAD_DISCLOSURE, truncate("disclosure", "proofFlags")),
        Case("a predicate that contradicts the score", "abi", S.BAD_DISCLOSURE, signed_contradiction()),
        Case("another as-of block", "json", S.BAD_DISCLOSURE, changed("asOf", 0, "number", to=21_000_001)),
        # holder
        Case("shown by someone else", "abi", S.HOLDER_MISMATCH, good, holder="stranger"),
        Case(
            "a wallet that is not in the subject",
            "abi",
            S.HOLDER_MISMATCH,
            changed("holder", "wallet", to=hexed(STRANGER.address)),
            holder="stranger",
        ),
        Case("truncated subject proof", "abi", S.HOLDER_MISMATCH, truncate("holder", "proof")),
        Case("no holder given", "json", S.HOLDER_UNCHECKED, good, holder=None),
        Case("not presented to anybody", "json", S.HOLDER_MISMATCH, good, holder="audience"),
        Case(
            "presented to another audience",
            "json",
            S.AUDIENCE_MISMATCH,
            shown_to(said=message(audience="https://other.example")),
            holder="audience",
        ),
        Case(
            "presented again with an old nonce",
            "json",
            S.AUDIENCE_MISMATCH,
            shown_to(said=message(nonce=Digest(bytes(32)))),
            holder="audience",
        ),
        Case(
            "audience changed after signing",
            "json",
            S.HOLDER_MISMATCH,
            shown_to(signed=message(audience="https://other.example")),
            holder="audience",
        ),
        Case("presented by another key", "json", S.HOLDER_MISMATCH, shown_to(STRANGER), holder="audience"),
        Case("presented in another domain", "json", S.HOLDER_MISMATCH, shown_to(domain=live_domain), holder="audience"),
        Case("presentation at its expiry", "json", S.PRESENTATION_EXPIRED, shown_to(), holder="audience", at=NOW + 300),
        Case(
            "contract wallet refuses", "chain", S.HOLDER_MISMATCH, shown_to(STRANGER, kind="erc1271"), holder="audience"
        ),
        Case(
            "contract wallet without a chain",
            "json",
            S.NEEDS_CHAIN,
            shown_to(kind="erc1271"),
            holder="audience",
            chain=None,
        ),
        # time
        Case("one second too early", "abi", S.NOT_YET_VALID, good, at=begin - 1),
        Case("at its end", "abi", S.EXPIRED, good, at=end),
        Case("expired, and no holder given", "json", S.EXPIRED, good, holder=None, at=end),
        # root
        Case("not published", "json", S.NOT_INCLUDED, unpublished),
        Case("truncated inclusion proof", "abi", S.NOT_INCLUDED, truncate("inclusion", "proof")),
        Case("an inner node as leaf", "abi", S.NOT_INCLUDED, edited(node_as_leaf)),
        Case("the root of another batch", "abi", S.NOT_INCLUDED, flipped("inclusion", "root")),
        Case(
            "an index that the root does not own", "chain", S.NOT_INCLUDED, other_index(), chain="stray index published"
        ),
        Case("a root that owns fewer indexes", "chain", S.NOT_INCLUDED, good, chain="root owns fewer indexes"),
        Case("no node", "json", S.ROOT_UNCHECKED, good, chain=None),
        Case("no node, signature only", "json", S.ROOT_UNCHECKED, good, chain=None, policy="sig-only"),
        Case("no node, no pinned key", "json", S.ROOT_UNCHECKED, good, "unpinned", None),
        Case("root never published", "chain", S.ROOT_UNKNOWN, good, chain="nothing published"),
        Case("root not final", "chain", S.ROOT_UNKNOWN, good, chain="root not final"),
        # revocation
        Case("revoked", "chain", S.REVOKED, good, chain="index revoked"),
        Case("revoked, signature only", "chain", S.REVOKED, good, chain="index revoked", policy="sig-only"),
    ]
