"""TLS for the peers: certificates, and what each program's configuration says about them.

All speak TLS 1.3 with TLS_AES_128_GCM_SHA256, the same certificate, tickets on, and check the
upstream's certificate against the authority that made it (itself).
"""

import os
import subprocess
from pathlib import Path

from .processes import LOAD_CORE, find_program, free_port

SIDES = ("in", "both")  # https in and http out; https both ways.
KEY_KINDS = {"ecdsa": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
             "rsa": ["-newkey", "rsa:2048"]}
SUITE = "TLS_AES_128_GCM_SHA256"

# From its cache it costs the generator's core little.
CACHED = ("proxy_cache answers; proxy_cache_methods POST; proxy_cache_key answer; "
          "proxy_cache_valid 200 1d;")
AS_THEY_COME = "proxy_buffering off;"
NGINX_UPSTREAM = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx-{port}.pid;
error_log {folder}/nginx-error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  client_max_body_size 32m; client_body_buffer_size 512k;
  proxy_cache_path {folder}/cache-{port} keys_zone=answers:1m use_temp_path=off;
  open_file_cache max=16;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {chain}; ssl_certificate_key {key};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites {suite};
    keepalive_requests 100000000; keepalive_timeout 1h;
    location / {{
      proxy_pass http://127.0.0.1:{upstream}; proxy_http_version 1.1; proxy_read_timeout 1h;
      {answers}
    }}
  }}
}}
"""


class Identity:
    """A certificate of 127.0.0.1 that signs itself, and its key."""

    def __init__(self, folder, kind="ecdsa"):
        self.kind = kind
        self.chain, self.key = Path(folder) / f"{kind}.pem", Path(folder) / f"{kind}-key.pem"
        self.both = Path(folder) / f"{kind}-both.pem"
        if self.both.exists():
            return
        subprocess.run([find_program("openssl"), "req", "-x509", *KEY_KINDS[kind], "-nodes",
                        "-keyout", self.key, "-out", self.chain, "-days", "90",
                        "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
                       check=True, stdin=subprocess.DEVNULL, capture_output=True)
        self.key.chmod(0o600)
        self.both.write_text(self.chain.read_text() + self.key.read_text())
        self.both.chmod(0o600)


class Tls:
    """Turns configurations for plain HTTP into ones for https. `is_out`: to the upstream too.
    `with_h2`: clients may speak HTTP/2."""

    def __init__(self, identity, is_out=False, version="1.3", handshakes_per_second=100_000,
                 with_h2=False):
        self.with_h2 = with_h2
        self.identity, self.is_out, self.version = identity, is_out, version
        self.handshakes_per_second = handshakes_per_second

    def sluice(self, text):
        if self.is_out:
            text = text.replace('url: "http://127.0.0.1:{upstream}"',
                                'url: "https://127.0.0.1:{upstream}", '
                                f'tls: {{{{ca: "{self.identity.chain}"}}}}')
        return text + ("tls:\n"
                       f"  certificates: [{{{{certificate: \"{self.identity.chain}\", "
                       f"key: \"{self.identity.key}\"}}}}]\n"
                       f"  handshakes_per_second: {self.handshakes_per_second}\n")

    # A shared cache of sessions and a longer timeout are what nginx advises for TLS.
    def nginx(self, text):
        suite = f"ssl_conf_command Ciphersuites {SUITE};" if self.version == "1.3" else \
            "ssl_ciphers ECDHE+AES128+AESGCM; ssl_prefer_server_ciphers on;"
        text = text.replace(
            "listen 127.0.0.1:{port};",
            f"listen 127.0.0.1:{{port}} ssl{' http2' if self.with_h2 else ''};\n"
            f"    ssl_certificate {self.identity.chain};\n"
            f"    ssl_certificate_key {self.identity.key};\n"
            f"    ssl_protocols TLSv{self.version}; {suite}\n"
            "    ssl_session_cache shared:sessions:10m; ssl_session_timeout 10m;")
        if self.is_out:
            text = text.replace(
                "proxy_pass http://canned;",
                "proxy_pass https://canned; proxy_ssl_verify on; proxy_ssl_name localhost;\n"
                f"      proxy_ssl_trusted_certificate {self.identity.chain};\n"
                "      proxy_ssl_protocols TLSv1.3; proxy_ssl_server_name on;\n     ")
        return text

    def haproxy(self, text):
        version = f"ssl-min-ver TLSv{self.version} ssl-max-ver TLSv{self.version}"
        suite = f"ciphersuites {SUITE}" if self.version == "1.3" else \
            "ciphers ECDHE+AES128+AESGCM"
        text = text.replace(
            "bind 127.0.0.1:{port}",
            f"bind 127.0.0.1:{{port}} ssl crt {self.identity.both} {version} {suite} "
            f"alpn {'h2,' if self.with_h2 else ''}http/1.1")
        if self.is_out:
            text = text.replace(
                "server canned 127.0.0.1:{upstream}",
                "server canned 127.0.0.1:{upstream} ssl verify required "
                f"ca-file {self.identity.chain} sni str(localhost) verifyhost localhost "
                f"ssl-min-ver TLSv1.3 ciphersuites {SUITE}")
        return text


def start_upstream(lab, identity, upstream, answers=CACHED):
    """nginx that speaks https before the server at `upstream`; its port."""
    port = free_port()
    path = lab.folder / f"https-upstream-{port}.conf"
    path.write_text(NGINX_UPSTREAM.format(port=port, upstream=upstream, folder=lab.folder,
                                          chain=identity.chain, key=identity.key, suite=SUITE,
                                          answers=answers,
                                          # Workers of root's would not see the folder.
                                          user="user root;" if os.geteuid() == 0 else ""))
    lab.start([find_program("nginx"), "-c", path], LOAD_CORE, port)
    return port
