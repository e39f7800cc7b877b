# SPDX-License-Identifier: Apache-2.0
"""What is lost, torn, stale or hung while things break: see scripts/faults."""
