"""A lender needs the base install alone."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.unit

# What the extras bring, and our own services: none may be needed to verify.
FOREIGN = ("web3", "kafka", "sqlmodel", "sqlalchemy", "psycopg", "fastapi", "xgboost", "numpy", "structlog", "fastavro")
PROGRAM = """
import sys
import bonafides.verify.commands
loaded = {name.partition(".")[0] for name in sys.modules}
print(sorted(loaded & set(sys.argv[1:]) | {name for name in loaded if name.startswith("bonafides_")}))
"""


def test_import__verifier_and_command__load_no_extra() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *FOREIGN], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.strip() == "[]"
