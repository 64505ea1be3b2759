"""Tests, and what they share."""

import pytest

# pytest explains the failed assertions of test modules only; those of what they share name no value otherwise.
pytest.register_assert_rewrite("tests.machines", "tests.ray_cluster", "tests.rest", "tests.service_process")
