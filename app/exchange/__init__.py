"""Labelled photos, brought into a catalog from files and out of it."""
