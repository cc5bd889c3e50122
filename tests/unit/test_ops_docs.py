"""The documents, held to the code: links lead somewhere, commands exist, topics and roles are the real ones."""

import re
from pathlib import Path

import pytest
import typer
from bonafides.command_line import build_app
from bonafides.database import ROLES
from bonafides.process import EXIT_INVARIANT, EXIT_SETTINGS
from bonafides.topics import TOPICS
from bonafides.types import AdverseReason
from bonafides_scoring.web.texts import REASON_TEXTS
from typer.core import TyperGroup

pytestmark = pytest.mark.unit

REPOSITORY = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path for path in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").glob("*.md")] if path.stat().st_size
)
EACH = pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))


def _commands_in(text: str) -> list[list[str]]:
    """The `bonafides …` command lines of the fenced blocks, continued lines joined, comments left out."""
    found = []
    for block in re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if match := re.match(r"\s*(?:\$ )?(?:\.venv/bin/)?bonafides (.*?)(?:\s+#.*)?$", line):
                found.append(match[1].split())
    return found


def _complaint(words: list[str]) -> str | None:
    """What is wrong with a command line; None when its command and options exist."""
    command = typer.main.get_command(build_app(words))
    rest = list(words)
    while rest and isinstance(command, TyperGroup) and not rest[0].startswith("-"):
        following = command.commands.get(rest[0])
        if following is None:
            return f"no command {rest[0]!r} in bonafides {' '.join(words)}"
        command, rest = following, rest[1:]
    options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
    unknown = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in options | {"--help"}]
    return f"no option {unknown} in bonafides {' '.join(words)}" if unknown else None


@EACH
def test_links__to_files_of_the_repository__lead_somewhere(path: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", path.read_text())

    local = [target.partition("#")[0] for target in targets if "://" not in target and not target.startswith("#")]

    assert [target for target in local if not (path.parent / target).exists()] == []


@EACH
def test_commands__in_the_examples__exist_with_their_options(path: Path) -> None:
    complaints = [_complaint(words) for words in _commands_in(path.read_text())]

    assert [complaint for complaint in complaints if complaint] == []


def test_commands__in_operate__were_found() -> None:
    assert len(_commands_in((REPOSITORY / "docs" / "operate.md").read_text())) >= 5


def test_complaint__a_command_or_option_that_is_not_there__is_named() -> None:
    assert _complaint(["attestation", "kays", "new"]) is not None
    assert _complaint(["attestation", "keys", "new", "--outt", "x"]) is not None


def test_architecture__topics_roles_and_exit_codes__are_those_of_the_code() -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()

    named = set(re.findall(r"`([a-z-]+\.v\d)`", text))

    assert named == {topic.name for topic in TOPICS}
    assert all(f"`{role}`" in text for role in ROLES)
    assert str(EXIT_SETTINGS) in text
    assert str(EXIT_INVARIANT) in text


def test_security__database_roles__are_all_weighed() -> None:
    text = (REPOSITORY / "SECURITY.md").read_text()

    assert all(f"`{role}`" in text for role in ROLES)


def test_glossary__a_word__stands_there_once() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", (REPOSITORY / "docs" / "glossary.md").read_text(), flags=re.MULTILINE)
    words = [word.strip() for row in rows if row not in ("word", "---") for word in row.split(",")]

    assert len(words) > 50
    assert len(words) == len(set(words))


def test_glossary__reason_codes__are_all_there_with_the_words_of_the_page() -> None:
    text = (REPOSITORY / "docs" / "glossary.md").read_text()

    assert [f"| {reason.value} | {REASON_TEXTS[reason]} |" in text for reason in AdverseReason] == [True] * 15
