"""From a draft to a server, at the terminal: its story, the plan, edits, secrets and the build; `bmm new` and `bmm iterate` share it."""

import argparse
import re
import sys
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

import msgspec

from bmm.cli.parts.building import follow, goes_on
from bmm.cli.parts.client import Client, server_target
from bmm.cli.parts.database_files import with_databases
from bmm.cli.parts.editing import edited
from bmm.cli.parts.output import as_json, tame
from bmm.cli.parts.spec_files import read_spec_document, spec_file
from bmm.cli.plan_text import cost_line, difference_lines, finding_lines, has_long_code, plan_lines
from bmm.core.destinations import only_as_before
from bmm.core.difference import Difference, difference
from bmm.core.draft import MOST_PROMPT, Draft, DraftEvent, DraftStatus, Wish
from bmm.core.outline import outline
from bmm.core.slug import check_slug
from bmm.errors import BadInput, BmmError, NotFound, SlugTaken
from bmm.http.shapes import Accepted, Confirmed, DraftAccepted, DraftShown, SecretShown, SecretValue, Shown
from runner.contract import ServerSpec, SpecError, decode_spec, encode_spec

_MOST_READ = 2_000_000
"""Characters of a prompt with all the documents and commands that stand in it."""
_REPAIRED = ("bad_input", "trial_failed", "checks_failed")
"""Codes of builds whose reason lies in the spec: the model that wrote it can correct it."""

_PASSING = (
    "draft_interrupted", "model_rate_limited", "model_overloaded", "model_unreachable", "model_cut", "model_timed_out", "internal_error",
)  # fmt: skip
"""Codes of drafts for which the same can work a little later."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """What both commands take."""
    parser.add_argument("--edit", metavar="FILE", help="build this spec of yours instead of the suggestion; a folder or a file, as `bmm deploy` takes it")
    parser.add_argument("--yes", action="store_true", help="build without asking")


def prompt_of(words: str) -> str:
    """What a person says; `-` is standard input.

    Raises:
        BadInput: it is not text in UTF-8, or far too long.
    """
    try:
        text = sys.stdin.read(_MOST_READ + 1) if words == "-" else words
        text.encode()
    except UnicodeError as error:
        raise BadInput("The prompt is not text in UTF-8") from error
    if len(text) > _MOST_READ:
        raise BadInput(f"The prompt has more than {_MOST_READ:,} characters; at most {MOST_PROMPT:,} are possible")
    return text


def check_length(prompt: str) -> None:
    """Raises: BadInput."""
    if len(prompt) > MOST_PROMPT:
        raise BadInput(f"The prompt has {len(prompt):,} characters; at most {MOST_PROMPT:,} are possible")


def own_spec(client: Client, args: argparse.Namespace) -> ServerSpec | None:
    """The spec of `--edit`, read before a model is asked and paid.

    Raises:
        BadInput: it cannot be used.
    """
    return decode(with_databases(read_spec_document(args.edit), spec_file(args.edit), client)) if args.edit is not None else None


def begin(client: Client, wish: Wish) -> str:
    """The id of a new draft."""
    return client.post("/api/drafts", msgspec.json.encode(wish), DraftAccepted).draft_id


def finish(
    client: Client, args: argparse.Namespace, draft_id: str, *, own: ServerSpec | None, slug: str | None = None, seen: Mapping[str, str] | None = None
) -> int:
    """Follow a draft to its plan, have it confirmed and build it, or the person's `own` spec.

    `seen`: values for secrets that stood in what the person gave.
    """
    shown = _followed(client, draft_id, quiet=args.json)
    session = _Session(client, args, shown, slug or shown.draft.slug, seen or {}, own)
    try:
        while session.confirmed():
            try:
                return session.build()
            except BmmError as error:
                if not session.goes_on_after(error):
                    error.user_message = f"{error.user_message.rstrip('.')}. `bmm new --again {draft_id}` takes the draft up again"
                    raise
    except (KeyboardInterrupt, EOFError):
        print(f"\n{session.where_it_stands}", file=sys.stderr)
        raise
    return 0


class _Session:
    """What a person has before them: the spec as it is now, and what it is called."""

    def __init__(
        self, client: Client, args: argparse.Namespace, shown: DraftShown, slug: str | None, seen: Mapping[str, str], own: ServerSpec | None
    ) -> None:
        self._client, self._args, self._seen, self._built = client, args, seen, False
        self._take(shown)
        self._before = shown.base
        self._failed: ServerSpec | None = None
        self._handed: set[str] = set()
        if own is not None:
            self._spec = own
        self._is_new = shown.draft.base_version is None
        self._slug = slug or _free_slug(client, self._spec.name)

    def confirmed(self) -> bool:
        """Show what would be built, and let it be edited until it is built or left."""
        if self._args.json and not self._args.yes:
            as_json({**msgspec.structs.asdict(self._shown), "slug": self._slug})
            return False
        if self._nothing_to_do():
            return False
        self._print()
        if self._args.yes:
            return True
        if not self._is_asked:
            again = f"bmm new --again {self._shown.draft.id}"
            print(f"\nNothing is built yet. `{again} --slug {self._slug} --yes` builds it; add --edit FILE for a spec of your own.")
            return False
        while True:
            keep = "  [k]eep the source's own" if self._curated else ""
            rename = "  [n]ame" if self._is_new else ""
            code = "  [c]ode" if self._is_new and has_long_code(outline(self._spec)) else ""
            answer = input(f"\n[b]uild {self._slug}  [e]dit  [r]eset{keep}{rename}{code}  [q]uit: ").strip().lower()[:1]
            if answer == "b":
                return True
            if answer == "q":
                print(self.where_it_stands)
                return False
            if answer == "n" and self._is_new:
                self._rename(input("Name in the address: ").strip() or self._slug)
            elif answer == "c" and code:
                print("", *plan_lines(outline(self._spec)), sep="\n")
            elif answer in ("e", "r") or (answer == "k" and self._curated):
                try:
                    self._change(answer)
                except BadInput as error:
                    print(f"✗ {tame(error.user_message)}")
                else:
                    self._print()

    def build(self) -> int:
        """Set what secrets are missing, build, and tell where the server is."""
        self._handed |= {*self._shown.held, *self._set_secrets()}
        confirmed = Confirmed(slug=self._slug)
        if self._spec != self._suggested:
            confirmed = Confirmed(slug=self._slug, spec=msgspec.Raw(encode_spec(self._spec)))
        self._built = False
        accepted = self._client.post(f"/api/drafts/{self._shown.draft.id}/build", msgspec.json.encode(confirmed), Accepted)
        self._built = True
        return follow(self._client, self._slug, accepted.build_id, json=self._args.json)

    def goes_on_after(self, error: BmmError) -> bool:
        """Whether there is something to confirm again: what the model makes of a failed build, or what the person corrects themselves."""
        can_repair = self._built and error.code in _REPAIRED and bool(self._shown.rounds) and not self._args.edit
        if self._is_asked:
            print(f"✗ {tame(error.user_message)}")
            can_repair = can_repair and input("Let the model correct it? [Y/n] ").strip().lower()[:1] in ("", "y")
        if can_repair:
            self._client.post(f"/api/drafts/{self._shown.draft.id}/repair", b"", DraftAccepted)
            self._failed = self._spec
            self._take(_followed(self._client, self._shown.draft.id, quiet=self._args.json))
            self._refuse_other_places(self._failed)
        return can_repair or self._is_asked

    @property
    def where_it_stands(self) -> str:
        """For who leaves."""
        if self._built:
            return goes_on(self._slug)
        return f"Nothing is built. `bmm new --again {self._shown.draft.id}` takes it up again."

    @property
    def _is_asked(self) -> bool:
        """Whether a person answers."""
        return not self._args.yes and not self._args.json and sys.stdin.isatty()

    @property
    def _curated(self) -> bool:
        return self._is_new and self._before is not None and self._before != self._suggested

    @property
    def _difference(self) -> Difference | None:
        return difference(self._before, self._spec) if self._before is not None else None

    def _take(self, shown: DraftShown) -> None:
        assert shown.spec is not None
        self._shown = shown
        self._spec = self._suggested = shown.spec

    def _nothing_to_do(self) -> bool:
        found = self._difference
        if self._is_new or found is None or not found.is_empty:
            return False
        print("Nothing would change." if not self._args.json else "{}")
        return True

    def _print(self) -> None:
        if self._args.json:
            return
        plan, found = outline(self._spec), self._difference
        if self._is_new:
            again = f"`bmm new --again {self._shown.draft.id} --json` has them"
            print("", *plan_lines(plan, "c shows them" if self._is_asked else again), sep="\n")
        if found is not None and not (self._is_new and found.is_empty):
            source = "the sources" if self._shown.draft.source == "several" else self._shown.draft.source
            against = f"what {source} gave" if self._is_new else f"version {self._shown.draft.base_version}"
            by = "" if not self._shown.by_model else ", by the model" if self._spec == self._suggested else ", by the model and you"
            print(f"\nAgainst {against}{by}", *difference_lines(found, None if self._is_new else plan), sep="\n")
        if self._failed is not None:
            print("\nAgainst what failed", *difference_lines(difference(self._failed, self._spec), None), sep="\n")
        if self._shown.rounds:
            print(f"\n{cost_line(self._shown.rounds)}")
        if self._spec == self._suggested and self._shown.findings:
            print("\n" + "\n".join(finding_lines(self._shown.findings)))

    def _rename(self, slug: str) -> None:
        try:
            refuse_taken(self._client, slug)
        except BmmError as error:
            print(f"✗ {tame(error.user_message)}")
        else:
            self._slug = slug

    def _change(self, how: str) -> None:
        if how == "e":
            self._spec = edited(self._spec, self._suggested)
        else:
            self._spec = self._before if how == "k" and self._before is not None else self._suggested

    def _refuse_other_places(self, failed: ServerSpec) -> None:
        """With `--yes` nobody would see that a correction sends what was given for one place to another.

        Raises:
            BadInput: it does.
        """
        moved = sorted(key for key in self._handed if not only_as_before(key, self._spec, failed))
        if self._args.yes and moved:
            look = f"`bmm new --again {self._shown.draft.id} --slug {self._slug}` shows it, and with --yes it is built"
            raise BadInput(f"The model's correction may send {', '.join(moved)} to another place than what you confirmed, so it is not built; {look}")

    def _set_secrets(self) -> list[str]:
        """Ask for what the spec needs and the server has not; what nobody can be asked for, the appliance names with its command. Returns what stood in
        what was given."""
        handed: list[str] = []
        held = _held(self._client, self._slug, is_new=self._is_new)
        for need in self._spec.secrets:
            given = self._before is not None and only_as_before(need.key, self._spec, self._before)
            value, since = self._seen.get(need.key, "") if given else "", held.get(need.key)
            # What the server has from before the draft may be another one's, whose build failed: it was given for another place.
            if need.key in self._shown.held or (since is not None and not (value and since < self._shown.draft.created_at)):
                continue
            if value and self._is_asked:
                value = value if input(f"Use the value of {need.key} that stood in what you gave? [Y/n] ").strip().lower()[:1] in ("", "y") else ""
            if value:
                handed.append(need.key)
            elif self._is_asked:
                value = _typed(need.key, need.hint, required=need.required)
            if value:
                target = server_target(self._slug, "secrets", need.key)
                self._client.put(target, msgspec.json.encode(SecretValue(value=value, ahead=True)))
        return handed


def decode(document: bytes) -> ServerSpec:
    """A person's spec.

    Raises:
        BadInput: with the place.
    """
    try:
        return decode_spec(document)
    except SpecError as error:
        raise BadInput(f"The spec cannot be used: {error.message}", pointer=error.pointer or None) from error


def take_up(client: Client, draft_id: str) -> str:
    """Let a failed draft go on; any other is only looked at again. Returns its id."""
    target = f"/api/drafts/{quote(draft_id, safe='')}"
    draft = client.get(target, DraftShown).draft
    if draft.status is DraftStatus.FAILED:
        client.post(f"{target}/again", b"", DraftAccepted)
    return draft.id


def _followed(client: Client, draft_id: str, *, quiet: bool) -> DraftShown:
    """The draft at its end, its story told on the way.

    Raises:
        BmmError: with the draft's own code, where it failed.
    """
    try:
        for event, data in client.events(f"/api/drafts/{draft_id}/events"):
            if event == "end":
                draft = msgspec.json.decode(data, type=Draft)
            elif not quiet and (told := msgspec.json.decode(data, type=DraftEvent)).step != "failed":
                _print_event(told)
    except KeyboardInterrupt:
        print(f"\nThe draft goes on without you; `bmm new --again {draft_id}` shows it.", file=sys.stderr)
        raise
    if draft.status is DraftStatus.FAILED:
        error = BmmError(draft.error or "The draft failed")
        error.code = draft.error_code or error.code
        error.permanent = error.code not in _PASSING
        raise error
    return client.get(f"/api/drafts/{draft_id}", DraftShown, wait=True)


def _print_event(event: DraftEvent) -> None:
    mark = {"warning": "! ", "error": "✗ "}.get(event.level, "")
    message = tame(event.message)
    if event.tool is not None:
        tool = msgspec.json.decode(event.tool, type=dict[str, str])
        message = f"+ {tame(tool['name'])}  [{tool['effect']}]  {tame(tool['description'].partition(chr(10))[0])[:160]}"
    print(f"{event.at:%H:%M:%S}  {event.step:<10}  {mark}{message}", flush=True)


def _free_slug(client: Client, name: str) -> str:
    """A name for the address, made of the server's own, that no server of this organisation has."""
    wanted = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:50].strip("-") or "server"
    for number in range(1, 100):
        slug = wanted if number == 1 else f"{wanted}-{number}"
        if not _is_live(client, slug):
            return slug
    return wanted


def refuse_taken(client: Client, slug: str) -> None:
    """A new server cannot have the name of one that lives.

    Raises:
        BadInput, SlugTaken: as it says.
    """
    if _is_live(client, check_slug(slug)):
        raise SlugTaken(f'There is a server {slug} already; choose another --slug, or change it with `bmm iterate {slug} "…"`')


def _is_live(client: Client, slug: str) -> bool:
    try:
        return client.get(server_target(slug), Shown).version is not None
    except BmmError as error:
        if error.code not in (NotFound.code, BadInput.code):
            raise
        return error.code == BadInput.code  # a reserved name is as good as taken


def _held(client: Client, slug: str, *, is_new: bool) -> dict[str, datetime]:
    """The secrets that the server has, and when they were set."""
    if is_new:
        refuse_taken(client, slug)
    try:
        listed = client.get(server_target(slug, "secrets"), list[SecretShown])
    except BmmError as error:
        if error.code != NotFound.code:
            raise
        return {}
    return {each.key: each.updated_at for each in listed if each.updated_at is not None}


def _typed(key: str, hint: str, *, required: bool) -> str:
    import getpass

    while True:
        value = getpass.getpass(f"{key}{f' ({tame(hint)})' if hint else ''}{'' if required else ', empty for none'}: ")
        if value.startswith("-----BEGIN "):
            print(f"It has several lines; set it from its file later: `bmm secret set SLUG {key} < FILE`")
            return ""
        if value or not required:
            return value
