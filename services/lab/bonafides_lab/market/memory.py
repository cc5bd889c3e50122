"""What a borrower remembers, and what a decision is."""

from dataclasses import dataclass

from bonafides_lab.market.actions import Action


@dataclass(frozen=True, slots=True)
class Memory:
    """What a borrower knows beside the chain."""

    has_joined: bool = False
    cash_usd: float = 0.0
    """Own money outside the market, as of `cash_day`."""
    cash_day: int = 0
    last_repaid_day: int = 0
    closed_on_day: int | None = None
    """When he repaid everything; None while he has or wants debt."""
    episode_is_over: bool = False
    has_left: bool = False
    """For good, and with the money."""
    burnt_until_day: int = 0
    """Before it, nothing more is borrowed: the liquidation is remembered."""

    def on_day(self, day: int, cash_usd: float) -> "Memory":
        """The same with the cash of another day: written out, since `replace` is ten times slower and most days do no
        more than this."""
        return Memory(
            self.has_joined,
            cash_usd,
            day,
            self.last_repaid_day,
            self.closed_on_day,
            self.episode_is_over,
            self.has_left,
            self.burnt_until_day,
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """What to remember, and what to send, in this order."""

    memory: Memory
    actions: tuple[Action, ...] = ()
