"""A PostgreSQL of a test's own: Debian's programs, a cluster in a temporary folder, a loopback port."""

import subprocess
from pathlib import Path

from tests.real.appliance import free_port
from tests.real.authority import Authority
from tests.waiting import eventually

PASSWORD = "a secret: '\\ €"


class Postgres:
    """`start` and `stop` may be called again and again; the data stay. Without TLS for whoever asks, with it for whoever asks."""

    host = "db.test"

    def __init__(self, folder: Path, authority: Authority) -> None:
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
        assert found, "PostgreSQL is missing: run `packaging/setup.sh test`"
        self._bin, self._folder, self.port = found[-1].parent, folder, free_port()
        self._data = folder / "data"
        (folder / "password").write_text(PASSWORD)
        self._run("initdb", "-D", self._data, "-U", "admin", "--pwfile", folder / "password", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
        certificate, key = authority.issue(folder, self.host)
        (self._data / "postgresql.auto.conf").write_text(
            f"port = {self.port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{folder}'\nfsync = off\n"
            f"ssl = on\nssl_cert_file = '{certificate}'\nssl_key_file = '{key}'\nmax_connections = 12\nsuperuser_reserved_connections = 2\n"
        )

    def start(self) -> None:
        self._run("pg_ctl", "-D", self._data, "-l", self._folder / "log", "-w", "-t", "90", "start")

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "-D", self._data, "-m", mode, "-w", "-t", "90", "stop")

    def change(self, **settings: str) -> None:
        """Change settings of the running server; who connects afterwards meets them."""
        before = self.sql("SELECT pg_conf_load_time()")
        for name, value in settings.items():
            self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")
        eventually(lambda: self.sql("SELECT pg_conf_load_time()") != before)

    def sql(self, text: str, *, database: str = "postgres") -> str:
        """What psql prints, as the superuser."""
        words = ("-h", "127.0.0.1", "-p", self.port, "-U", "admin", "-d", database, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1")
        return self._run("psql", *words, stdin=text, PGPASSWORD=PASSWORD).strip()

    def _run(self, program: str, *words: object, stdin: str = "", **environ: str) -> str:
        line = [str(self._bin / program), *map(str, words)]
        done = subprocess.run(
            line, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, env={"LC_ALL": "C.UTF-8", **environ}
        ) if program != "pg_ctl" else _quiet(line)  # fmt: skip
        log = self._folder / "log"
        assert done.returncode == 0, f"{program}: {done.stdout}{log.read_text()[-2000:] if log.exists() else ''}"
        return done.stdout or ""


def _quiet(line: list[str]) -> "subprocess.CompletedProcess[str]":
    # The server would keep a pipe open.
    return subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True, timeout=120)



