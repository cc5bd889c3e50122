"""The market's course, day by day, on any chain: prices move, liquidators act, borrowers decide.

```
 day d ── price block ── liquidation blocks, until nothing is left to liquidate ── borrowers' blocks, spread over it ──►
          00:00          00:01, 00:02 …                                            01:00 … 23:00
          (in rough conditions again every 280 s for each step of a big move)
```
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bonafides.types import Address

from bonafides_lab.market import methods
from bonafides_lab.market.actions import Action, Verb, transaction_of
from bonafides_lab.market.calldata import words
from bonafides_lab.market.chain import Chain
from bonafides_lab.market.conditions import SMOOTH, Conditions
from bonafides_lab.market.decisions import decide, looks_today, wake_up
from bonafides_lab.market.deployment import Deployment
from bonafides_lab.market.habits import Borrower
from bonafides_lab.market.intraday import steps_between
from bonafides_lab.market.liquidations import LIQUIDATABLE_BELOW, find_liquidations
from bonafides_lab.market.memory import Memory
from bonafides_lab.market.positions import DUST_USD, Book, Quotes, read_quotes
from bonafides_lab.market.prices import PricePath
from bonafides_lab.market.reserves import RESERVES, STABLE_RESERVES
from bonafides_lab.market.tally import OUTCOME_DAYS, Tally
from bonafides_lab.market.wallets import wallet_of

DAY_S = 86_400
MOST_LIQUIDATION_ROUNDS = 5
ROUNDS_BETWEEN_STEPS = 2
LIQUIDATION_ROUND_S = 60
PRICE_STEP_S = 280
"""Between the steps of a big move: twelve of them and all their rounds fit before the borrowers' first block."""
BORROWERS_START_S = 3_600
BORROWERS_END_S = 82_800
MOST_ACTIONS_PER_BLOCK = 40
FEED_DEVIATION = 0.001
"""A feed posts a price that moved by this share, as Chainlink's do (their thresholds: .1 to .5 %)."""
DEPTH_OF_STABLES = 1.0
DEPTH_OF_VOLATILES = 0.5
"""What the big lenders supply of each asset, as a share of all borrowers' wealth; it keeps utilisation near a half."""
LIQUIDATORS = 3
BIG_LENDERS = 3
FUNDS_USD = 10**13
"""What each wallet is minted of a token when it first pays in it: tokens of a test market cost nothing."""


class MarketRun:
    """One market in progress."""

    def __init__(
        self,
        chain: Chain,
        deployment: Deployment,
        people: Sequence[Borrower],
        path: PricePath,
        *,
        seed: int,
        start_timestamp: int,
        actions_per_block: int = MOST_ACTIONS_PER_BLOCK,
        conditions: Conditions = SMOOTH,
    ) -> None:
        self._chain = chain
        self._actions_per_block = actions_per_block
        self._deployment = deployment
        self._people = list(people)
        self._changes: dict[int, list[int]] = {}
        for number, person in enumerate(people):
            if person.later is not None:
                self._changes.setdefault(person.changes_on_day, []).append(number)
        self._path = path
        self._conditions = conditions
        self._start = start_timestamp
        self._book = Book(deployment)
        self._memories = [Memory() for _ in people]
        self._dice = [random.Random(f"days/{seed}/{person.index}") for person in people]  # noqa: S311  repeatable
        self._order = random.Random(f"order/{seed}")  # noqa: S311
        self._luck = random.Random(f"liquidators/{seed}")  # noqa: S311
        self._posted = list(path.days[0])
        self._funded: set[tuple[Address, int]] = set()
        self._day = 0
        self._liquidated_today: set[Address] = set()
        self._wealth_usd = sum(person.habits.wealth_usd for person in people)
        self.liquidators = [wallet_of(seed, f"liquidator/{number}") for number in range(LIQUIDATORS)]
        self.big_lenders = [wallet_of(seed, f"lender/{number}") for number in range(BIG_LENDERS)]
        self.tally = Tally()
        chain.fund([*self.liquidators, *self.big_lenders, *self._wallets_of_people()])

    @property
    def book(self) -> Book:
        """The holdings as last read."""
        return self._book

    def _wallets_of_people(self) -> Iterable[Address]:
        for person in self._people:
            yield person.address
            if person.companion is not None:
                yield person.companion

    def open_market(self) -> None:
        """The big lenders come first: without them there is nothing to borrow."""
        quotes = self._quotes()
        actions = [
            self._lend(lender, reserve, quotes) for lender in self.big_lenders for reserve in range(len(RESERVES))
        ]
        self._mine(actions, self._deployment.ready_timestamp + LIQUIDATION_ROUND_S)

    def _lend(self, lender: Address, reserve: int, quotes: Quotes) -> Action:
        """One big lender's share of a reserve's depth, at today's price."""
        depth = DEPTH_OF_STABLES if reserve in STABLE_RESERVES else DEPTH_OF_VOLATILES
        usd = depth * self._wealth_usd / len(self.big_lenders)
        return Action(Verb.SUPPLY, lender, reserve, quotes.base_units(reserve, usd))

    def _lend_where_scarce(self, quotes: Quotes) -> list[Action]:
        """High rates draw lenders: who comes next lends where less than a share's half is left to borrow."""
        requests = [(reserve.token, methods.BALANCE_OF(reserve.a_token)) for reserve in self._deployment.reserves]
        lender = self.big_lenders[self._day % len(self.big_lenders)]
        actions = []
        for reserve, answer in enumerate(self._chain.calls(requests)):
            share = self._lend(lender, reserve, quotes)
            if words(answer)[0] < share.amount // 2:
                actions.append(share)
        return actions

    def play_day(self, day: int) -> None:
        """One day, from its price to its last transaction."""
        self._day = day
        midnight = self._start + day * DAY_S
        self._liquidated_today.clear()
        self._change_habits(day)
        self._move_prices(day, midnight)
        quotes = self._quotes()
        if day % OUTCOME_DAYS == 0:
            self.tally.debtors_on[day] = frozenset(self._book.indebted_wallets())
        actions_of_people: list[Sequence[Action]] = []
        scarce = self._lend_where_scarce(quotes)
        if scarce:
            self._mine(scarce, midnight + BORROWERS_START_S - LIQUIDATION_ROUND_S)
        for number, person in enumerate(self._people):
            memory, dice = self._memories[number], self._dice[number]
            wakes = person.habits.wakes
            wakes_up = wakes > 0 and person.address in self._liquidated_today and dice.random() < wakes
            if not wakes_up and not looks_today(person, memory, day, dice, quotes.recent_fall):
                continue
            standing = self._book.standing(person.address, quotes)
            if wakes_up:
                decision = wake_up(person, standing, memory, quotes, day)
            else:
                decision = decide(person, standing, memory, quotes, day, dice)
            self._memories[number] = decision.memory
            if decision.actions:
                actions_of_people.append(decision.actions)
        self._order.shuffle(actions_of_people)
        self._mine_through_the_day(actions_of_people, midnight)

    def _change_habits(self, day: int) -> None:
        for number in self._changes.get(day, ()):
            person = self._people[number]
            if person.later is not None:
                self._people[number] = replace(person, habits=person.later)

    def _move_prices(self, day: int, midnight: int) -> None:
        """The day's price, at once or in steps; after each the liquidators look at what is under water."""
        rows = [self._path.days[day]]
        if self._conditions.intraday and day > 0:
            rows = steps_between(self._path.days[day - 1], self._path.days[day], self._luck)
        smallest_profit = self._conditions.smallest_profit_usd(self._path.recent_fall(day), self._luck)
        for number, row in enumerate(rows, start=1):
            start = midnight + (number - 1) * PRICE_STEP_S
            self._post_prices(row, start)
            rounds = MOST_LIQUIDATION_ROUNDS if number == len(rows) else ROUNDS_BETWEEN_STEPS
            self._liquidate(self._quotes(), start, rounds, smallest_profit)

    def close_market(self, end_timestamp: int) -> None:
        """A last block, exactly at `end_timestamp`: the feeds say their prices once more, as a heartbeat does."""
        self._post_prices(self._posted, end_timestamp, heartbeat=True)

    def wallets_with_bad_debt(self) -> int:
        """Wallets that owe something and have nothing left that could be seized, at the prices last posted."""
        quotes = self._quotes()
        standings = [self._book.standing(wallet, quotes) for wallet in self._book.indebted_wallets()]
        return sum(1 for one in standings if one.total_debt_usd > DUST_USD and one.liquidation_capacity_usd <= DUST_USD)

    def _quotes(self) -> Quotes:
        return read_quotes(self._chain, self._deployment, self._posted, self._path.recent_fall(self._day))

    def _post_prices(self, prices: Sequence[int], timestamp: int, *, heartbeat: bool = False) -> None:
        moved = [
            reserve
            for reserve, price in enumerate(prices)
            if heartbeat or abs(price - self._posted[reserve]) >= FEED_DEVIATION * self._posted[reserve]
        ]
        self._chain.open_block(timestamp)
        for reserve in moved:
            self._posted[reserve] = prices[reserve]
            feed = self._deployment.reserves[reserve].feed
            self._chain.send(self._deployment.admin, feed, methods.SET_PRICE(prices[reserve]))
        self.tally.set_up += len(moved)
        self._chain.close_block()

    def _liquidate(self, quotes: Quotes, start: int, rounds: int, smallest_profit_usd: float) -> None:
        most = self._conditions.most_calls(len(self._people))
        late_chance = self._conditions.late_chance
        for round_number in range(1, rounds + 1):
            under_water = self._book.under_water(quotes, LIQUIDATABLE_BELOW)
            if late_chance > 0:
                under_water = [one for one in under_water if self._luck.random() >= late_chance]
            calls = find_liquidations(
                under_water,
                self.liquidators,
                self.tally.liquidations,
                smallest_profit_usd=smallest_profit_usd,
                most=most,
            )
            if not calls:
                return
            self._mine(calls, start + round_number * LIQUIDATION_ROUND_S)

    def _mine_through_the_day(self, groups: Sequence[Sequence[Action]], midnight: int) -> None:
        """Blocks of whole groups (what one borrower sends in one go), spread evenly over the day."""
        blocks: list[list[Action]] = []
        for group in groups:
            if not blocks or len(blocks[-1]) + len(group) > self._actions_per_block:
                blocks.append([])
            blocks[-1] += group
        step = (BORROWERS_END_S - BORROWERS_START_S) // max(1, len(blocks))
        for number, actions in enumerate(blocks):
            self._mine(actions, midnight + BORROWERS_START_S + number * step)

    def _mine(self, actions: Sequence[Action], timestamp: int) -> None:
        self._chain.open_block(timestamp)
        place_of: list[int] = []
        sent = 0
        for action in actions:
            if action.pays_in_tokens and (action.sender, action.reserve) not in self._funded:
                sent += self._fund(action.sender, action.reserve)
            self._chain.send(action.sender, *transaction_of(action, self._deployment))
            place_of.append(sent)
            sent += 1
        block = self._chain.close_block()
        touched: list[tuple[Address, int]] = []
        for action, place in zip(actions, place_of, strict=True):
            touched += action.touches
            if block.succeeded[place]:
                self._note_success(action)
            else:
                self.tally.reverted[action.verb] += 1
        self._book.refresh(self._chain, touched)

    def _fund(self, wallet: Address, reserve: int) -> int:
        """Mint to the wallet, by itself, so that its own nonces order the three; returns how many were sent."""
        token, spec = self._deployment.reserves[reserve].token, RESERVES[reserve]
        units = int(FUNDS_USD / spec.start_price_usd) * 10**spec.decimals
        self._chain.send(wallet, token, methods.MINT(units))
        self._chain.send(wallet, token, methods.APPROVE(self._deployment.pool, 2**256 - 1))
        self._funded.add((wallet, reserve))
        self.tally.set_up += 2
        return 2

    def _note_success(self, action: Action) -> None:
        self.tally.succeeded[action.verb] += 1
        if action.verb in (Verb.LIQUIDATE, Verb.LIQUIDATE_FOR_ATOKENS) and action.other is not None:
            self.tally.liquidated[action.other] += 1
            self.tally.liquidated_on.append((self._day, action.other))
            self._liquidated_today.add(action.other)
