"""How well a catalog tells its own classes apart."""
