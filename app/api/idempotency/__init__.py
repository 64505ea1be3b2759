"""One effect for one Idempotency-Key."""
