"""The files of a multipart body one after the other, so that a thousand photos never lie in memory together."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import dataclass, field

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from app.errors import RequestInvalid


@dataclass
class Part:
    """One file, an `Upload`. `data` ends one byte after the most that was wanted; `size` counts what came then too."""

    name: str = ""
    filename: str | None = None
    data: bytearray = field(default_factory=bytearray)
    size: int = 0

    async def read(self) -> bytes:
        """Its bytes."""
        return bytes(self.data)


async def parts(content_type: str, body: AsyncIterable[bytes], max_part_bytes: int) -> AsyncIterator[Part]:
    """The parts of a multipart body that have a file name, as they arrive; others are passed over.

    Raises:
        RequestInvalid: the body is no multipart, damaged, or ends before its end.
    """
    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise RequestInvalid("Send the photos as multipart/form-data, in the field photos.")
    reader = _Reader(max_part_bytes)
    try:
        parser = MultipartParser(options[b"boundary"], reader.callbacks())  # type: ignore[arg-type]
        async for chunk in body:
            parser.write(chunk)
            while reader.finished:
                yield reader.finished.pop(0)
    except FormParserError as error:
        raise RequestInvalid("The body is damaged: it is not the multipart/form-data that it says it is.") from error
    if not reader.ended:
        raise RequestInvalid("The body ends in the middle: send the photos again.")


class _Reader:
    def __init__(self, max_part_bytes: int) -> None:
        self.finished: list[Part] = []
        self.ended = False
        self._most = max_part_bytes
        self._part = Part()
        self._header = self._value = b""

    def callbacks(self) -> dict[str, object]:
        return {
            "on_part_begin": self._begin,
            "on_part_data": self._data,
            "on_part_end": self._finish,
            "on_header_field": self._header_field,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        self._part = Part()

    def _data(self, data: bytes, start: int, end: int) -> None:
        room = self._most + 1 - len(self._part.data)
        if self._part.filename is not None:
            self._part.data += data[start : min(end, start + room)]
        self._part.size += end - start

    def _finish(self) -> None:
        if self._part.filename is not None:
            self.finished.append(self._part)

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._header.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            self._part.name = options.get(b"name", b"").decode(errors="replace")
            if b"filename" in options:
                self._part.filename = options[b"filename"].decode(errors="replace")
        self._header = self._value = b""

    def _end(self) -> None:
        self.ended = True
