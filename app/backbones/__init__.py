"""Changing the backbone of a catalog while the service runs."""
