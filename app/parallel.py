"""Doing several things at the same time, and the same for many things, a few at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


async def together(works: Iterable[Coroutine[Any, Any, Result]]) -> list[Result]:
    """What all of them come to; the first error ends all and is raised as it is.

    Not a `TaskGroup`: in Python 3.11 one that failed leaves its task marked as cancelled, and with Debian's 3.11.2 the
    next `asyncio.timeout` that runs out in such a task ends it.
    """
    tasks = [asyncio.create_task(work) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def for_each(items: Iterable[Item], action: Callable[[Item], Awaitable[None]], at_a_time: int) -> None:
    """Await `action` for every item; the first error ends all and is raised as it is."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await action(item)

    await together(work() for _ in range(at_a_time))
