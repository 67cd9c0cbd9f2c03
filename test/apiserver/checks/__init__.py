# SPDX-License-Identifier: GPL-2.0-or-later
"""What the stand-in is held to; run by ../check."""
