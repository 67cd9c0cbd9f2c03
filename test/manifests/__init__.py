# SPDX-License-Identifier: GPL-2.0-or-later
"""What manifests/ are held to; run by check."""
