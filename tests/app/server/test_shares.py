"""What callers may hold of something that all of them need."""

import itertools
from collections.abc import Sequence

import pytest

from app.server.shares import Shares


def _held_by(takers: Sequence[str], total: int, each: int) -> dict[str, int]:
    """What callers get who take one by one, in turns, twice as often as there is something."""
    shares = Shares(total, each)
    held = dict.fromkeys(takers, 0)
    for who in itertools.islice(itertools.cycle(takers), 2 * total):
        held[who] += shares.take(who, 1)
    return held


@pytest.mark.parametrize("greedy", [1, 2, 3, 9])
def test_however_many_take_all_they_can_as_much_as_one_of_them_has_is_left(greedy: int) -> None:
    held = _held_by([str(number) for number in range(greedy)], 1000, 1000)
    assert set(held.values()) <= {1000 // (greedy + 1), 1000 // (greedy + 1) + 1}
    assert 1000 - sum(held.values()) >= max(held.values())


def test_one_gets_no_more_than_each_may_have() -> None:
    assert _held_by(["one", "other"], 1000, 70) == {"one": 70, "other": 70}


def test_what_is_too_much_takes_nothing_and_what_was_held_is_free_again() -> None:
    shares = Shares(100, 100)
    with shares.of("one") as holding:
        assert holding.take(50)
        assert not holding.take(1)
        assert not shares.take("one", 1)
        holding.give_back(20)
        assert holding.take(10)
        assert holding.count == 40
        with shares.of("other") as others:
            assert others.take(30)
            assert not others.take(1)
    assert shares.take("other", 50)
