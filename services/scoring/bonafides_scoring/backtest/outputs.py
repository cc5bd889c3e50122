"""Where a command may write: looked at before its work begins, so that no minutes end in a refusal."""

from collections.abc import Collection
from pathlib import Path

from bonafides.errors import InvalidInput


def check_out_file(out: Path, inputs: Collection[Path]) -> None:
    """Raises InvalidInput: the place of a file to write is a folder or a device, an input, or lies below a file."""
    if out.is_dir():
        raise InvalidInput(f"{out}: is a folder, expected the name of a file to write")
    if out.exists() and not out.is_file():
        raise InvalidInput(f"{out}: is neither a file nor free, expected the name of a file to write")
    for path in inputs:
        if out.exists() and path.exists() and out.samefile(path):
            raise InvalidInput(f"{out}: is an input of this command, expected another file to write")
    _check_above(out)


def check_out_folder(out: Path) -> None:
    """Raises InvalidInput: the place of a folder to write is a file, or lies below one."""
    if out.exists() and not out.is_dir():
        raise InvalidInput(f"{out}: is a file, expected a folder to write to")
    _check_above(out)


def _check_above(out: Path) -> None:
    above = next((parent for parent in out.absolute().parents if parent.exists()), None)
    if above is not None and not above.is_dir():
        raise InvalidInput(f"{above}: is a file, expected a folder to write {out.name} in")
