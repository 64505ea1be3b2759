"""Tests of app/catalogs."""
