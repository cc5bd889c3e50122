#!/usr/bin/env python3
"""Write what the services need of the compiled registry: its ABI and its creation code.

    python script/export_artifact.py <path of forge>          writes the committed file
    python script/export_artifact.py <path of forge> --check  compares it; exit 1 when it differs

Only `src` is compiled, in a folder of its own, so that tests and earlier builds cannot change a byte.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

CONTRACTS = Path(__file__).resolve().parents[1]
ARTIFACT = CONTRACTS.parent / "bonafides_attestation" / "abi" / "CreditScoreRegistry.json"


def build_artifact(forge: str) -> str:
    """Compile, and return the committed file's text."""
    with tempfile.TemporaryDirectory(prefix="bonafides-contracts-") as folder:
        output = Path(folder) / "out"
        command = [forge, "build", "--skip", "test", "--skip", "script", "--out", str(output)]
        command += ["--cache-path", str(Path(folder) / "cache")]
        subprocess.run(command, cwd=CONTRACTS, check=True, capture_output=True, timeout=300)  # noqa: S603 our own argv
        built = json.loads((output / "CreditScoreRegistry.sol" / "CreditScoreRegistry.json").read_text())
    metadata = built["metadata"]
    found = {
        "contractName": "CreditScoreRegistry",
        "compiler": metadata["compiler"]["version"],
        "evmVersion": metadata["settings"]["evmVersion"],
        "optimizerRuns": metadata["settings"]["optimizer"]["runs"],
        "viaIR": metadata["settings"]["viaIR"],
        "abi": built["abi"],
        "bytecode": built["bytecode"]["object"],
    }
    return json.dumps(found, indent=1) + "\n"


def main() -> int:
    """Write or compare."""
    rendered = build_artifact(sys.argv[1])
    if "--check" in sys.argv[2:]:
        return 0 if ARTIFACT.read_text() == rendered else 1
    ARTIFACT.write_text(rendered)
    return 0


if __name__ == "__main__":
    sys.exit(main())
