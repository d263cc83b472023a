"""A MariaDB of a test's own: Debian's programs, data in a temporary folder, a loopback port."""

import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.real.appliance import free_port
from tests.real.authority import Authority

PASSWORD = "a secret: '\\ x"


class MariaDb:
    """`start` and `stop` may be called again and again; the data stay. Without TLS for whoever asks, with it for whoever asks."""

    host = "maria.test"

    def __init__(self, folder: Path, authority: Authority) -> None:
        for program in ("mariadb-install-db", "mariadb"):
            assert shutil.which(program), "MariaDB is missing: run `packaging/setup.sh test`"
        self._folder, self.port = folder, free_port()
        self._process: subprocess.Popen[bytes] | None = None
        line = ("mariadb-install-db", "--no-defaults", f"--datadir={folder / 'data'}", "--auth-root-authentication-method=normal", "--skip-test-db")
        done = subprocess.run(line, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        self._certificate, self._key = authority.issue(folder, self.host)
        (folder / "authority.pem").write_text(authority.pem)

    def start(self, *more: str, tls: bool = True) -> None:
        line = (
            "/usr/sbin/mariadbd", "--no-defaults", f"--datadir={self._folder / 'data'}", f"--socket={self._folder / 's'}", f"--port={self.port}",
            "--bind-address=127.0.0.1", f"--ssl-cert={self._certificate}", f"--ssl-key={self._key}", f"--ssl-ca={self._folder / 'authority.pem'}",
            f"--pid-file={self._folder / 'pid'}", f"--secure-file-priv={self._folder}", "--innodb-flush-log-at-trx-commit=0",
            "--innodb-buffer-pool-size=16M", "--max-connections=20",
            *(() if tls else ("--skip-ssl",)), *more,
        )  # fmt: skip
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 90
        while self._client("SELECT 1").returncode != 0:
            assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
            assert time.monotonic() < deadline, (self._folder / "log").read_text()[-2000:]
            time.sleep(0.1)

    def stop(self, number: int = signal.SIGTERM) -> None:
        assert self._process is not None
        self._process.send_signal(number)
        self._process.wait(90)

    def sql(self, text: str) -> str:
        """What the client prints, as root over the socket."""
        done = self._client(text)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _client(self, text: str) -> "subprocess.CompletedProcess[str]":
        line = ("mariadb", "--no-defaults", f"--socket={self._folder / 's'}", "-u", "root", "-N", "-B", "--default-character-set=utf8mb4")
        return subprocess.run(line, input=text, capture_output=True, text=True, timeout=60)
