# SPDX-License-Identifier: Apache-2.0
"""What the integration tests stand on: servers, mounts, waiting, trees."""
