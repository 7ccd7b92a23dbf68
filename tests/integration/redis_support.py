"""Real Redis for integration tests: one server, a group watched by Sentinels, a cluster.

Ports are free ones that the kernel chose; everything lives in directories of its own, is ended by
its pid and waited for with a bound. The servers come from the distribution's packages.

    with Redis() as redis:                  # host, port, call()
        redis.call("SET", "a", "1")
        redis.pause(); redis.resume()       # hangs, goes on
        redis.kill(); redis.start()         # the same port, empty memory
    with Sentinel() as group:               # group.master, group.replicas, group.sentinels
        old = group.master; old.kill(); group.wait_for_failover(old)
    with Cluster() as cluster:              # cluster.nodes
        cluster.call("SET", "a", "1")       # at the node that owns the key
"""

import binascii
import contextlib
import os
import select
import signal
import socket
import subprocess
import tempfile
import threading
import time

from support import PATIENCE_S

SERVER = "redis-server"
POLL_S = 0.02  # Between two looks at a condition.
STARTS_MOST = 5  # A port that was free can be taken before the server binds it.


class RedisError(Exception):
    """An error that a server answered."""


def is_stopped(pid):
    """Whether it runs no more, by the state in /proc (proc(5)); also one that has gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "TtZX"
    except OSError:
        return True


def wait_until(condition, what):
    """Looks until `condition()` is true, at most PATIENCE_S; returns what it gave."""
    end = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while True:
        with contextlib.suppress(OSError, RedisError, EOFError):
            found = condition()
            if found:
                return found
        if time.monotonic() > end:
            raise AssertionError(f"not within {PATIENCE_S} s: {what}")
        pause.wait(POLL_S)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def slot_of(key):
    """The slot of a key in a cluster, hash tags included."""
    key = key.encode() if isinstance(key, str) else key
    start = key.find(b"{")
    end = key.find(b"}", start + 1)
    if start >= 0 and end > start + 1:
        key = key[start + 1:end]
    return binascii.crc_hqx(key, 0) % 16384


class Wire:
    """A client of one connection: sends a command, reads its reply. Speaks RESP2."""

    def __init__(self, connection):
        connection.settimeout(PATIENCE_S)
        self.socket = connection
        self.buffer = b""

    def call(self, *arguments):
        parts = [a if isinstance(a, bytes) else str(a).encode() for a in arguments]
        self.socket.sendall(b"*%d\r\n" % len(parts) +
                            b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts))
        return self.read_reply()

    def read_reply(self):
        line = self._line()
        kind, rest = line[:1], line[1:].decode()
        if kind == b"-":
            raise RedisError(rest)
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        count = int(rest)
        if count < 0:
            return None
        if kind == b"$":
            return self._exactly(count + 2)[:-2].decode("utf-8", "replace")
        return [self._item() for _ in range(count)]

    def _item(self):
        try:
            return self.read_reply()
        except RedisError as error:
            return error

    def _more(self):
        received = self.socket.recv(65536)
        if not received:
            raise EOFError("the server closed the connection")
        self.buffer += received

    def _line(self):
        while b"\r\n" not in self.buffer:
            self._more()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def _exactly(self, count):
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Redis:
    """One server: started, hung, killed and started again on the same port.

    `lines` are lines of its configuration file. With a tls_support.Identity as `tls` and its
    `authority` it speaks TLS on `port` and nothing else; `unix` adds a socket, `unix_path`.
    """

    arguments = ()

    def __init__(self, lines=(), tls=None, authority=None, unix=False, password=None, port=None):
        self.kept = tempfile.TemporaryDirectory()
        self.directory = self.kept.name
        self.host = "127.0.0.1"
        self.port = port
        self.tls = tls
        self.authority = authority
        self.password = password
        self.lines = list(lines)
        self.unix_path = os.path.join(self.directory, "redis.sock") if unix else None
        self.process = None
        self.output = b""
        try:
            self._start_somewhere()
        except BaseException:
            self.close()
            raise

    # --- its life ---

    def start(self):
        """Starts it on its port; returns when it answers."""
        assert self.process is None, "it runs"
        path = os.path.join(self.directory, "redis.conf")
        if not os.path.exists(path):  # Sentinels write their state there.
            with open(path, "w", encoding="utf-8") as file:
                file.write("\n".join(self._configuration()) + "\n")
        self.process = subprocess.Popen([SERVER, path, *self.arguments], cwd=self.directory,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        os.set_blocking(self.process.stdout.fileno(), False)
        wait_until(self._is_up, "redis-server answers")

    def stop(self):
        """Ends it in good order."""
        self._end(signal.SIGTERM)

    def kill(self):
        """Ends it at once; its memory is lost."""
        self._end(signal.SIGKILL)

    def restart(self):
        self.kill()
        self.start()

    def pause(self):
        """It keeps its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: is_stopped(self.process.pid), "Redis has stopped")

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    # --- what it says ---

    def connect(self):
        """A Wire as its most powerful user."""
        connection = socket.create_connection((self.host, self.port), timeout=PATIENCE_S)
        if self.tls:
            connection = self.authority.trusting().wrap_socket(connection,
                                                               server_hostname="localhost")
        wire = Wire(connection)
        if self.password:
            wire.call("AUTH", self.password)
        return wire

    def call(self, *arguments):
        """The reply of one command on a connection of its own; errors are raised."""
        with self.connect() as wire:
            return wire.call(*arguments)

    def fields(self, section):
        """INFO's lines of one section as a dictionary."""
        lines = (line.split(":", 1) for line in self.call("INFO", section).splitlines())
        return {parts[0]: parts[1] for parts in lines if len(parts) == 2}

    def commands(self):
        """How many commands it has run so far, those of this look included."""
        return int(self.fields("stats")["total_commands_processed"])

    def log(self):
        """What it has printed so far."""
        if self.process and self.process.stdout and not self.process.stdout.closed:
            while select.select([self.process.stdout], [], [], 0)[0]:
                printed = os.read(self.process.stdout.fileno(), 65536)
                if not printed:
                    break
                self.output += printed
        return self.output.decode("utf-8", "replace")

    # --- inside ---

    def _configuration(self):
        lines = [f"bind {self.host}", f"dir {self.directory}", "daemonize no", "databases 16",
                 *self._persistence(), *self.lines]
        if self.tls:
            lines += ["port 0", f"tls-port {self.port}", f"tls-cert-file {self.tls.chain}",
                      f"tls-key-file {self.tls.key}", f"tls-ca-cert-file {self.authority.pem}",
                      "tls-auth-clients no", "tls-replication yes"]
        else:
            lines.append(f"port {self.port}")
        if self.unix_path:
            lines += [f"unixsocket {self.unix_path}", "unixsocketperm 700"]
        if self.password:
            lines.append(f"requirepass {self.password}")
        return lines

    def _persistence(self):
        return ['save ""', "appendonly no", "enable-debug-command yes",
                "repl-diskless-sync-delay 0"]

    def _start_somewhere(self):
        if self.port is not None:
            self.start()
            return
        for attempt in range(STARTS_MOST):
            self.port = free_port()
            try:
                self.start()
                return
            except AssertionError:
                self.kill()
                os.remove(os.path.join(self.directory, "redis.conf"))
                if attempt == STARTS_MOST - 1:
                    raise

    def _is_up(self):
        self.log()
        if self.process.poll() is not None:
            raise AssertionError(f"redis-server ended: {self.log()}")
        return self.call("PING") == "PONG"

    def _end(self, number):
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(number)
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log()
        self.process.stdout.close()
        self.process = None

    def close(self):
        self.kill()
        self.kept.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Watcher(Redis):
    """One Sentinel process."""

    arguments = ("--sentinel",)

    def _persistence(self):
        return []

    def master_address(self, name):
        host, port = self.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)
        return host, int(port)

    def view(self, name):
        """What it knows of the master, as a dictionary."""
        flat = self.call("SENTINEL", "MASTER", name)
        return dict(zip(flat[::2], flat[1::2]))


class Sentinel:
    """A master with replicas, and Sentinels that watch them under `name`."""

    def __init__(self, replicas=1, sentinels=3, name="main", password=None,
                 sentinel_password=None, down_after_ms=500):
        self.name = name
        self.servers = []
        self.sentinels = []
        secret = [f"masterauth {password}"] if password else []
        try:
            self.servers.append(Redis(secret, password=password))
            master = self.servers[0]
            self.servers += [
                Redis([*secret, f"replicaof {master.host} {master.port}"], password=password)
                for _ in range(replicas)]
            wait_until(self._are_linked, "the replicas follow their master")
            lines = [f"sentinel monitor {name} {master.host} {master.port} {sentinels // 2 + 1}",
                     f"sentinel down-after-milliseconds {name} {down_after_ms}",
                     f"sentinel failover-timeout {name} 3000"]
            if password:
                lines.append(f"sentinel auth-pass {name} {password}")
            if sentinel_password:
                lines.append(f"sentinel sentinel-pass {sentinel_password}")
            self.sentinels += [Watcher(lines, password=sentinel_password)
                               for _ in range(sentinels)]
            # A Sentinel that was held up itself does nothing for so long: half a minute by default.
            for sentinel in self.sentinels:
                sentinel.call("SENTINEL", "DEBUG", "tilt-period", "1000")
            self.wait_until_settled()
        except BaseException:
            self.close()
            raise

    @property
    def master(self):
        """The server that Sentinels call the master now."""
        for sentinel in self.sentinels:
            if sentinel.is_running():
                _, port = sentinel.master_address(self.name)
                return next(server for server in self.servers if server.port == port)
        return self.servers[0]

    @property
    def replicas(self):
        master = self.master
        return [server for server in self.servers if server is not master]

    @property
    def addresses(self):
        """Of the Sentinels, as "host:port"."""
        return [f"{sentinel.host}:{sentinel.port}" for sentinel in self.sentinels]

    def _are_linked(self):
        return all(server.fields("replication").get("master_link_status") == "up"
                   for server in self.servers[1:])

    def wait_until_settled(self):
        """Until every Sentinel knows all others and the replicas: then a failover can begin."""
        def knows_all(sentinel):
            view = sentinel.view(self.name)
            return (view["flags"] == "master"
                    and int(view["num-slaves"]) == len(self.servers) - 1
                    and int(view["num-other-sentinels"]) == len(self.sentinels) - 1)
        wait_until(lambda: all(knows_all(s) for s in self.sentinels if s.is_running()),
                   "the Sentinels know each other and the replicas")

    def wait_for_failover(self, old):
        """Until all Sentinels name a master other than `old` and it takes writes; returns it.

        It stays the only failover: from here on a stall of the machine is no lost master.
        """
        def has_moved():
            masters = {s.master_address(self.name)[1] for s in self.sentinels if s.is_running()}
            if len(masters) != 1 or old.port in masters:
                return None
            new = self.master
            return new if new.fields("replication")["role"] == "master" else None
        promoted = wait_until(has_moved, "a replica was promoted")
        for sentinel in self.sentinels:
            if sentinel.is_running():
                sentinel.call("SENTINEL", "SET", self.name, "down-after-milliseconds", "600000")
        return promoted

    def close(self):
        for process in self.sentinels + self.servers:
            process.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Node(Redis):
    """One node of a cluster."""

    def __init__(self, lines=(), **options):
        super().__init__(["cluster-enabled yes", "cluster-config-file nodes.conf",
                          "cluster-node-timeout 1000", *lines], **options)
        self.id = self.call("CLUSTER", "MYID")

    def _configuration(self):
        # The default, port + 10000, may be above the last port there is.
        self.bus_port = free_port()
        return [*super()._configuration(), f"cluster-port {self.bus_port}"]

    def cluster_fields(self):
        """What it says of its cluster."""
        lines = self.call("CLUSTER", "INFO").splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def meet(self, other):
        self.call("CLUSTER", "MEET", other.host, other.port, other.bus_port)


class Cluster:
    """`masters` nodes that share the slots evenly, each with `replicas` replicas."""

    SLOTS = 16384

    def __init__(self, masters=3, replicas=0, password=None, lines=()):
        self.nodes = []
        secret = [f"masterauth {password}"] if password else []
        try:
            for _ in range(masters * (1 + replicas)):
                self.nodes.append(Node([*secret, *lines], password=password))
            self.masters = self.nodes[:masters]
            for index, node in enumerate(self.masters):
                node.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
                node.call("CLUSTER", "ADDSLOTSRANGE", self.SLOTS * index // masters,
                          self.SLOTS * (index + 1) // masters - 1)
            for node in self.nodes[1:]:
                self.nodes[0].meet(node)
            count = str(len(self.nodes))
            wait_until(lambda: all(node.cluster_fields()["cluster_known_nodes"] == count
                                   for node in self.nodes), "the nodes know each other")
            for index, node in enumerate(self.nodes[masters:]):
                wait_until(lambda n=node, m=self.masters[index % masters]:
                           n.call("CLUSTER", "REPLICATE", m.id) == "OK", "a replica has begun")
            self.wait_until_settled()
        except BaseException:
            self.close()
            raise

    @property
    def addresses(self):
        return [f"{node.host}:{node.port}" for node in self.nodes]

    def wait_until_settled(self):
        """Until every running node says that all slots are served."""
        wait_until(lambda: all(node.cluster_fields()["cluster_state"] == "ok"
                               for node in self.nodes if node.is_running()),
                   "the cluster serves all slots")

    def owner_of(self, key_or_slot):
        """The node that serves a key or a slot, as a running node says."""
        slot = key_or_slot if isinstance(key_or_slot, int) else slot_of(key_or_slot)
        asked = next(node for node in self.nodes if node.is_running())
        for first, last, owner, *_ in asked.call("CLUSTER", "SLOTS"):
            if first <= slot <= last:
                return next(node for node in self.nodes if node.port == owner[1])
        raise RedisError(f"nobody serves slot {slot}")

    def call(self, command, key, *arguments):
        """One command at the node that owns `key`."""
        return self.owner_of(key).call(command, key, *arguments)

    # --- moving a slot: begin, then keys, then end ---

    def begin_move(self, slot, target):
        """From now on the old owner answers ASK for keys of the slot that it does not have."""
        source = self.owner_of(slot)
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        return source

    def move_keys(self, slot, source, target):
        while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, 100):
            secret = ["AUTH", target.password] if target.password else []
            source.call("MIGRATE", target.host, target.port, "", 0, 5000, *secret, "KEYS", *keys)

    def end_move(self, slot, target):
        """From now on the old owner answers MOVED."""
        for node in [target, *(n for n in self.masters if n is not target)]:
            if node.is_running():
                node.call("CLUSTER", "SETSLOT", slot, "NODE", target.id)

    def move(self, slot, target):
        source = self.begin_move(slot, target)
        self.move_keys(slot, source, target)
        self.end_move(slot, target)

    def close(self):
        for node in self.nodes:
            node.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

