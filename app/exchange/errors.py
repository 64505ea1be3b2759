"""What can be wrong with what is exchanged."""


class ExchangeError(Exception):
    """Nothing can be brought in or out; the message says what to do."""
