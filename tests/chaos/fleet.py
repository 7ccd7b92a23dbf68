"""All processes of a run: two gateways, three providers, Redis, PostgreSQL; each can be killed,
stopped, and started again at the same port.

    edge    speaks TLS, HTTP/1.1 and HTTP/2       plain   speaks HTTP/1.1
    a, b    providers on this side                c       a provider on the island
"""

import contextlib
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import place
from redis_support import Wire, free_port, wait_until
from sql_support import Postgres
from support import Client, post_admin
from tls_support import Authority

PATIENCE_S = 20
GATEWAY = os.path.abspath(os.environ.get("SLUICE_BIN", "build/src/app/sluice"))
SHIFTED_CLOCK = os.environ.get("SLUICE_SHIFTED_CLOCK", "")
DOCS = os.path.join(os.path.dirname(__file__), "../../docs/usage.md")
SECRETS = {name: f"sk-{name}-0123456789abcdef" for name in ("app", "limited", "narrow", "database",
                                                           "redis")}
GATEWAYS_MOST = 4  # That the ledger reckons with.
LIMIT = 60  # Requests a minute of the key `limited`, at both gateways together.
NARROW = 4  # Requests at a time of the key `narrow`, at both gateways together.
TABLE = "api_keys"
PRICE = (1, 2)  # Dollars a million tokens, of the prompt and of the answer.


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def answers(host, port):
    with contextlib.suppress(OSError):
        socket.create_connection((host, port), timeout=1).close()
        return True
    return False


class Child:
    """A process that is started by a command, again and again."""

    def __init__(self, name, log):
        self.name, self.log_path = name, log
        self.process = None

    def launch(self, words, environment=None):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **(environment or {})})

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        with open(self.log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def signal(self, number):
        os.kill(self.pid, number)

    def stop(self):
        self.signal(signal.SIGSTOP)

    def resume(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    close = kill


class Provider(Child):
    def __init__(self, name, island, folder, is_far):
        super().__init__(name, os.path.join(folder, f"provider-{name}.log"))
        self.book = os.path.join(folder, f"provider-{name}.book")
        self.island, self.is_far = island, is_far
        self.port = free_port()
        self.start()

    def address_for(self, link):
        return self.island.addresses[link] if self.is_far else "127.0.0.1"

    def start(self):
        program = os.path.join(os.path.dirname(__file__), "provider.py")
        words = [sys.executable, program, "0.0.0.0" if self.is_far else "127.0.0.1",
                 str(self.port), self.book]
        self.launch(self.island.command(*words) if self.is_far else words)
        wait_until(lambda: answers(self.address_for("watch"), self.port), f"provider {self.name}")

    def notes(self):
        """[(letter, seconds, token, more)] of the file."""
        with open(self.book, encoding="ascii") as file:
            lines = (line.split() for line in file)
            return [(letter, int(at) / 1e9, token, more) for letter, at, token, more in lines]


class Redis(Child):
    """Remembers nothing over a kill but the key of the source, which is put back."""

    def __init__(self, island, folder):
        super().__init__("redis", os.path.join(folder, "redis.log"))
        self.island, self.folder = island, folder
        self.port = free_port()
        self.start()

    def start(self):
        self.launch(self.island.command(
            "redis-server", "--port", str(self.port), "--bind", "0.0.0.0", "--protected-mode", "no",
            "--save", "", "--appendonly", "no", "--dir", self.folder))
        wait_until(lambda: self.call("PING") == "PONG", "Redis answers")
        self.call("HSET", f"chaos:key:{digest(SECRETS['redis'])}", "user_id", "redis",
                  "name", "redis")

    def call(self, *words):
        connection = socket.create_connection((self.island.addresses["watch"], self.port), 2)
        with Wire(connection) as wire:
            return wire.call(*words)


class Database(Postgres):
    """PostgreSQL on the island, with keys and the table that is told of use."""

    name = "postgres"

    def __init__(self, island):
        self.island = island
        super().__init__(tls=False)
        with open(DOCS, encoding="utf-8") as file:
            self.run(re.search(r"```sql\n(.*?)```", file.read(), re.DOTALL).group(1)
                     + f"ALTER TABLE sluice_usage OWNER TO {self.user};")
        self.run(f"CREATE TABLE {TABLE} (hash varchar(64) PRIMARY KEY, id varchar(40));"
                 f"INSERT INTO {TABLE} VALUES ('{digest(SECRETS['database'])}', 'database')")

    def set_up(self):
        super().set_up()
        with open(self.file("db/pg_hba.conf"), "a", encoding="ascii") as file:
            file.write("host all all 10.77.0.0/16 scram-sha-256\n")

    def as_account(self, *words):
        return self.island.command(*super().as_account(*words))

    def command(self):
        return [*super().command(), "-c", "listen_addresses=0.0.0.0", "-c", "max_connections=40"]

    def kill(self):
        """All of its processes at once, as the kernel does when memory runs out."""
        self.signal_all(signal.SIGKILL)
        self.process.wait(timeout=PATIENCE_S)

    def told(self):
        """[(request id, status, source)] of the table."""
        out = self.run("SELECT request_id, status, source FROM sluice_usage")
        return [tuple(line.split("|")) for line in out.splitlines() if line]


class Gateway(Child):
    """`disk` is the folder of its journal, usage log and store: a small disk, where that may be."""

    def __init__(self, fleet, name, shards=2):
        super().__init__(name, os.path.join(fleet.folder, f"{name}.log"))
        self.fleet, self.shards = fleet, shards
        self.port, self.metrics_port = free_port(), free_port()
        self.disk = os.path.join(fleet.folder, f"disk-{name}")
        os.makedirs(self.disk)
        if place.has_namespaces():
            place.mount_memory(self.disk, fleet.disk_mib)
        self.socket_path = os.path.join(fleet.folder, f"{name}.sock")
        self.config_path = os.path.join(fleet.folder, f"{name}.yaml")
        self.shift_path = os.path.join(fleet.folder, f"{name}.shift")
        with open(self.shift_path, "wb") as file:
            file.write(bytes(8))
        self.clients = None
        self.tls = ""
        if name == "edge":
            identity = fleet.authority.issue()
            # One for each protocol: what a client offers is the context's.
            self.clients = {name: fleet.authority.trusting() for name in ("http/1.1", "h2")}
            self.tls = (f"tls:\n  certificates: [{{certificate: {identity.chain}, "
                        f"key: {identity.key}}}]\n  handshakes_per_second: 5000\n")
        self.successor = None  # Its pid, after an upgrade; no child of ours.
        self.wishes = 0
        self.write_config()
        self.start()

    @property
    def pid(self):
        return self.successor or self.process.pid

    def write_config(self, backoff_ms=10):
        with open(self.config_path, "w", encoding="utf-8") as file:
            file.write(self.config(backoff_ms))

    def config(self, backoff_ms):
        fleet, island = self.fleet, self.fleet.island.addresses[self.name]
        upstreams = "".join(
            f"  - {{name: {each.name}, url: \"http://{each.address_for(self.name)}:{each.port}\", "
            "private_addresses: true, breaker: {consecutive: 5, open_for: 1s, requests_min: 1000}, "
            "timeouts: {connect: 500ms, response: 2s, idle: 2s, total: 6s}, "
            "pool: {idle_timeout: 5s}}\n" for each in fleet.providers)
        routes = ", ".join(f"{{upstream: {each.name}, price: {{input: {PRICE[0]}, "
                           f"output: {PRICE[1]}}}}}" for each in fleet.providers)
        sql = (f"{{driver: postgres, host: {island}, port: {fleet.database.port}, user: "
               f"{fleet.database.user}, password: \"{fleet.database.password}\", database: "
               f"{fleet.database.database}, tls: off, timeout: 1s}}")
        redis = f"redis://{island}:{fleet.redis.port}"
        keys = "".join(f"  - {{name: {name}, secret: {SECRETS[name]}{more}}}\n" for name, more in (
            ("app", ""), ("limited", f", limits: {{requests_per_minute: {LIMIT}}}"),
            ("narrow", f", limits: {{concurrency: {NARROW}}}")))
        return f"""listen: 127.0.0.1:{self.port}
shards: {self.shards}
drain_timeout: 10s
{self.tls}admin: {{socket: {self.socket_path}}}
metrics: {{listen: 127.0.0.1:{self.metrics_port}}}
access_log: {{file: {self.disk}/access.log}}
journal: {{directory: {self.disk}/journal, segment_bytes: 2MiB}}
usage_log:
  path: {self.disk}/usage.db
  reporters:
    - {{type: database, interval: 200ms, timeout: 2s, sql: {sql}}}
store: {{path: {self.disk}/keys.db}}
redis: {{url: "{redis}/0", namespace: chaos, gateways: {GATEWAYS_MOST}}}
retries: {{backoff: {backoff_ms}ms, budget: 100%, budget_min: 1000}}
auth:
  sources:
    - type: file
    - type: sqlite
    - {{type: redis, redis: {{url: "{redis}/0"}}, pattern: "chaos:key:{{sha256}}", ttl: 1s,
       negative_ttl: 100ms, timeout: 500ms, on_error: allow_cached}}
    - {{type: database, sql: {sql}, table: {TABLE}, key_column: hash, ttl: 1s, negative_ttl: 100ms,
       timeout: 500ms, on_error: allow_cached, columns: {{id: id}}}}
upstreams:
{upstreams}models:
  - {{name: m, routes: [{routes}]}}
keys:
{keys}"""

    def start(self, boot_offset_s=0):
        """`boot_offset_s`: another origin of the clocks that count from the boot."""
        words = [GATEWAY, "run", self.config_path]
        if boot_offset_s:
            words = ["unshare", "-T", "--monotonic", str(boot_offset_s), "--boottime",
                     str(boot_offset_s), *words]
        environment = {"SLUICE_DUMPABLE": "1"}
        if SHIFTED_CLOCK:
            environment |= {"LD_PRELOAD": SHIFTED_CLOCK, "SLUICE_SHIFT_FILE": self.shift_path}
        begin = len(self.log()) if os.path.exists(self.log_path) else 0
        self.successor = None
        self.launch(words, environment)
        wait_until(lambda: self.has_said("listening on", begin), f"{self.name} listens")

    def has_said(self, text, begin):
        said = self.log()[begin:]
        if self.process.poll() is not None:
            raise AssertionError(
                f"{self.name} ended with {self.process.returncode}: {said[-1500:]}")
        return text in said

    def shift_clock(self, seconds):
        """Moves the wall clock that it sees."""
        with open(self.shift_path, "r+b") as file:
            file.write(int(seconds).to_bytes(8, "little", signed=True))

    def is_running(self):
        return is_alive(self.pid)

    def kill(self):
        if self.successor:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.successor, signal.SIGKILL)
            wait_until(lambda: not is_alive(self.successor), f"the end of {self.name}")
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self):
        """In order: it drains."""
        self.signal(signal.SIGTERM)
        pid = self.pid
        wait_until(lambda: self.process.poll() is not None and not is_alive(pid),
                   f"{self.name} has ended")

    close = kill

    def reload(self):
        self.wishes += 1
        self.write_config(10 + self.wishes % 5)
        status, answer = self.admin("POST", "/v1/reload")
        return status == 200 or (status == 409 and answer["error"]["code"] == "busy")

    def upgrade(self):
        """The pid of the process before, which drains; None when it was refused as busy."""
        before = self.pid
        status, answer = post_admin(self, "/v1/upgrade", {"timeout": "20s"})
        if status == 409:
            return None
        if status != 200:
            raise AssertionError(f"{self.name} is not upgraded: {answer}")
        self.successor = answer["pid"]
        return before

    def admin(self, method, path, body=None):
        return post_admin(self, path, body, method)

    def metrics(self):
        """Every sample of one scrape, by its name with labels."""
        with Client(socket.create_connection(("127.0.0.1", self.metrics_port), 5)) as client:
            client.send("GET /metrics HTTP/1.1\r\nhost: t\r\n\r\n")
            text = client.read_answer().body.decode()
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
        return {name: float(value) for name, value in samples}

    def resident_kib(self):
        with open(f"/proc/{self.pid}/status", encoding="ascii") as file:
            return int(re.search(r"VmRSS:\s+(\d+)", file.read()).group(1))

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def limit_descriptors(self, most):
        """(soft, hard) before."""
        return resource.prlimit(self.pid, resource.RLIMIT_NOFILE, most)

    def limit_descriptors_to(self, more):
        """So many more than are open now; what the limit was."""
        before = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        self.limit_descriptors((self.descriptors() + more, before[1]))
        return before

    def starve(self, share):
        return place.Quota(self.name, self.pid, share)

    def make_key(self, name):
        """A key of its store; its secret."""
        status, made = self.admin("POST", "/v1/keys", {"name": name})
        if status != 201:
            raise AssertionError(f"no key: {made}")
        return made["secret"]


class Fleet(contextlib.ExitStack):
    def __init__(self, disk_mib=64, shards=2):
        super().__init__()
        self.disk_mib = disk_mib
        try:
            self.folder = tempfile.mkdtemp(prefix="chaos-")
            self.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self.island = self.enter_context(place.Island())
            self.providers = [self.keep(Provider(name, self.island, self.folder, name == "c"))
                              for name in "abc"]
            self.redis = self.keep(Redis(self.island, self.folder))
            self.database = self.keep(Database(self.island))
            self.authority = Authority()
            self.gateways = [self.keep(Gateway(self, name, shards)) for name in ("edge", "plain")]
            self.edge, self.plain = self.gateways
        except BaseException:
            self.close()
            raise
        self.began = time.monotonic()

    def keep(self, child):
        self.callback(child.close)
        return child

    def provider(self, name):
        return next(each for each in self.providers if each.name == name)

    def gateway(self, name):
        return next(each for each in self.gateways if each.name == name)

    def secrets_of(self, gateway):
        """Those of both gateways, and one of its own store."""
        return {**SECRETS, "store": gateway.make_key("store")}


def describe(value):
    return json.dumps(value, sort_keys=True)
