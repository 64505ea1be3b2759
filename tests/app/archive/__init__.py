"""Tests of app/archive."""
