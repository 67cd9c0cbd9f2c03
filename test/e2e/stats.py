# SPDX-License-Identifier: GPL-2.0-or-later
"""Is a spread uniform? Pearson's chi-square test."""

import math

# A sound program fails one test in a thousand million: with 30 such tests a run and 100 runs a
# day, once in a thousand years.
FALSE_ALARM = 1e-9


def _lower_series(a, x):
    """Regularised lower incomplete gamma P(a, x), good for x < a + 1."""
    term = total = 1 / a
    n = a
    while abs(term) > abs(total) * 1e-16:
        n += 1
        term *= x / n
        total += term
    return total * math.exp(-x + a * math.log(x) - math.lgamma(a))


def _upper_fraction(a, x):
    """Regularised upper incomplete gamma Q(a, x), good for x >= a + 1 (Lentz's method)."""
    tiny = 1e-300
    b = x + 1 - a
    c = 1 / tiny
    d = 1 / b
    h = d
    for i in range(1, 10000):
        an = -i * (i - a)
        b += 2
        d = an * d + b
        d = tiny if abs(d) < tiny else d
        c = b + an / c
        c = tiny if abs(c) < tiny else c
        d = 1 / d
        step = d * c
        h *= step
        if abs(step - 1) < 1e-15:
            break
    return math.exp(-x + a * math.log(x) - math.lgamma(a)) * h


def chi_square_tail(x, freedom):
    """Probability that chi-square with @freedom degrees is at least @x."""
    a, x = freedom / 2, x / 2
    if x <= 0:
        return 1.0
    return 1 - _lower_series(a, x) if x < a + 1 else _upper_fraction(a, x)


def uniformity(counts):
    """@counts: how often each was drawn. Returns (chi-square, p-value)."""
    expected = sum(counts) / len(counts)
    x = sum((count - expected) ** 2 / expected for count in counts)
    return x, chi_square_tail(x, len(counts) - 1)
