"""Cloud Logging's query language, as far as audit entries need it.

https://cloud.google.com/logging/docs/view/logging-query-language has the whole of it; here are comparisons of fields
(= != < <= > >= : =~ !~), lists of values in parentheses, text anywhere in the entry, `log_id()`, AND, OR, NOT (or a
minus) and parentheses. As there, OR binds closer than AND, text is compared without regard to case (except by a regular
expression), and a comparison with a field that an entry does not have is false. Other functions are refused.
"""

import datetime
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from wif_pipelines.sandbox.google.descriptions import load
from wif_pipelines.sandbox.google.errors import ApiError, bad_request

Test = Callable[[Mapping[str, Any]], bool]

_TOKEN = re.compile(
    r'\s*(?:(?P<comment>--[^\n]*)|(?P<string>"(?:[^"\\]|\\.)*")|(?P<op>!=|>=|<=|=~|!~|[=<>:])|(?P<paren>[()])'
    r'|(?P<minus>-(?=[A-Za-z_"(]))|(?P<word>[^\s"()=<>:!~]+(?:(?<=\.)"[^"]*"[^\s"()=<>:!~]*)*))'
)
_SEVERITIES = ["DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"]
_TIMES = {"timestamp", "receiveTimestamp"}


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    column: int


def compile_filter(text: str) -> Test:
    """What tells whether an entry matches.

    Raises:
        ApiError: 400, when the filter cannot be read or names a field that no entry has.
    """
    tokens = list(_tokens(text))
    if not tokens:
        return lambda _: True
    parser = _Parser(tokens)
    test = parser.conjunction()
    parser.end()
    return test


class _Parser:
    """Recursive descent; each method reads one construct and returns its test."""

    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise _unreadable(self._tokens[self._at])

    def conjunction(self) -> Test:
        """Terms side by side are joined by AND."""
        tests = [self._disjunction()]
        while not self._sees("paren", ")") and self._at < len(self._tokens):
            self._take("word", "AND")
            tests.append(self._disjunction())
        return tests[0] if len(tests) == 1 else lambda entry: all(test(entry) for test in tests)

    def _disjunction(self) -> Test:
        tests = [self._negation()]
        while self._take("word", "OR"):
            tests.append(self._negation())
        return tests[0] if len(tests) == 1 else lambda entry: any(test(entry) for test in tests)

    def _negation(self) -> Test:
        if self._take("minus") or self._take("word", "NOT"):
            test = self._negation()
            return lambda entry: not test(entry)
        if self._take("paren", "("):
            test = self.conjunction()
            self._expect("paren", ")")
            return test
        return self._comparison()

    def _comparison(self) -> Test:
        token = self._next()
        if token.kind not in {"word", "string"}:
            raise _unreadable(token)
        operator = self._take("op")
        if operator:
            return self._values(_Field.read(token.text), operator.text)
        if token.kind == "word" and self._take("paren", "("):
            return self._function(token)
        return _anywhere(_unquoted(token))

    def _function(self, name: _Token) -> Test:
        argument = self._next()
        self._expect("paren", ")")
        if name.text != "log_id" or argument.kind != "string":
            raise _unreadable(name)
        wanted = _unquoted(argument).lower()
        return lambda entry: unquote(str(entry["logName"]).rpartition("/logs/")[2]).lower() == wanted

    def _values(self, field: "_Field", operator: str) -> Test:
        """One value, or several in parentheses joined by OR (or AND)."""
        if not self._take("paren", "("):
            return field.compared(operator, self._value())
        tests, joined = [field.compared(operator, self._value())], any
        while not self._take("paren", ")"):
            if self._take("word", "AND"):
                joined = all
            else:
                self._expect("word", "OR")
            tests.append(field.compared(operator, self._value()))
        return lambda entry: joined(test(entry) for test in tests)

    def _value(self) -> str:
        """A word, or a string; what holds a colon or another sign must be quoted, as there."""
        token = self._next()
        if token.kind not in {"word", "string", "minus"}:
            raise _unreadable(token)
        if token.kind == "minus":
            return "-" + self._value()
        return _unquoted(token)

    def _sees(self, kind: str, text: str = "") -> bool:
        token = self._tokens[self._at] if self._at < len(self._tokens) else None
        return token is not None and token.kind == kind and text in {"", token.text}

    def _take(self, kind: str, text: str = "") -> _Token | None:
        if not self._sees(kind, text):
            return None
        self._at += 1
        return self._tokens[self._at - 1]

    def _expect(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise _unreadable(self._tokens[min(self._at, len(self._tokens) - 1)])

    def _next(self) -> _Token:
        if self._at >= len(self._tokens):
            raise _unreadable(self._tokens[-1])
        self._at += 1
        return self._tokens[self._at - 1]


@dataclass(frozen=True)
class _Field:
    """A path into an entry, such as `protoPayload.authenticationInfo.principalSubject` or `labels."a/b"`."""

    path: tuple[str, ...]

    @classmethod
    def read(cls, text: str) -> "_Field":
        parts = [part[1:-1] if part.startswith('"') else part for part in re.findall(r'"[^"]*"|[^."]+', text)]
        head = re.sub(r"_([a-z])", lambda found: found[1].upper(), parts[0]) if parts else ""
        if head not in load("logging", "v2").schemas["LogEntry"]["properties"]:
            raise bad_request(f"Field not found: '{parts[0] if parts else text}'.")
        return cls((head, *parts[1:]))

    def compared(self, operator: str, value: str) -> Test:
        if operator == ":" and value == "*":
            return lambda entry: any(True for _ in self._found(entry))
        test = self._test(operator, value)
        return lambda entry: any(test(found) for found in self._found(entry))

    def _test(self, operator: str, value: str) -> Callable[[Any], bool]:
        if self.path[0] in _TIMES:
            moment = _moment(value)
            return lambda found: _ordered(operator, _moment(found), moment)
        if self.path == ("severity",):
            rank = _rank(value)
            return lambda found: _ordered(operator, _rank(found), rank)
        if operator in {"=~", "!~"}:
            pattern = _pattern(value)
            return lambda found: (pattern.search(str(found)) is not None) == (operator == "=~")
        if operator == ":":
            return lambda found: value.lower() in _shown(found).lower()
        return lambda found: _ordered(operator, *_comparable(found, value))

    def _found(self, entry: Mapping[str, Any]) -> Iterator[Any]:
        return _walk(entry, self.path)


def _walk(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _walk(item, path)
    elif not path:
        yield value
    elif isinstance(value, Mapping):
        # a map's key may hold dots
        for end in range(1, len(path) + 1):
            if ".".join(path[:end]) in value:
                yield from _walk(value[".".join(path[:end])], path[end:])


def _ordered(operator: str, left: Any, right: Any) -> bool:
    match operator:
        case "=" | ":":
            return bool(left == right)
        case "!=":
            return bool(left != right)
        case ">":
            return bool(left > right)
        case ">=":
            return bool(left >= right)
        case "<":
            return bool(left < right)
        case _:
            return bool(left <= right)


def _comparable(found: Any, value: str) -> tuple[Any, Any]:
    if isinstance(found, (int, float)) and not isinstance(found, bool):
        try:
            return float(found), float(value)
        except ValueError:
            pass
    return _shown(found).lower(), value.lower()


def _shown(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _anywhere(wanted: str) -> Test:
    return lambda entry: any(wanted.lower() in _shown(value).lower() for value in _leaves(entry))


def _leaves(value: Any) -> Iterator[Any]:
    items: Iterable[Any] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    if isinstance(value, (Mapping, list)):
        for item in items:
            yield from _leaves(item)
    else:
        yield value


def _moment(value: str) -> datetime.datetime:
    try:
        moment = datetime.datetime.fromisoformat(value)
    except ValueError:
        raise bad_request(f"Unparseable filter: timestamps must be in RFC 3339 format: '{value}'.") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)


def _rank(value: str) -> int:
    if value.isdigit():
        return int(value)
    if value.upper() not in _SEVERITIES:
        raise bad_request(f"Unparseable filter: unknown severity '{value}'.")
    return 100 * _SEVERITIES.index(value.upper())


def _pattern(value: str) -> re.Pattern[str]:
    try:
        return re.compile(value)
    except re.error as error:
        raise bad_request(f"Unparseable filter: regular expression is not valid: {error}.") from None


def _tokens(text: str) -> Iterator[_Token]:
    at = 0
    while text[at:].strip():
        found = _TOKEN.match(text, at)
        if found is None or found.lastgroup is None:
            raise _unreadable(_Token("", text[at:].strip()[:1], at + 1))
        if found.lastgroup != "comment":
            yield _Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup) + 1)
        at = found.end()


def _unquoted(token: _Token) -> str:
    return re.sub(r"\\(.)", r"\1", token.text[1:-1]) if token.kind == "string" else token.text


def _unreadable(token: _Token) -> ApiError:
    return bad_request(f"Unparseable filter: syntax error at line 1, column {token.column}, token '{token.text}'")
