"""What `--help` says, over the whole tree of commands: examples that can be run as they stand, and where to begin."""

import re
import shlex
from collections.abc import Iterator

import pytest
import typer
from bonafides.command_line import SUMMARIES, build_app
from typer.core import TyperCommand, TyperGroup

pytestmark = pytest.mark.unit

WIDTH = 78
"""What a terminal of 80 columns leaves for a line: a longer one is broken, and then cannot be pasted."""
OTHER_PROGRAMS = {"export", "echo", "anvil", "openssl"}
OUR_NAME = "bonafides"

type Command = TyperCommand | TyperGroup


def _walk(command: Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Command]]:
    yield path, command
    if isinstance(command, TyperGroup):
        for name, inner in command.commands.items():
            yield from _walk(_known(inner), (*path, name))


def _known(command: object) -> Command:
    assert isinstance(command, TyperCommand | TyperGroup)  # Typer makes no other
    return command


def _tree() -> dict[tuple[str, ...], Command]:
    tree: dict[tuple[str, ...], Command] = {(): _known(typer.main.get_command(build_app([])))}
    for name in SUMMARIES:
        group = typer.main.get_command(build_app([name]))
        assert isinstance(group, TyperGroup)
        tree |= dict(_walk(_known(group.commands[name]), (name,)))
    return tree


TREE = _tree()
LEAVES = [path for path, command in TREE.items() if not isinstance(command, TyperGroup)]
GROUPS = [path for path, command in TREE.items() if isinstance(command, TyperGroup)]
EACH_COMMAND = pytest.mark.parametrize("path", TREE, ids=lambda path: " ".join((OUR_NAME, *path)))
EACH_LEAF = pytest.mark.parametrize("path", LEAVES, ids=" ".join)
EACH_GROUP = pytest.mark.parametrize("path", GROUPS, ids=lambda path: " ".join((OUR_NAME, *path)))


def _text(command: Command) -> str:
    return f"{command.help or ''}\n\n{command.epilog or ''}"


def _words(command: Command) -> list[str]:
    """All that is shown of a command, beside names and defaults."""
    options = [str(getattr(parameter, "help", None) or "") for parameter in command.params]
    return [_text(command), command.short_help or "", *options]


def _example_lines(text: str) -> list[str]:
    """Lines that stand indented below `Example:` or `Examples:`, up to the next line that is not."""
    found: list[str] = []
    is_example = False
    for line in text.splitlines():
        if line.strip() in ("Example:", "Examples:"):
            is_example = True
        elif line and not line.startswith("  "):
            is_example = False
        elif is_example and line:
            found.append(line)
    return found


def _runs(lines: list[str]) -> list[list[str]]:
    """The words of each program that the lines start, without the variables before it."""
    runs = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|;", line):
            words = shlex.split(part)
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            runs.append(words)
    return runs


def _named(words: list[str]) -> tuple[str, ...]:
    """The command that the first words name. Raises when there is none."""
    for count in range(len(words) + 1):
        if tuple(words[:count]) in LEAVES:
            return tuple(words[:count])
    raise LookupError(f"no command: bonafides {' '.join(words)}")


def _leaf_of(words: list[str]) -> tuple[str, ...]:
    """The command that a command line of ours would run. Raises when it has no such option or lacks one."""
    path = _named(words)
    TREE[path].make_context(path[-1], words[len(path) :])
    return path


@EACH_LEAF
def test_help__command__has_an_example_of_itself(path: tuple[str, ...]) -> None:
    runs = _runs(_example_lines(_text(TREE[path])))

    assert path in [_leaf_of(words[1:]) for words in runs if words[:1] == [OUR_NAME]]


@EACH_COMMAND
def test_help__line_of_an_example__can_be_run_as_it_stands(path: tuple[str, ...]) -> None:
    for words in _runs(_example_lines(_text(TREE[path]))):
        assert words == [] or words[0] in (OUR_NAME, *OTHER_PROGRAMS)
        if words[:1] == [OUR_NAME]:
            _leaf_of(words[1:])


@EACH_COMMAND
def test_help__words__leave_nothing_out(path: tuple[str, ...]) -> None:
    assert [text for text in _words(TREE[path]) if "…" in text or "..." in text] == []


@EACH_COMMAND
def test_help__lines_at_eighty_columns__are_not_broken(path: tuple[str, ...]) -> None:
    # The first paragraph is set anew for any width; all other lines stand as they are.
    after_the_first = (TREE[path].help or "").partition("\n\n")[2]

    assert [line for line in after_the_first.splitlines() if len(line) > WIDTH] == []


@EACH_GROUP
def test_help__group__says_what_to_run_first(path: tuple[str, ...]) -> None:
    epilog = TREE[path].epilog or ""

    found = re.match(r"First: (bonafides [^,.;]*)", epilog)

    assert found is not None
    assert _named(shlex.split(found[1])[1:])


def test_help__tree__was_walked_to_its_leaves() -> None:
    assert ("ingest", "dlq", "replay") in LEAVES
    assert ("attestation", "keys") in GROUPS
    assert len(LEAVES) > 30


@pytest.mark.parametrize(
    "line", ["bonafides ingest hydrat 0x00", "bonafides ingest decode logs/ --out decoded/", "bonafides lab --train"]
)
def test_leaf_of__what_cannot_be_run__is_refused(line: str) -> None:
    with pytest.raises((LookupError, typer.exceptions.TyperException)):
        _leaf_of(shlex.split(line)[1:])


def test_runs__continued_and_joined_lines__are_told_apart() -> None:
    text = (
        "Words.\n\nExamples:\n\n  A=1 bonafides x \\\n      --y 2 && bonafides z\n  export B=1\n\nbonafides no example"
    )

    assert _runs(_example_lines(text)) == [["bonafides", "x", "--y", "2"], ["bonafides", "z"], ["export", "B=1"]]


def test_forge__words_after_its_own__are_forges() -> None:
    context = TREE[("lab", "forge")].make_context("forge", ["test", "-vv", "--help"])

    assert context.args == ["test", "-vv", "--help"]
