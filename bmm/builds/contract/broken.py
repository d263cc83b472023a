"""What fails a build whose candidate breaks what its spec promises."""

from collections.abc import Sequence

from bmm.core.finding import Finding, blocks, in_a_line
from bmm.errors import TrialFailed


class ContractBroken(TrialFailed):
    """Tools did not do what they declare when they were tried; `findings` are all of the trial's."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(f"The trial found tools that do not do what the spec says: {in_a_line(blocks(findings))}")
        self.findings = tuple(findings)
