"""secp256k1 signatures: 65 bytes r ‖ s ‖ v, low s only, v of 27 or 28."""

import coincurve

from bonafides.errors import InvalidInput
from bonafides.hashing import keccak
from bonafides.types import Address, Digest

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_HALF_ORDER = _ORDER // 2
SIGNATURE_BYTES = 65


def recover_signer(digest: Digest, signature: bytes) -> Address:
    """The address whose key made this signature over this digest.

    High s is refused: it would be a second signature with the same meaning, made by anybody (EIP-2).

    Raises:
        InvalidInput: not 65 bytes, v is not 27 or 28, s is high, or no key fits.
    """
    if len(signature) != SIGNATURE_BYTES:
        raise InvalidInput(f"a signature has 65 bytes, saw {len(signature)}")
    v = signature[64]
    if v not in (27, 28):
        raise InvalidInput(f"the last byte of a signature is 27 or 28, saw {v}")
    if int.from_bytes(signature[32:64]) > _HALF_ORDER:
        raise InvalidInput("the signature has a high s: normalise it to the lower half of the curve order")
    recoverable = signature[:64] + bytes([v - 27])
    try:
        key = coincurve.PublicKey.from_signature_and_message(recoverable, digest, hasher=None)
    except Exception as exc:  # coincurve raises a bare Exception when no key fits
        raise InvalidInput("no key fits this signature") from exc
    return Address(keccak(key.format(compressed=False)[1:])[12:])
