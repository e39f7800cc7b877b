# SPDX-License-Identifier: Apache-2.0
"""scripts/bench: the mount beside what else could be used in its place."""
