"""What changes a revision, and what is decided about containers."""

from msgspec.structs import replace

from bmm.core.server import Server, ServerStatus, Version
from bmm.servers.desired import Decision, Desired, decide, revision
from bmm.servers.podman import Running
from bmm.store.secrets import SealedSecret
from tests.unit.store.rows import T0, at

SERVER = Server(
    id="srv_1",
    organisation_id="org_1",
    slug="shop",
    name="Shop",
    status=ServerStatus.LIVE,
    version=1,
    uid_block=0,
    created_at=T0,
    updated_at=T0,
)
VERSION = Version(server_id="srv_1", number=1, bundle="b" * 64, build_id="bld_1", created_at=T0)
SECRET = SealedSecret(key="API_KEY", organisation_id="org_1", sealed=b"", updated_at=T0)
WANTED = Desired(version=VERSION, revision="new")


def of(
    *,
    server: Server = SERVER,
    version: Version = VERSION,
    secrets: tuple[SealedSecret, ...] = (SECRET,),
    surroundings: str = "here",
    socket: str = "7",
) -> str:
    return revision(server, version, list(secrets), surroundings=surroundings, socket=socket)


def running(name: str, revision: str, state: str = "running") -> Running:
    return Running(name=name, labels={"bmm.revision": revision}, state=state, pid=1)


def test_a_revision_changes_with_everything_a_container_is_made_of() -> None:
    changed = [
        of(),
        of(version=replace(VERSION, number=2)),
        of(version=replace(VERSION, bundle="c" * 64)),
        of(secrets=()),
        of(secrets=(replace(SECRET, updated_at=at(1)),)),
        of(secrets=(replace(SECRET, key="OTHER"),)),
        of(surroundings="elsewhere"),
        of(socket="8"),
    ]
    assert len(set(changed)) == len(changed)


def test_a_revision_does_not_change_with_what_a_container_never_sees() -> None:
    assert of(server=replace(SERVER, updated_at=at(9), status=ServerStatus.DRAFT)) == of()


def test_one_that_fits_is_kept_and_the_others_retire() -> None:
    containers = [running("b", "new"), running("a", "new"), running("old", "old"), running("dead", "new", "exited")]
    assert decide(WANTED, containers) == Decision(keep="a", start=False, retire=("b", "old", "dead"))


def test_nothing_that_fits_means_a_start_first() -> None:
    assert decide(WANTED, [running("old", "old"), running("x", "new", "created")]) == Decision(keep=None, start=True, retire=("old", "x"))


def test_nothing_wanted_means_that_all_go() -> None:
    assert decide(None, [running("old", "old")]) == Decision(keep=None, start=False, retire=("old",))


def test_a_worn_container_serves_until_a_fresh_one_of_the_same_revision_does() -> None:
    old, fresh = running("old", "new"), running("young", "new")
    assert decide(WANTED, [old], worn={"old"}) == Decision(keep=None, start=True, retire=("old",))
    assert decide(WANTED, [old, fresh], worn={"old"}) == Decision(keep="young", start=False, retire=("old",))
