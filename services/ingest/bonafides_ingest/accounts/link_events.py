"""The events that say who owns an account, with their codecs. The ABI, with its sources, stands in `decoders/abi/`.

A Safe's events have the same signatures in every version, but some arguments became indexed: the number of topics tells
which form a log has.
"""

from bonafides.types import Address

from bonafides_ingest.decoders import EventCodec, load_codec
from bonafides_ingest.decoders.notes import NoteCodec, load_note_codec

_PROXY, _CDP, _OLD, _SAFE = "ds_proxy.json", "maker_cdp_manager.json", "safe_1_3.json", "safe_1_4.json"

type _A = Address

# DSProxy
DS_PROXY_CREATED: EventCodec[tuple[_A, _A, _A, _A]] = load_codec(_PROXY, "Created")
"""sender, owner, proxy, cache"""
LOG_SET_OWNER: EventCodec[tuple[_A]] = load_codec(_PROXY, "LogSetOwner")
"""owner"""

# Safe
PROXY_CREATION_1_3: EventCodec[tuple[_A, _A]] = load_codec(_OLD, "ProxyCreation")
"""proxy, singleton"""
PROXY_CREATION: EventCodec[tuple[_A, _A]] = load_codec(_SAFE, "ProxyCreation")
"""proxy, singleton"""
SAFE_SETUP: EventCodec[tuple[_A, tuple[_A, ...], int, _A, _A]] = load_codec(_SAFE, "SafeSetup")
"""initiator, owners, threshold, initializer, fallbackHandler; version 1.3.0 and later"""
ADDED_OWNER_1_3: EventCodec[tuple[_A]] = load_codec(_OLD, "AddedOwner")
"""owner"""
ADDED_OWNER: EventCodec[tuple[_A]] = load_codec(_SAFE, "AddedOwner")
"""owner"""
REMOVED_OWNER_1_3: EventCodec[tuple[_A]] = load_codec(_OLD, "RemovedOwner")
"""owner"""
REMOVED_OWNER: EventCodec[tuple[_A]] = load_codec(_SAFE, "RemovedOwner")
"""owner"""
CHANGED_THRESHOLD: EventCodec[tuple[int]] = load_codec(_SAFE, "ChangedThreshold")
"""threshold"""
CHANGED_MASTER_COPY: EventCodec[tuple[_A]] = load_codec(_SAFE, "ChangedMasterCopy")
"""singleton: the code that the Safe runs from here on"""

# Maker's CdpManager
NEW_CDP: EventCodec[tuple[_A, _A, int]] = load_codec(_CDP, "NewCdp")
"""usr (who called), own, cdp"""
GIVE: NoteCodec[tuple[_A, int, _A]] = load_note_codec("maker_notes.json", "DssCdpManager", "give(uint256,address)")
"""caller, cdp, dst"""
