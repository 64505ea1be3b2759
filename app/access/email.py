"""The one form of an e-mail address that keys and sign-in providers are compared in."""

import re

import idna

MOST = 320
"""Most characters of an address."""

_ASCII = re.compile(r"[!-?A-~]+@[!-?A-~]+")


def email_address(text: str) -> str:
    """The address in ASCII and small letters, its domain as IDNA 2008 writes it.

    Nothing but the case of ASCII letters is folded: what Unicode folds beyond it makes two people's addresses one.

    Raises:
        ValueError: it has no such form.
    """
    name, _, domain = text.rpartition("@")
    try:
        ascii_domain = domain if domain.isascii() else idna.encode(domain).decode("ascii")
    except idna.IDNAError:
        ascii_domain = domain
    address = f"{name}@{ascii_domain}"
    if len(address) > MOST or not _ASCII.fullmatch(address):
        raise ValueError(
            "it is no e-mail address in plain ASCII: write a-z, 0-9 and signs before the @, and behind it a domain, "
            "which may have other letters if IDNA takes them, small ones"
        )
    return address.lower()
