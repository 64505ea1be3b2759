"""Tests of app/idempotency."""
