"""Runs `bonafides` as an operator would, in a process of its own."""

import subprocess
import sys

from bonafides.errors import Unavailable

PROGRAM = [sys.executable, "-c", "from bonafides.command_line import main; main()"]


def run_command(*arguments: str) -> None:
    """Run one command on this terminal. Raises Unavailable when it does not end well."""
    if subprocess.run([*PROGRAM, *arguments], check=False).returncode:
        raise Unavailable(f"bonafides {' '.join(arguments[:2])} did not finish; its own words stand above")
