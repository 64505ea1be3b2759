"""Several things at the same time: what they come to, and what is left when one of them fails."""

import asyncio

import pytest

from app.parallel import for_each, together


async def test_results_come_in_the_order_of_what_was_asked() -> None:
    async def late(seconds: float) -> float:
        await asyncio.sleep(seconds)
        return seconds

    assert await together(late(seconds) for seconds in (0.03, 0.0, 0.02)) == [0.03, 0.0, 0.02]
    assert await together([]) == []


async def test_one_that_fails_ends_the_others_and_leaves_no_mark_on_who_asked() -> None:
    ended: list[int] = []

    async def action(item: int) -> None:
        if item == 2:
            raise ValueError(item)
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)  # an end that takes its time is awaited
            ended.append(item)

    with pytest.raises(ValueError, match="2"):
        await for_each(range(9), action, 3)
    assert sorted(ended) == [0, 1]
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)


async def test_who_is_cancelled_takes_all_of_it_along() -> None:
    begun = asyncio.Semaphore(0)
    ended: list[int] = []

    async def action(item: int) -> None:
        begun.release()
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(item)

    asking = asyncio.create_task(for_each(range(9), action, 3))
    for _ in range(3):
        await begun.acquire()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert sorted(ended) == [0, 1, 2]
