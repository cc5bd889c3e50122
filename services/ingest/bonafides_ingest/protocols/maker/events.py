"""The events and logged calls of Maker that are read, with their codecs. The ABI stands in `decoders/abi/`."""

from bonafides.types import Address, Digest

from bonafides_ingest.decoders import EventCodec, load_codec
from bonafides_ingest.decoders.notes import NoteCodec, load_note_codec

_FILE, _NOTES, _MANAGER = "maker.json", "maker_notes.json", "maker_cdp_manager.json"

type _A = Address

# Vat, by the calldata of its functions
INIT: NoteCodec[tuple[Digest]] = load_note_codec(_NOTES, "Vat", "init(bytes32)")
"""ilk: it begins with a rate of one ray"""
FOLD: NoteCodec[tuple[Digest, _A, int]] = load_note_codec(_NOTES, "Vat", "fold(bytes32,address,int256)")
"""i (ilk), u (who gets the fee), rate (ray, added to the ilk's rate)"""
FROB: NoteCodec[tuple[Digest, _A, _A, _A, int, int]] = load_note_codec(
    _NOTES, "Vat", "frob(bytes32,address,address,address,int256,int256)"
)
"""i (ilk), u (urn), v (whose collateral), w (whose DAI), dink, dart (wad)"""
FORK: NoteCodec[tuple[Digest, _A, _A, int, int]] = load_note_codec(
    _NOTES, "Vat", "fork(bytes32,address,address,int256,int256)"
)
"""ilk, src, dst, dink, dart (wad): what goes from one urn to the other"""
GRAB: NoteCodec[tuple[Digest, _A, _A, _A, int, int]] = load_note_codec(
    _NOTES, "Vat", "grab(bytes32,address,address,address,int256,int256)"
)
"""i (ilk), u (urn), v (who gets the collateral), w (who gets the debt), dink, dart (wad)"""

# Dog, Clipper: liquidations since 2021
CLIP_FILED: EventCodec[tuple[Digest, Digest, _A]] = load_codec(_FILE, "File")
"""ilk, what, clip"""
BARK: EventCodec[tuple[Digest, _A, int, int, int, _A, int]] = load_codec(_FILE, "Bark")
"""ilk, urn, ink (wad), art (wad), due (rad), clip, id"""
KICK: EventCodec[tuple[int, int, int, int, _A, _A, int]] = load_codec(_FILE, "Kick")
"""id, top (ray), tab (rad, with the penalty), lot (wad), usr (urn), kpr, coin (rad)"""
TAKE: EventCodec[tuple[int, int, int, int, int, int, _A]] = load_codec(_FILE, "Take")
"""id, max (ray), price (ray), owe (rad), tab (rad, still to get), lot (wad, still to sell), usr (urn)"""

# Cat: liquidations before that
BITE: EventCodec[tuple[Digest, _A, int, int, int, _A, int]] = load_codec(_FILE, "Bite")
"""ilk, urn, ink (wad), art (wad), tab (rad, the debt without penalty), flip, id"""

# Spotter
POKE: EventCodec[tuple[Digest, Digest, int]] = load_codec(_FILE, "Poke")
"""ilk, val (wad, USD a unit), spot (ray; 0 where the price is unknown)"""

# CdpManager
NEW_CDP: EventCodec[tuple[_A, _A, int]] = load_codec(_MANAGER, "NewCdp")
"""usr (who called), own, cdp"""
GIVE: NoteCodec[tuple[_A, int, _A]] = load_note_codec(_NOTES, "DssCdpManager", "give(uint256,address)")
"""caller, cdp, dst"""
