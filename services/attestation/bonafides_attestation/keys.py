"""Keystore v3 files: the keys of attester and publisher at rest."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from bonafides.errors import InvalidInput, InvalidSettings
from bonafides.settings import read_secret
from bonafides.types import Address, address_text
from eth_account import Account
from eth_account.signers.local import LocalAccount

SCRYPT_N = 262_144  # of the keystore v3 definition: two seconds to open, once at the start


def new_keystore(file: Path, password: str, *, scrypt_n: int | None = None) -> Address:
    """Make a key and write it, encrypted, to a file that did not exist. Returns its address.

    Raises:
        InvalidInput: the file exists, or cannot be written. Nothing is ever overwritten: it may be the only copy.
    """
    if not password:
        raise InvalidInput("a keystore needs a password")
    account: LocalAccount = Account.create()
    encrypted = Account.encrypt(account.key, password, kdf="scrypt", iterations=scrypt_n or SCRYPT_N)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as exc:
        raise InvalidInput(f"{file} exists: a keystore is never overwritten; name another file") from exc
    except OSError as exc:
        raise InvalidInput(f"{file} cannot be written: {exc.strerror}") from exc
    with os.fdopen(handle, "w") as out:
        json.dump(encrypted, out)
    return keystore_address(encrypted)


def keystore_address(keystore: Mapping[str, object]) -> Address:
    """The address that a keystore names, without opening it."""
    raw = bytes.fromhex(str(keystore.get("address", "")).removeprefix("0x"))
    return Address(raw)


def read_keystore_address(file: Path) -> Address:
    """The address of a keystore file, without its password. Raises InvalidInput when it is no keystore."""
    try:
        address = keystore_address(json.loads(file.read_text()))
    except (OSError, ValueError, AttributeError) as exc:
        raise InvalidInput(f"{file} is no keystore file") from exc
    if len(address) != 20:
        raise InvalidInput(f"{file} names no address")
    return address


def open_keystore(file: Path | None, password_file: Path | None, name: str) -> bytes:
    """The secret key of a keystore file.

    Args:
        file: the keystore v3 file.
        password_file: file with its password.
        name: prefix of the settings, for the message: `BONAFIDES_ATTESTATION_ATTESTER` or `…_PUBLISHER`.

    Raises:
        InvalidSettings: a file that is missing or no keystore, or the wrong password; never shows either.
    """
    keystore = read_secret(file, f"{name}_KEYSTORE_FILE")
    password = read_secret(password_file, f"{name}_PASSWORD_FILE")
    try:
        secret = bytes(Account.decrypt(keystore, password))
    except (ValueError, KeyError, TypeError, AttributeError, NotImplementedError) as exc:
        raise InvalidSettings(f"{name}_KEYSTORE_FILE: not a keystore v3 file, or the password is wrong") from exc
    account: LocalAccount = Account.from_key(secret)
    named = keystore_address(json.loads(keystore))
    if named and address_text(named) != account.address.lower():
        raise InvalidSettings(f"{name}_KEYSTORE_FILE: the key inside is not the one that the file names")
    return secret
