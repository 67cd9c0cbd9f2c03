# SPDX-License-Identifier: GPL-2.0-or-later
"""A stand-in for kube-apiserver, for tests. README.md says what it does; control.py runs it."""
