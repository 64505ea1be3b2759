"""A TCP proxy in front of PostgreSQL that cuts connections, or lets nothing through without closing any."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Self

from sqlalchemy import make_url

PIECE = 65_536

COMMIT = b"COMMIT\0"  # as a statement ends; READ COMMITTED does not


class CuttingProxy:
    """Passes bytes between TCP on loopback and the Unix socket of a server.

    `budgets`: how many bytes, of both directions together, the next connections live for; without any, as long as they
    like. `at_commit`: cut the next connection that sends COMMIT, before that arrives or before its answer does.
    `refuses`: close new connections at once.
    """

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self._socket = f"{parsed.query['host']}/.s.PGSQL.5432"
        self._parsed = parsed
        self.budgets: Iterator[int] = iter(())
        self.at_commit: Literal["before", "after"] | None = None
        self.refuses = False
        self.cuts = 0

    @property
    def url(self) -> str:
        """The same database, through the proxy."""
        through = self._parsed.set(host="127.0.0.1", port=self._port, query={})
        return through.render_as_string(hide_password=False)

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Pass bytes from a thread while the block lasts."""
        started = threading.Event()
        thread = threading.Thread(target=lambda: asyncio.run(self._run(started)), name="proxy")
        thread.start()
        started.wait()
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ended.set)
            thread.join()

    def freeze(self) -> None:
        """Let nothing through any more, in either direction; connections stay open, and new ones can be made."""
        self._loop.call_soon_threadsafe(self._flows.clear)

    def thaw(self) -> None:
        """After `freeze`."""
        self._loop.call_soon_threadsafe(self._flows.set)

    async def _run(self, started: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._ended, self._flows = asyncio.Event(), asyncio.Event()
        self._flows.set()
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        started.set()
        await self._ended.wait()
        server.close()
        self._flows.set()
        for writer in self._open.values():
            writer.transport.abort()
        await asyncio.gather(*self._open)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            if not self.refuses:
                await self._pass(reader, writer)
        finally:
            del self._open[task]
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            server_reader, server_writer = await asyncio.open_unix_connection(self._socket)
        except OSError:
            return
        left = next(self.budgets, None)
        cut_answer = False

        async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, *, up: bool) -> None:
            nonlocal left, cut_answer
            while data := await source.read(PIECE):
                await self._flows.wait()
                if up and COMMIT in data and self.at_commit is not None:
                    when, self.at_commit = self.at_commit, None
                    if when == "before":
                        break
                    cut_answer = True
                elif cut_answer and not up:
                    break
                if left is not None:
                    target.write(data[:left])
                    left -= len(data)
                    if left <= 0:
                        break
                else:
                    target.write(data)
                await target.drain()
            else:
                return
            self.cuts += 1

        pumps = [
            asyncio.create_task(pump(reader, server_writer, up=True)),
            asyncio.create_task(pump(server_reader, writer, up=False)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in pumps:
                each.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            server_writer.transport.abort()
