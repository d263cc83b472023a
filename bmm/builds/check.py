"""What must hold before a build: the checks of a spec, destinations the operator allows, secrets that are there."""

from collections.abc import Collection, Sequence

import msgspec

from bmm.checks.code import CANNOT_RUN
from bmm.checks.spec import check_spec
from bmm.config import Config
from bmm.core.finding import Finding, blocks, in_a_line
from bmm.errors import BadInput, SecretsMissing
from runner.contract import ServerSpec, SpecError, decode_spec


def read_spec(document: bytes | str) -> ServerSpec:
    """The spec, or why it cannot be used.

    Raises:
        BadInput: with the place in the document.
    """
    try:
        return decode_spec(document)
    except SpecError as error:
        raise BadInput(f"The spec cannot be used: {error.message}", pointer=error.pointer or None) from error


class ChecksFailed(BadInput):
    """The checks found what must not be built; `findings` are all of them."""

    code = "checks_failed"

    def __init__(self, findings: Sequence[Finding]) -> None:
        found = blocks(findings)
        said = in_a_line(found, rest="; `bmm check` prints them all")
        super().__init__(f"The checks found what must be changed first: {said}", pointer=found[0].place or None)
        self.findings = tuple(findings)


def check(spec: ServerSpec, config: Config, secret_keys: Collection[str], slug: str) -> list[Finding]:
    """Refuse what cannot run or must not; what is left is for a person to look at, or good to know.

    Raises:
        ChecksFailed: a finding blocks.
        BadInput: plain HTTP where the operator has not allowed it.
        SecretsMissing: names every missing key.
    """
    findings = findings_of(spec, config)
    if blocks(findings):
        raise ChecksFailed(findings)
    for each in not_allowed(spec, config):
        raise BadInput(f"{each.message} {each.fix}", pointer=each.place)
    missing = [need.key for need in spec.secrets if need.required and need.key not in secret_keys]
    if missing:
        commands = " and ".join(f"`bmm secret set {slug} {key} --next`" for key in missing)
        raise SecretsMissing(f"Secrets are missing: {', '.join(missing)}. Run {commands}, then deploy again")
    for key in sorted(set(secret_keys) - {need.key for need in spec.secrets}):
        message = f"The secret {key} is set, but this spec does not use it; `bmm secret rm {slug} {key}` removes it"
        findings.append(Finding(level="note", id="secret.left_over", message=message))
    return findings


def findings_of(spec: ServerSpec, config: Config) -> list[Finding]:
    """What there is to say about the spec alone, blocks included, as this appliance weighs it."""
    return weighed(check_spec(spec), config)


def not_allowed(spec: ServerSpec, config: Config) -> list[Finding]:
    """Destinations that no build may have because the operator has not allowed them; a model could not mend that."""
    found: list[Finding] = []
    for number, host in enumerate(spec.hosts):
        place = f"{host.name}:{host.port}"
        if host.plain and place not in config.egress_plain_http:
            fix = f'An operator can allow that with egress_plain_http = ["{place}"] in the settings'
            found.append(Finding(level="block", id="host.plain", place=f"/hosts/{number}", message=f"{place} would be reached without TLS.", fix=fix))
    return found


def weighed(findings: Sequence[Finding], config: Config) -> list[Finding]:
    """As this appliance's setting `code_checks` has it."""
    return [_weighed(each, config) for each in findings]


def _weighed(finding: Finding, config: Config) -> Finding:
    """Operators who write tools themselves may have the grammar reported only; what cannot run still cannot."""
    if config.code_checks == "report" and finding.id.startswith("code.") and finding.id not in CANNOT_RUN:
        return msgspec.structs.replace(finding, level="ask" if finding.level == "block" else finding.level)
    return finding
