"""What fails a build whose candidate breaks what its spec promises."""

from collections.abc import Sequence

from bmm.core.finding import Finding, blocks
from bmm.errors import TrialFailed

_SAID = 4


class ContractBroken(TrialFailed):
    """Tools did not do what they declare when they were tried; `findings` are all of the trial's."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        found = blocks(findings)
        first = " · ".join(f"{each.place}{f' line {each.line}' if each.line else ''}: {each.message} {each.fix}" for each in found[:_SAID])
        more = f" · and {len(found) - _SAID} more" if len(found) > _SAID else ""
        super().__init__(f"The trial found tools that do not do what the spec says: {first}{more}")
        self.findings = tuple(findings)
