"""What can be wrong with a node: each class is a label of the error metric."""

from bonafides.errors import Unavailable


class RateLimited(Unavailable):
    """The provider asks to slow down: wait, never split the range."""


class RangeRefused(Unavailable):
    """The provider refuses this many blocks or logs at once: ask for fewer."""


class NodeLied(Unavailable):
    """The node's answers contradict each other: nothing of this window is used, and it is asked again."""
