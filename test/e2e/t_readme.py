# SPDX-License-Identifier: GPL-2.0-or-later
"""What the README of this directory says about the tests is true."""

import fnmatch
import os
import re

import harness
from harness import test

HERE = os.path.dirname(os.path.realpath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))


def _cases(text):
    """The words in backquotes of the tables' last columns."""
    for line in text.splitlines():
        if line.startswith("| ") and line.endswith(" |"):
            yield from re.findall(r"`([^`]+)`", line.split(" | ")[-1])


def _is_missing(case, names):
    if not case.startswith("test/"):
        return not fnmatch.filter(names, case)
    path, _, word = case.partition(":")
    path = os.path.join(TOP, path)
    if not os.path.exists(path):
        return True
    with open(path, encoding="utf-8") as file:
        return word not in file.read()


@test(quick=True)
def each_case_that_the_README_names_exists(t):
    with open(os.path.join(HERE, "README.md"), encoding="utf-8") as file:
        cases = list(_cases(file.read()))
    names = [item.name for item in harness.select("*", "*", False)]
    t.true("the README names cases", len(cases) > 50)
    t.equal("cases that do not exist", [], [c for c in cases if _is_missing(c, names)])
