"""What lots and their money must do, written anew from the design and as plainly as can be: from
the list of what was accepted alone. Nothing of the services' rules is used but the increments."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from services.auctions.increments import default_increments

START = datetime(2100, 1, 1, tzinfo=UTC)
STEP = default_increments("USD")
SEALED = "SEALED_SECOND_PRICE"
TERMS = {
    "ENGLISH": {"soft_close_window_s": 120, "soft_close_extension_s": 180},
    SEALED: {"soft_close_window_s": 0, "soft_close_extension_s": 0},
    "DUTCH": {
        "soft_close_window_s": 0,
        "soft_close_extension_s": 0,
        "price_step_minor": 7,
        "step_interval_s": 120,
        "floor_minor": 30,
    },
}


class LotModel:
    """A lot from 1.00 USD that is open, once it is, from `start` to `end`."""

    def __init__(self, format, reserve, buy_now, *, start=START, minutes=30, opened=True):
        self.format, self.reserve, self.buy_now = format, reserve, buy_now
        self.start, self.end = start, start + timedelta(minutes=minutes)
        self.opened = opened
        self.bids = []  # (bidder, maximum)
        self.extensions = 0
        self.over = None  # (status, winner, price)

    def ranked(self):
        """Leader, their maximum, the best of the others."""
        order = sorted(range(len(self.bids)), key=lambda i: (-self.bids[i][1], i))
        leader, best = self.bids[order[0]]
        return leader, best, max((m for who, m in self.bids if who != leader), default=None)

    def price(self, now):
        if self.format == "DUTCH":
            return max(100 - 7 * ((now - self.start) // timedelta(seconds=120)), 30)
        if not self.bids:
            return None
        _, best, second = self.ranked()
        met = self.reserve is not None and best >= self.reserve
        if self.format == "ENGLISH" and second is not None:
            second = min(best, second + STEP.at(second))
        return max(100, second or 0, self.reserve if met else 0)

    def shown(self, now):
        """The price in the row while it is not over."""
        return self.price(now) if self.format == "ENGLISH" and self.bids else 100

    def least(self, who, now):
        own = max((m for bidder, m in self.bids if bidder == who), default=None)
        if self.format == "DUTCH":
            return self.price(now)
        if self.format == SEALED:
            return 100 if own is None else own + 1
        if not self.bids:
            return 100
        least = self.price(now) + STEP.at(self.price(now))
        return max(least, own + 1) if self.ranked()[0] == who else least

    def refusal(self, who, maximum, now):
        """The code of what the rules refuse an offer with, or None."""
        if self.over or not self.start <= now < self.end:
            return "AUCTION_NOT_OPEN"
        return "BID_TOO_LOW" if maximum < self.least(who, now) else None

    def bid(self, who, maximum, now):
        """Take an offer; the code of the refusal, or None."""
        refusal = self.refusal(who, maximum, now)
        if refusal is None:
            self.bids.append((who, maximum))
            if self.format == "DUTCH":
                self.over = ("SOLD", who, self.price(now))
            elif self.format == "ENGLISH" and now >= self.end - timedelta(seconds=120):
                self.extensions += now + timedelta(seconds=180) > self.end
                self.end = max(self.end, now + timedelta(seconds=180))
        return refusal

    def buyable(self):
        met = self.bids and (self.reserve is None or self.ranked()[1] >= self.reserve)
        return self.buy_now is not None and not met

    def buy(self, who, now):
        if self.over or not self.start <= now < self.end:
            return "AUCTION_NOT_OPEN"
        if not self.buyable():
            return "BUY_NOW_GONE"
        self.over = ("SOLD", who, self.buy_now)
        return None

    def close(self, now):
        if self.over or now < self.end:
            return False
        price = self.price(now)
        if not self.bids:
            self.over = ("UNSOLD", None, 100)
        elif self.reserve is not None and self.ranked()[1] < self.reserve:
            self.over = ("UNSOLD", None, price)
        else:
            self.over = ("SOLD", self.ranked()[0], price)
        return True


class HouseModel:
    """Several lots of one seller and one product, and the money of all: `balance` of each person,
    `held` by (lot, person), what the platform got, the orders, and how many are in stock."""

    def __init__(self, seller, balance, stock):
        self.seller, self.balance, self.stock = seller, dict(balance), stock
        self.held, self.frozen = {}, set()
        self.fees = 0
        self.lots, self.fee_points, self.orders = {}, {}, {}

    def held_of(self, who):
        return sum(amount for (_, holder), amount in self.held.items() if holder == who)

    def refused_means(self, lot, who, amount):
        """What is held on this very lot counts as free: the new hold replaces it."""
        if who in self.frozen:
            return "ACCOUNT_FROZEN"
        free = self.balance[who] - self.held_of(who) + self.held.get((lot, who), 0)
        return "INSUFFICIENT_FUNDS" if free < amount else None

    def release(self, lot):
        self.held = {key: amount for key, amount in self.held.items() if key[0] != lot}

    def due(self, lot, now):
        model = self.lots[lot]
        return not model.opened and not model.over and model.start <= now < model.end

    def open(self, lot, now):
        """Open a lot whose time has come; whether it opened."""
        if not self.due(lot, now):
            return False
        if not self.stock:
            self.lots[lot].over = ("CANCELLED", None, 100)
            return False
        self.stock -= 1
        self.lots[lot].opened = True
        return True

    def bid_all(self, lot, offers, now):
        """Offers of one batch, (person, maximum) each: the code of each one's refusal, or None."""
        model = self.lots[lot]
        if self.due(lot, now) and any(
            who != self.seller and model.refusal(who, maximum, now) is None
            for who, maximum in offers
        ):
            self.open(lot, now)
        return [self._bid(lot, who, maximum, now) for who, maximum in offers]

    def _bid(self, lot, who, maximum, now):
        model = self.lots[lot]
        refusal = model.refusal(who, maximum, now)
        if refusal != "AUCTION_NOT_OPEN" and who == self.seller:
            return "SELLER_CANNOT_BID"
        refusal = refusal or self.refused_means(lot, who, maximum)
        if refusal is None:
            model.bid(who, maximum, now)
            if model.format == SEALED:
                self.held[lot, who] = maximum
            else:
                self.release(lot)
                leader, best, _ = model.ranked()
                self.held[lot, leader] = best
            self._settle(lot)
        return refusal

    def buy(self, lot, who, price, now):
        model = self.lots[lot]
        if model.over or not model.start <= now < model.end or not (model.opened or self.stock):
            return "AUCTION_NOT_OPEN"
        if who == self.seller:
            return "SELLER_CANNOT_BID"
        if not model.buyable():
            return "BUY_NOW_GONE"
        if price != model.buy_now:
            return "PRICE_CHANGED"
        refusal = self.refused_means(lot, who, price)
        if refusal is None:
            self.open(lot, now)
            model.buy(who, now)
            self._settle(lot)
        return refusal

    def close(self, lot, now):
        done = self.lots[lot].close(now)
        if done:
            self._settle(lot)
        return done

    def cancel(self, lot, now, *, by):
        model = self.lots[lot]
        if by == "bidder":
            return "FORBIDDEN"
        if model.over or now >= model.end:
            return "AUCTION_NOT_OPEN"
        if by == "seller" and model.bids:
            return "FORBIDDEN"
        model.over = ("CANCELLED", None, model.shown(now))
        self._settle(lot)
        return None

    def _settle(self, lot):
        """What the end of a lot moves, if it is over."""
        model = self.lots[lot]
        if model.over is None:
            return
        status, winner, price = model.over
        self.release(lot)
        if status == "SOLD":
            fee = price * self.fee_points[lot] // 10_000
            self.balance[winner] -= price
            self.balance[self.seller] += price - fee
            self.fees += fee
            self.orders[lot] = (winner, price, fee)
        else:
            self.stock += model.opened

    def pay_in(self, who, amount):
        self.balance[who] += amount

    def pay_out(self, who, amount):
        if who in self.frozen:
            return "ACCOUNT_FROZEN"
        if self.balance[who] - self.held_of(who) < amount:
            return "INSUFFICIENT_FUNDS"
        self.balance[who] -= amount
        return None
