"""Names that no key may have, because the service itself acts under them."""

import unicodedata

from app.acting import COMMAND_LINE, OPEN, STRANGER, UNKNOWN


def refuse_reserved(name: str) -> str:
    """The name. Raises `ValueError` where it reads like one of the service's own."""
    bare = _bare(name)
    if bare in _RESERVED or bare.startswith(_bare(COMMAND_LINE.name)):
        raise ValueError(
            f"the service itself acts under names like it ({', '.join(_OWN)}), so no key may: choose another name"
        )
    return name


def _bare(name: str) -> str:
    """What a name looks like: letters and digits alone, in one form and case, without marks and what is invisible."""
    folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", name).casefold())
    return "".join(character for character in folded if character.isalnum() and character not in _FILLERS)


_FILLERS = "\u115f\u1160"
"""Letters of Korean that nobody sees."""

_OWN = (COMMAND_LINE.name, OPEN.name, STRANGER.name, UNKNOWN)
_RESERVED = frozenset(map(_bare, _OWN))
