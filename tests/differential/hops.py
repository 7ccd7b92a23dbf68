"""The other HTTP servers as processes: nginx, HAProxy, node; and our gateway, all on loopback."""

import getpass
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "integration"))
import support  # noqa: E402  pylint: disable=wrong-import-position
from support import PATIENCE_S, Gateway  # noqa: E402  pylint: disable=wrong-import-position

NGINX = """
user {user}; worker_processes 1; daemon off;
pid {folder}/nginx.pid; error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
  log_format ids "$http_x_request_id"; access_log {folder}/access.log ids;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  keepalive_requests 100000; client_body_timeout 5s; client_header_timeout 5s; lingering_close off;
  upstream next {{ server 127.0.0.1:{next}; keepalive 4; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://next; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_ignore_client_abort on; proxy_request_buffering {buffering}; proxy_next_upstream off;
    }}
  }}
}}
"""

HAPROXY = """
global
  log stdout format raw local0
defaults
  mode http
  log global
  timeout connect 5s
  timeout client 5s
  timeout server 5s
  option http-keep-alive
  http-reuse always
  retries 0
frontend front
  bind fd@{fd}
  capture request header x-request-id len 64
  log-format "%[capture.req.hdr(0)]"
  default_backend next
backend next
  server next 127.0.0.1:{next}
"""


def _listener():
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    listener.set_inheritable(True)
    return listener


class Hop:
    """One process that listens; ended by its pid."""

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory()
        self.process = None
        self.port = 0

    def start(self, command, listener=None, environment=None, **options):
        """The program takes the listener over, so that nobody else can have its port meanwhile."""
        self.process = subprocess.Popen(
            command, stderr=subprocess.DEVNULL, pass_fds=[listener.fileno()] if listener else [],
            env={**os.environ, **(environment or {})}, **options)
        if listener:
            listener.close()

    def path(self, name):
        return os.path.join(self.directory.name, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def ids(self):
        """The request ids that it has logged; ends it."""
        return []

    def stop(self, number):
        """Ends it, in order when the signal says so: its log is whole only then."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(timeout=PATIENCE_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def close(self):
        self.stop(signal.SIGTERM)  # nginx takes its worker along.
        self.directory.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Nginx(Hop):
    def __init__(self, next_port, buffering="on"):
        super().__init__()
        listener = _listener()
        self.port = listener.getsockname()[1]
        path = self.write("nginx.conf", NGINX.format(folder=self.directory.name, port=self.port,
                                                     next=next_port, buffering=buffering,
                                                     user=getpass.getuser()))
        # A relative prefix keeps it from the files of an installed service.
        self.start(["nginx", "-p", self.directory.name, "-e", self.path("error.log"), "-c", path],
                   listener, {"NGINX": f"{listener.fileno()};"})

    def reasons(self):
        """Why it refused, by the client's address."""
        found = {}
        with open(self.path("error.log"), encoding="latin-1") as file:
            for match in re.finditer(r"\*\d+ ((?:client sent|upstream|invalid)[^,:\n]*).*, "
                                     r"client: ([\d.]+)", file.read()):
                found[match.group(2)] = match.group(1)
        return found

    def ids(self):
        self.stop(signal.SIGQUIT)
        with open(self.path("access.log"), encoding="latin-1") as file:
            return file.read().split("\n")[:-1]


class Haproxy(Hop):
    def __init__(self, next_port):
        super().__init__()
        listener = _listener()
        self.port = listener.getsockname()[1]
        path = self.write("haproxy.cfg", HAPROXY.format(fd=listener.fileno(), next=next_port))
        with open(self.path("log"), "wb") as log:
            self.start(["haproxy", "-db", "-f", path], listener, stdout=log)

    def ids(self):
        self.stop(signal.SIGUSR1)
        with open(self.path("log"), encoding="latin-1") as file:
            return [line.strip() for line in file]


class NodeOrigin(Hop):
    """node's own HTTP server, which echoes as the event loop's does."""

    def __init__(self):
        super().__init__()
        log = open(self.path("ids"), "w", encoding="ascii")  # pylint: disable=consider-using-with
        self.start(["node", os.path.join(HERE, "node_origin.js"), self.path("ids")],
                   stdout=subprocess.PIPE)
        log.close()
        self.port = int(self.process.stdout.readline())

    def ids(self):
        with open(self.path("ids"), encoding="latin-1") as file:
            return file.read().split("\n")[:-1]

    def close(self):
        super().close()
        self.process.stdout.close()


def use_gateway(path):
    """The program that Sluice starts from now on."""
    support.GATEWAY = path


class Sluice(Gateway):
    """Our gateway before one upstream."""

    def __init__(self, next_port, upstream="", more=""):
        super().__init__(f"""
development: true
upstreams:
  - {{name: up, url: "http://127.0.0.1:{next_port}", private_addresses: true{upstream}}}
models: [{{name: m, routes: [{{upstream: up}}]}}]
{more}
""")

    def ids(self):
        """The request ids of the access log, which is whole once the process has ended."""
        if self.process.poll() is None:
            self.signal()
            self.wait()
        with open(self.access_log, encoding="utf-8") as file:
            return [json.loads(line)["request_id"] for line in file]
