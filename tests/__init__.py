"""The tests: real parts throughout, started by the tests themselves."""

import pytest

# Before anything of it is imported: what a support module asserts is explained as a test's own is.
pytest.register_assert_rewrite("tests.support")
