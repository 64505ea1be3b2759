"""Faults from outside: a database that is locked, gone or full, and requests that lie."""
