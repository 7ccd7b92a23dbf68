"""Real PostgreSQL and MariaDB for integration tests, each in a directory of its own.

    with Postgres() as server:              # host, port, user, password, database, socket
        server.run("CREATE TABLE t (a int)")
        server.pause(); server.resume()     # hangs, goes on
        server.kill(); server.start()       # the same port, the same rows

Both refuse to run as root, and are then run as a user without rights. They come from the
distribution's packages, speak TLS with a certificate of `server.authority` and are ended by their
pids.
"""

import contextlib
import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from redis_support import free_port, is_stopped, wait_until
from support import PATIENCE_S
from tls_support import Authority

STARTS_MOST = 5  # A port that was free can be taken before the server binds it.
SETUP_S = 60  # The bound of making an empty data directory.


def find_program(name):
    """In the path, where Debian keeps PostgreSQL's, or among those of the superuser."""
    places = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True) + ["/usr/sbin"]
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *places]))
    if not found:
        raise AssertionError(f"{name} is not installed; run tools/setup")
    return found


class Server:
    """What both have in common."""

    host = "localhost"
    user = "sluice"
    password = "the-database-password"
    database = "gateway"
    accounts = ()  # Users that the server may run as, when we are root.

    def __init__(self, tls=True):
        self.kept = tempfile.TemporaryDirectory()
        self.directory = self.kept.name
        self.socket = self.directory
        self.process = None
        self.account = self._choose_account()
        self.authority = Authority() if tls else None
        if tls:
            leaf = self.authority.issue(names="DNS:localhost")
            shutil.copy(leaf.chain, self.file("server.pem"))
            shutil.copy(leaf.key, self.file("server.key"))
            os.chmod(self.file("server.key"), 0o600)
        self.give_away()
        try:
            self.set_up()
            self.start()
            self.populate()
        except BaseException:
            self.close()
            raise

    def _choose_account(self):
        if os.geteuid() != 0:
            return None
        for name in self.accounts:
            with contextlib.suppress(KeyError):
                return pwd.getpwnam(name)
        raise AssertionError(f"there is none of the users {self.accounts}")

    def file(self, name):
        return os.path.join(self.directory, name)

    def give_away(self):
        """To the account that the server runs as."""
        if not self.account:
            return
        os.chown(self.directory, self.account.pw_uid, self.account.pw_gid)
        for name in os.listdir(self.directory):
            os.chown(self.file(name), self.account.pw_uid, self.account.pw_gid)

    def as_account(self, *words):
        if not self.account:
            return list(words)
        return ["setpriv", f"--reuid={self.account.pw_uid}", f"--regid={self.account.pw_gid}",
                "--clear-groups", *words]

    def run_program(self, *words, stdin="", timeout=PATIENCE_S):
        done = subprocess.run(self.as_account(*words), input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=timeout, check=False, text=True,
                              cwd=self.directory, env={**os.environ, "HOME": self.directory})
        if done.returncode != 0:
            raise AssertionError(f"{words[0]}: {done.stdout}")
        return done.stdout

    def start(self):
        """On the port that it had, if any."""
        for _ in range(STARTS_MOST):
            self.port = getattr(self, "port", None) or free_port()
            with open(self.file("log"), "ab") as log:
                self.process = subprocess.Popen(
                    self.as_account(*self.command()), stdout=log, stderr=log,
                    stdin=subprocess.DEVNULL, cwd=self.directory)
            wait_until(lambda: self.process.poll() is not None or self.answers(), "it answers")
            if self.process.poll() is None:
                return
            self.port = None
        with open(self.file("log"), encoding="utf-8", errors="replace") as log:
            raise AssertionError(f"it does not start: {log.read()[-2000:]}")

    def answers(self):
        try:
            self.run("SELECT 1")
        except AssertionError:
            return False
        return True

    def processes(self):
        """The pid of the server and those of its children."""
        pid = self.process.pid
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                return [pid, *map(int, file.read().split())]
        return [pid]

    def signal_all(self, number):
        """The server first, so that it starts none meanwhile; a child may have ended by itself."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def pause(self):
        """Returns when all have stopped: one may still answer after the signal."""
        self.signal_all(signal.SIGSTOP)
        wait_until(lambda: all(map(is_stopped, self.processes())), "the server has stopped")

    def resume(self):
        self.signal_all(signal.SIGCONT)

    def kill(self):
        """At once; connections are cut."""
        self.resume()
        self.process.send_signal(self.end_signal)
        self.process.wait(timeout=PATIENCE_S)

    def close(self):
        if self.process and self.process.poll() is None:
            self.kill()
        self.kept.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Postgres(Server):
    driver = "postgres"
    accounts = ("postgres", "nobody")
    end_signal = signal.SIGQUIT

    def set_up(self):
        with open(self.file("password"), "w", encoding="ascii") as file:
            file.write(self.password + "\n")
        self.give_away()
        self.run_program(find_program("initdb"), "-D", self.file("db"), "-U", "owner", "-A",
                         "scram-sha-256", f"--pwfile={self.file('password')}", "-E", "UTF8",
                         "--locale=C", "--no-sync", timeout=SETUP_S)
        with open(self.file("db/pg_hba.conf"), "w", encoding="ascii") as file:
            file.write("local all owner trust\nlocal all all scram-sha-256\n"
                       "host all all 127.0.0.1/32 scram-sha-256\n"
                       "host all all ::1/128 scram-sha-256\n")

    def command(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "fsync": "off",
                    "unix_socket_directories": self.socket, "shared_buffers": "16MB",
                    "timezone": "Asia/Tokyo"}
        if self.authority:
            settings |= {"ssl": "on", "ssl_cert_file": self.file("server.pem"),
                         "ssl_key_file": self.file("server.key")}
        return [find_program("postgres"), "-D", self.file("db"),
                *(word for name, value in settings.items() for word in ("-c", f"{name}={value}"))]

    def run(self, statements, database=None):
        return self.run_program(find_program("psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h",
                                self.socket, "-p", str(self.port), "-U", "owner", "-d",
                                database or getattr(self, "made", "postgres"), "-A", "-t",
                                stdin=statements)

    @contextlib.contextmanager
    def silent_handshake(self):
        """A port that wants TLS and then says nothing."""
        with silent_listener(b"S", is_asked=True) as port:
            yield port

    def populate(self):
        self.run(f"CREATE USER {self.user} PASSWORD '{self.password}'")
        self.run(f"CREATE DATABASE {self.database} OWNER {self.user}")
        self.made = self.database
        self.run(f"GRANT ALL ON SCHEMA public TO {self.user};"
                 f"ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO {self.user}")


class Mariadb(Server):
    driver = "mysql"
    accounts = ("mysql", "nobody")
    end_signal = signal.SIGKILL

    def set_up(self):
        user = [f"--user={self.account.pw_name}"] if self.account else []
        self.run_program(find_program("mariadb-install-db"), "--no-defaults", *user,
                         f"--datadir={self.file('db')}", "--skip-test-db", "--skip-name-resolve",
                         "--auth-root-authentication-method=normal", timeout=SETUP_S)
        os.makedirs(self.file("tmp"), exist_ok=True)
        self.give_away()

    def command(self):
        tls = ["--skip-ssl"]
        if self.authority:
            tls = [f"--ssl-cert={self.file('server.pem')}", f"--ssl-key={self.file('server.key')}"]
        return [find_program("mariadbd"), "--no-defaults", f"--datadir={self.file('db')}",
                f"--socket={self.file('mysqld.sock')}", f"--pid-file={self.file('pid')}",
                f"--tmpdir={self.file('tmp')}", "--bind-address=127.0.0.1", f"--port={self.port}",
                "--skip-name-resolve", "--innodb-buffer-pool-size=16M",
                "--innodb-flush-log-at-trx-commit=2", "--default-time-zone=+09:00", *tls]

    def run(self, statements):
        return self.run_program(find_program("mariadb"), "--no-defaults", "-N", "-B", "-u", "root",
                                f"--socket={self.file('mysqld.sock')}",
                                *([self.made] if hasattr(self, "made") else []),
                                stdin="SET time_zone = '+00:00';" + statements)

    @contextlib.contextmanager
    def silent_handshake(self):
        """A port that wants TLS and then says nothing."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S) as connection:
            greeting = connection.recv(4096)
        with silent_listener(greeting) as port:
            yield port

    def populate(self):
        self.run(f"CREATE DATABASE {self.database};"
                 f"CREATE USER '{self.user}'@'%' IDENTIFIED BY '{self.password}';"
                 f"GRANT ALL ON {self.database}.* TO '{self.user}'@'%';"
                 "DELETE FROM mysql.global_priv WHERE User = ''; FLUSH PRIVILEGES")
        self.made = self.database


@contextlib.contextmanager
def silent_listener(greeting=b"", is_asked=False):
    """A port that takes connections, says `greeting` (once it was asked) and nothing more."""
    kept = []

    def serve(listener):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                kept.append(connection)
                if is_asked:
                    connection.recv(8)
                connection.sendall(greeting)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    for connection in kept:
        connection.close()
