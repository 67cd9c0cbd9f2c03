# SPDX-License-Identifier: GPL-2.0-or-later
"""Label and field selectors, read and evaluated as the real server does."""

import re

from .status import bad_request

_NAME = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)\Z")
_PREFIX = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?\Z")
_TOKEN = re.compile(r"\s*(==|=|!=|!|\(|\)|,|<|>|[^\s=!(),<>]+)")
_SYMBOLS = frozenset(("==", "=", "!=", "!", "(", ")", ",", "<", ">", ""))


class _Lexer:
    def __init__(self, text):
        self.tokens = [m[1] for m in _TOKEN.finditer(text)] + [""]
        self.at = 0

    def peek(self):
        return self.tokens[self.at]

    def take(self):
        token = self.tokens[self.at]
        self.at = min(self.at + 1, len(self.tokens) - 1)
        return token

    def identifier(self):
        token = self.take()
        if token in _SYMBOLS:
            raise bad_request(f"unable to parse requirement: found '{token}', "
                              "expected: identifier")
        return token


def _check_key(key):
    prefix, slash, name = key.rpartition("/")
    if (slash and not _PREFIX.match(prefix)) or not _NAME.match(name):
        raise bad_request(f'unable to parse requirement: <nil>: Invalid value: "{key}": '
                          "name part must consist of alphanumeric characters, '-', '_' or '.', "
                          "and must start and end with an alphanumeric character")


def _check_value(key, value):
    if value and not _NAME.match(value):
        raise bad_request(f'unable to parse requirement: values[0][{key}]: Invalid value: '
                          f'"{value}": a valid label must be an empty string or consist of '
                          "alphanumeric characters, '-', '_' or '.'")


def _values(lexer):
    if lexer.take() != "(":
        raise bad_request("unable to parse requirement: found '', expected: '('")
    values = []
    while True:
        token = lexer.take()
        if token == ")":
            return values
        if token == ",":
            values.append("")
        elif token in _SYMBOLS:
            raise bad_request(f"unable to parse requirement: found '{token}', "
                              "expected: ',', ')' or identifier")
        else:
            values.append(token)
            after = lexer.take()
            if after == ")":
                return values
            if after != ",":
                raise bad_request(f"unable to parse requirement: found '{after}', "
                                  "expected: ',' or ')'")


def _is_in(key, values):
    return lambda labels: labels.get(key) in values if key in labels else False


def _not_in(key, values):
    return lambda labels: key not in labels or labels[key] not in values


def _compares(key, limit, sign):
    def test(labels):
        try:
            return (int(labels[key]) - limit) * sign > 0
        except (KeyError, ValueError):
            return False
    return test


def _requirement(lexer):
    if lexer.peek() == "!":
        lexer.take()
        key = lexer.identifier()
        _check_key(key)
        if lexer.peek() not in ("", ","):
            raise bad_request(f"unable to parse requirement: found '{lexer.peek()}', "
                              "expected: ',' or 'end of string'")
        return lambda labels: key not in labels
    key = lexer.identifier()
    _check_key(key)
    operator = lexer.peek()
    if operator in ("", ","):
        return lambda labels: key in labels
    lexer.take()
    if operator in ("in", "notin"):
        values = frozenset(_values(lexer))
        return _is_in(key, values) if operator == "in" else _not_in(key, values)
    if operator not in ("=", "==", "!=", "<", ">"):
        raise bad_request(f"unable to parse requirement: found '{operator}', "
                          "expected: in, notin, =, ==, !=, gt, lt")
    value = "" if lexer.peek() in ("", ",") else lexer.identifier()
    if operator in "<>":
        try:
            return _compares(key, int(value), 1 if operator == ">" else -1)
        except ValueError:
            raise bad_request("unable to parse requirement: for 'Gt', 'Lt' operators, the value "
                              "must be an integer") from None
    _check_value(key, value)
    return _not_in(key, {value}) if operator == "!=" else _is_in(key, {value})


def labels(text):
    """A list of functions of the labels, all of which have to be true."""
    if not text.strip():
        return []
    lexer = _Lexer(text)
    found = []
    while True:
        found.append(_requirement(lexer))
        token = lexer.take()
        if token == "":
            return found
        if token != ",":
            raise bad_request(f"unable to parse requirement: found '{token}', "
                              "expected: ',' or 'end of string'")


def fields(text, kind):
    """The same for fields: functions of a dictionary by field path."""
    found = []
    for term in re.split(r"(?<!\\),", text):
        if not term:
            continue
        match = re.match(r"(.*?)(!=|==|=)(.*)\Z", term)
        if not match:
            raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
        path, operator, value = match.groups()
        if path not in kind.fields:
            raise bad_request(f'Unable to find "{kind.group}/{kind.version}, '
                              f'Resource={kind.resource}" that match label selector "", field '
                              f'selector "{text}": field label not supported: {path}')
        value = value.replace("\\,", ",").replace("\\=", "=").replace("\\\\", "\\")
        if operator == "!=":
            found.append(lambda have, path=path, value=value: have.get(path, "") != value)
        else:
            found.append(lambda have, path=path, value=value: have.get(path, "") == value)
    return found


class Selector:
    """What a LIST or WATCH wants: a namespace (or all), labels, fields."""

    def __init__(self, kind, namespace="", label_text="", field_text=""):
        self.namespace = namespace
        self.labels = labels(label_text)
        self.fields = fields(field_text, kind)

    @property
    def is_plain(self):
        return not self.labels and not self.fields

    def matches(self, record):
        if record is None or (self.namespace and record.namespace != self.namespace):
            return False
        return all(test(record.labels) for test in self.labels) and \
            all(test(record.fields) for test in self.fields)
