# SPDX-License-Identifier: Apache-2.0
"""How much work the stress tests do."""

import os

FULL = bool(os.environ.get("ZNODEFS_FULL"))
STRESS = float(os.environ.get("ZNODEFS_STRESS", "1"))


def stress(usual, full):
    """@usual times ZNODEFS_STRESS, or @full with ZNODEFS_FULL=1."""
    return full if FULL else max(1, int(usual * STRESS))
