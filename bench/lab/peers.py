"""The programs that are compared, each set up as its own documentation advises for streams."""

import dataclasses
import os
import shutil
import subprocess
from pathlib import Path

from .processes import PEER_CORE, LOAD_CORE, fail, find_program, free_port

KEY = "sk-bench-0123456789abcdef"
MODEL = "sim-small"

# Key check, routing, usage accounting (what is streamed asks for it), metrics, access log.
SLUICE_ALL_ON = """
listen: 127.0.0.1:{port}
shards: {shards}
access_log: {{file: "{folder}/access-{port}.log"}}
log: {{file: "{folder}/sluice-{port}.log"}}
metrics: {{listen: "127.0.0.1:0"}}
upstreams:
  - {{name: canned, url: "http://127.0.0.1:{upstream}", private_addresses: true,
     stream_usage: inject}}
models:
  - {{name: {model}, routes: [{{upstream: canned}}]}}
keys:
  - name: bench
    secret: {key}
    limits: {{requests_per_minute: 1000M, tokens_per_minute: 100000M}}
"""

SLUICE_OFF = """
listen: 127.0.0.1:{port}
shards: {shards}
development: true
usage: off
access_log: off
log: {{file: "{folder}/sluice-{port}.log"}}
upstreams:
  - {{name: canned, url: "http://127.0.0.1:{upstream}", private_addresses: true}}
models:
  - {{name: {model}, routes: [{{upstream: canned}}]}}
"""

# proxy_buffering off is what nginx advises for streams, keepalive with HTTP/1.1 and an empty
# Connection header for kept upstream connections. A body that fits the buffer is not written to a
# file on its way.
NGINX = """
daemon off;
worker_processes 1;
pid {folder}/nginx-{port}.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 32m; client_body_buffer_size 512k;
  upstream canned {{
    server 127.0.0.1:{upstream}; keepalive 1024; keepalive_requests 100000000; }}
  server {{
    listen 127.0.0.1:{port};
    keepalive_requests 100000000;
    location / {{
      proxy_pass http://canned; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; proxy_read_timeout 1h;
    }}
  }}
}}
"""

# Without http-no-delay HAProxy may hold events back; its manual names the option for such traffic.
HAPROXY = """
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option http-no-delay
  http-reuse always
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout http-keep-alive 1h
frontend bench
  bind 127.0.0.1:{port}
  default_backend canned
backend canned
  server canned 127.0.0.1:{upstream}
"""


@dataclasses.dataclass
class Peer:
    name: str
    port: int
    pids: list
    scheme: str = "http"

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"


class Peers:
    """Starts them in `lab`. `build` holds our own programs. With `tls` they speak https."""

    def __init__(self, lab, build, tls=None):
        self.lab, self.build, self.tls = lab, Path(build), tls

    def program(self, path):
        program = self.build / path
        if not program.exists():
            fail(f"{program} is missing; bench/README.md says how to build it")
        return program

    def canned(self, *manner):
        """A canned upstream; gives its port."""
        command = [self.program("bench/canned/sluice-canned"), *manner]
        return self.lab.start_announced(command, LOAD_CORE)[1]

    def start_configured(self, name, upstream, text, command, **more):
        """`command(path)` is what runs with the configuration of that path."""
        port = free_port()
        path = self.lab.folder / f"{name}-{port}.conf"
        path.write_text(text.format(port=port, upstream=upstream, folder=self.lab.folder, key=KEY,
                                    model=MODEL, **more))
        self.lab.keep_short(self.lab.folder / f"access-{port}.log")
        process = self.lab.start(command(path), PEER_CORE, port)
        return Peer(name, port, [process.pid], "https" if self.tls else "http")

    def sluice(self, name, upstream, program=None, text=SLUICE_ALL_ON, shards=1):
        program = Path(program).resolve() if program else self.program("src/app/sluice")
        text = self.tls.sluice(text) if self.tls else text
        return self.start_configured(name, upstream, text, lambda path: [program, "run", path],
                                     shards=shards)

    def floor(self, name, upstream, processes=1):
        """More than one share the port, as shards do."""
        peer = Peer(name, 0, [])
        for _ in range(processes):
            command = [self.program("bench/floor/sluice-floor"), "--listen",
                       f"127.0.0.1:{peer.port}", "--upstream", f"127.0.0.1:{upstream}"]
            process, peer.port = self.lab.start_announced(command, PEER_CORE)
            peer.pids.append(process.pid)
        return peer

    def nginx(self, name, upstream):
        program = find_program("nginx")
        text = self.tls.nginx(NGINX) if self.tls else NGINX
        return self.start_configured(name, upstream, text, lambda path: [program, "-c", path])

    def haproxy(self, name, upstream):
        program = find_program("haproxy")
        text = self.tls.haproxy(HAPROXY) if self.tls else HAPROXY
        return self.start_configured(name, upstream, text,
                                     lambda path: [program, "-db", "-f", path])

    def portkey(self, name, upstream):
        """Portkey's gateway from npm, kept in the build folder; asks the registry only once."""
        folder = self.build / "portkey"
        server = folder / "node_modules/@portkey-ai/gateway/build/start-server.js"
        if not server.exists():
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", folder,
                            "@portkey-ai/gateway@1.15"], check=True, stdout=subprocess.DEVNULL)
        port = free_port()
        process = self.lab.start([find_program("node"), server, f"--port={port}", "--headless"],
                                 PEER_CORE, port)
        return Peer(name, port, [process.pid])


def missing_program(peer):
    """What a peer needs and this machine lacks; empty when it can be started."""
    needed = {"nginx": ["nginx"], "haproxy": ["haproxy"], "portkey": ["node", "npm"]}
    return ", ".join(name for name in needed.get(peer, []) if not find_program(name))


def headers_for(peer, upstream):
    """What a request through this peer needs beside its body."""
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
    if peer == "portkey":
        headers["x-portkey-provider"] = "openai"
        headers["x-portkey-custom-host"] = f"http://127.0.0.1:{upstream}/v1"
    return headers


def build_release(root):
    """The gateway as it is shipped; its path."""
    subprocess.run([root / "tools/release"], check=True, stdout=subprocess.DEVNULL)
    return root / "build-shipped/src/app/sluice"


def build_programs(root, build, targets):
    """A release build of `targets`, configured where it is not yet."""
    environment = dict(os.environ)
    if shutil.which("clang++-19"):
        environment.setdefault("CC", "clang-19")
        environment.setdefault("CXX", "clang++-19")
        environment.setdefault("CXX_LD", "lld")
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, root, "--buildtype=release"], check=True,
                       env=environment, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, *targets], check=True, env=environment,
                   stdout=subprocess.DEVNULL)
