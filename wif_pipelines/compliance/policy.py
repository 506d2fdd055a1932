"""Policies: small statements about the cloud that must hold before anything starts, and how they compose.

A policy reports what it finds instead of raising, so that one check tells everything there is to mend.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wif_pipelines.compliance.cloud import Cloud
from wif_pipelines.errors import ComplianceError, WifError


@dataclass(frozen=True)
class Finding:
    """A policy that does not hold, or that cannot be judged.

    Attributes:
        code: The kind of finding, for tools to go by, such as ``key-disabled``.
        subject: The key or bucket concerned.
        message: What is and what should be.
        remedy: What mends it: the command, or whom to ask for what.
    """

    code: str
    subject: str
    message: str
    remedy: str

    def __str__(self) -> str:
        """One line."""
        return f"[{self.code}] {self.message}"


class Policy(Protocol):
    """A statement about the cloud."""

    def examine(self, cloud: Cloud) -> Sequence[Finding]:
        """What speaks against it; nothing when it holds.

        Raises:
            RemoteError: The cloud could not be asked, which is neither a yes nor a no.
        """
        ...


@dataclass(frozen=True)
class AllOf:
    """Holds when every one of its policies does."""

    policies: tuple[Policy, ...]

    def examine(self, cloud: Cloud) -> Sequence[Finding]:
        """The findings of all."""
        return [finding for policy in self.policies for finding in policy.examine(cloud)]


@dataclass(frozen=True)
class AnyOf:
    """Holds when at least one of its policies does; of no policies, none does."""

    policies: tuple[Policy, ...]

    def examine(self, cloud: Cloud) -> Sequence[Finding]:
        """Nothing if one holds, else the findings of all."""
        findings: list[Finding] = []
        for policy in self.policies:
            found = policy.examine(cloud)
            if not found:
                return []
            findings.extend(found)
        return findings or [Finding("no-alternative", "", "None of no policies holds.", "Name at least one.")]


def examine(policies: Iterable[Policy], cloud: Cloud) -> list[Finding]:
    """All findings, each once: policies that look at the same key may find the same.

    Raises:
        RemoteError: The cloud could not be asked.
    """
    return list(dict.fromkeys(AllOf(tuple(policies)).examine(cloud)))


def check(policies: Iterable[Policy], cloud: Cloud, *, before: str = "anything starts") -> None:
    """Refuse to go on unless every policy holds.

    Args:
        policies: What must hold.
        cloud: What to look at.
        before: What would follow, for the message; it follows "before".

    Raises:
        ComplianceError: Names every finding and its remedy.
        WifError: The cloud could not be asked.
    """
    findings = examine(policies, cloud)
    if not findings:
        return
    count = "One thing is" if len(findings) == 1 else f"{len(findings)} things are"
    raise ComplianceError(
        "\n".join([f"{count} to be put right before {before}:", *(f"  {finding}" for finding in findings)]),
        remedy="\n".join(dict.fromkeys(finding.remedy for finding in findings)),
        findings=[str(finding) for finding in findings],
    )


def unreadable(code: str, subject: str, error: WifError, remedy: str) -> Finding:
    """A finding for what we were not allowed to look at: not knowing is not holding."""
    return Finding(code, subject, f"It cannot be told whether {subject} is fit: {error.message}", remedy)
