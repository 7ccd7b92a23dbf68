"""An OpenID Connect issuer of a test: a discovery document, a key set, tokens of its keys.

    with Issuer() as issuer:
        key = issuer.add_key("RS256")           # or "ES256", "EdDSA"
        token = issuer.token(key, sub="ada")    # claims by name; aud is "gateway"
        issuer.is_down = True                   # answers 503
        issuer.hangs = True                     # takes connections and says nothing

Keys are made and used by the openssl command.
"""

import base64
import contextlib
import http.server
import json
import os
import re
import subprocess
import tempfile
import threading
import time

from support import PATIENCE_S


def encode(data):
    data = data.encode() if isinstance(data, str) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def openssl(*arguments, stdin=b""):
    done = subprocess.run(["openssl", *arguments], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE_S, check=False)
    if done.returncode != 0:
        raise AssertionError(f"openssl {arguments[0]}: {done.stderr.decode()}")
    return done.stdout


class Key:
    """A private key in a file, its public half as a JSON Web Key."""

    KINDS = {"RS256": ["RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
             "ES256": ["EC", "-pkeyopt", "ec_paramgen_curve:P-256"], "EdDSA": ["ED25519"]}

    def __init__(self, directory, algorithm, kid):
        self.algorithm = algorithm
        self.kid = kid
        self.directory = directory
        self.path = os.path.join(directory, kid + ".pem")
        openssl("genpkey", "-algorithm", *self.KINDS[algorithm], "-out", self.path)
        public = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        self.jwk = {"kid": kid, "use": "sig", "alg": algorithm}
        if algorithm == "RS256":
            text = openssl("rsa", "-in", self.path, "-modulus", "-noout").decode()
            modulus = bytes.fromhex(re.search("Modulus=([0-9A-F]+)", text).group(1))
            self.jwk |= {"kty": "RSA", "n": encode(modulus), "e": "AQAB"}
        elif algorithm == "ES256":  # The point ends the DER, as the key of Ed25519 does.
            self.jwk |= {"kty": "EC", "crv": "P-256", "x": encode(public[-64:-32]),
                         "y": encode(public[-32:])}
        else:
            self.jwk |= {"kty": "OKP", "crv": "Ed25519", "x": encode(public[-32:])}

    def sign(self, text):
        if self.algorithm == "EdDSA":  # It wants a file whose size it can ask for.
            path = os.path.join(self.directory, "text")
            with open(path, "wb") as file:
                file.write(text)
            return openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", path)
        signature = openssl("dgst", "-sha256", "-sign", self.path, stdin=text)
        return signature if self.algorithm == "RS256" else self._raw(signature)

    @staticmethod
    def _raw(der):
        """Both numbers of a DER signature in 32 bytes each."""
        numbers, at = [], 2
        for _ in range(2):
            size = der[at + 1]
            numbers.append(int.from_bytes(der[at + 2:at + 2 + size], "big").to_bytes(32, "big"))
            at += 2 + size
        return b"".join(numbers)


class Issuer:
    def __init__(self, tls=None):
        self.kept = tempfile.TemporaryDirectory()
        self.keys = []
        self.made = 0
        self.requests = []
        self.is_down = self.hangs = False
        self.max_age = 3600
        self.released = threading.Event()
        self.server = self._listen(0, tls)
        self.url = f"{'https' if tls else 'http'}://localhost:{self.server.server_port}"

    def _listen(self, port, tls):
        issuer = self

        class Answers(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                issuer.requests.append(self.path)
                if issuer.hangs:
                    issuer.released.wait(PATIENCE_S)
                document = issuer.document(self.path)
                status = 503 if issuer.is_down else 200 if document else 404
                body = json.dumps(document or {}).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("cache-control", f"max-age={issuer.max_age}")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # Whoever asked has left.
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Answers)
        server.daemon_threads = True
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server

    def document(self, path):
        if path == "/.well-known/openid-configuration":
            return {"issuer": self.url, "jwks_uri": self.url + "/keys"}
        return {"keys": [key.jwk for key in self.keys]} if path == "/keys" else None

    def add_key(self, algorithm):
        self.made += 1
        self.keys.append(Key(self.kept.name, algorithm, f"k{self.made}"))
        return self.keys[-1]

    def token(self, key, header=None, **claims):
        now = int(time.time())
        claims = {"iss": self.url, "aud": "gateway", "sub": "ada", "iat": now, "exp": now + 600,
                  **claims}
        header = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT", **(header or {})}
        text = encode(json.dumps(header)) + "." + encode(json.dumps(claims))
        return text + "." + encode(key.sign(text.encode()))

    def release(self):
        self.hangs = False
        self.released.set()

    def close(self):
        self.release()
        self.server.shutdown()
        self.server.server_close()
        self.kept.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
