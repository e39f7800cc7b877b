# SPDX-License-Identifier: Apache-2.0
"""Each fault of the fault suite once, under a small load; see scripts/faults."""

import pathlib
import sys

import pytest

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))

from faults import suite  # noqa: E402
from faults.faults import FAULTS  # noqa: E402

pytestmark = pytest.mark.deadline(180)


@pytest.mark.parametrize("name", FAULTS)
def test_fault(workplace, name):
    result = suite.run(workplace, name, **suite.SHORT)
    assert result.good, "\n".join(result.report())
    assert result.acknowledged > 20
