"""Tests of app/inspections."""
