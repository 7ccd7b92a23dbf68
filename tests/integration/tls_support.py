"""Certificates made by the openssl command for one run, and the gateway as a TLS server."""

import os
import socket
import ssl
import subprocess
import tempfile

from support import PATIENCE_S, Client, Gateway


def openssl(*arguments, stdin=b""):
    """Runs the command to its end; its standard output and error in one text."""
    done = subprocess.run(["openssl", *arguments], input=stdin, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=PATIENCE_S, check=False)
    return done.stdout.decode("utf-8", "replace")


class Identity:
    """A certificate's files."""

    def __init__(self, chain, key):
        self.chain = chain
        self.key = key


class Authority:
    """A private certificate authority in a directory of its own; ended with the process."""

    def __init__(self, name="authority"):
        self.kept = tempfile.TemporaryDirectory()
        self.directory = self.kept.name
        self.pem = self.file("ca.pem")
        self.key = self.file("ca.key")
        self.made = 0
        self._run("req", "-x509", *self._new_key("ec"), "-keyout", self.key, "-out", self.pem,
                  "-days", "30", "-subj", f"/CN={name}", "-addext",
                  "keyUsage=critical,keyCertSign,cRLSign,digitalSignature")

    def file(self, name):
        return os.path.join(self.directory, name)

    @staticmethod
    def _new_key(kind):
        kinds = {"ec": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
                 "p384": ["ec", "-pkeyopt", "ec_paramgen_curve:P-384"], "rsa": ["rsa:2048"]}
        return ["-newkey", *kinds[kind], "-nodes"]

    def _run(self, *arguments):
        text = openssl(*arguments)
        if not os.path.exists(arguments[arguments.index("-out") + 1]):
            raise AssertionError(f"openssl {' '.join(arguments)}: {text}")
        return text

    def issue(self, names="DNS:localhost,IP:127.0.0.1", subject="/CN=localhost", key="ec",
              is_expired=False, is_self_signed=False):
        """A leaf for `names` (subjectAltName)."""
        self.made += 1
        base = self.file(f"leaf{self.made}")
        chain, key_file = base + ".pem", base + ".key"
        names = [f"subjectAltName={names}"] if names else []
        if is_self_signed:
            self._run("req", "-x509", *self._new_key(key), "-keyout", key_file, "-out", chain,
                      "-days", "30", "-subj", subject, "-addext", names[0])
            return Identity(chain, key_file)
        self._run("req", "-new", *self._new_key(key), "-keyout", key_file, "-out", base + ".csr",
                  "-subj", subject)
        with open(base + ".ext", "w", encoding="ascii") as file:
            file.write("\n".join([*names, "basicConstraints=CA:FALSE"]) + "\n")
        with open(base + ".cnf", "w", encoding="ascii") as file:
            file.write("[ca]\ndefault_ca=own\n[own]\n"
                       f"database={base}.index\nserial={base}.serial\n"
                       f"new_certs_dir={self.directory}\ndefault_md=sha256\npolicy=any\n"
                       "[any]\ncommonName=supplied\norganizationName=optional\n")
        open(base + ".index", "w", encoding="ascii").close()
        with open(base + ".serial", "w", encoding="ascii") as file:
            file.write(f"{0x1000 + self.made:x}\n")
        times = ["-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]
        self._run("ca", "-batch", "-notext", "-preserveDN", "-config", base + ".cnf",
                  "-cert", self.pem, "-keyfile", self.key, "-in", base + ".csr",
                  "-extfile", base + ".ext",
                  *(times if is_expired else ["-days", "30"]), "-out", chain)
        return Identity(chain, key_file)

    def staple(self, leaf):
        """An OCSP response that says the leaf is good: the path of its DER file."""
        base = leaf.chain[:-len(".pem")]
        self._run("ocsp", "-index", base + ".index", "-CA", self.pem, "-rsigner", self.pem,
                  "-rkey", self.key, "-issuer", self.pem, "-cert", leaf.chain, "-ndays", "6",
                  "-respout", base + ".ocsp", "-out", base + ".ocsp.txt")
        return base + ".ocsp"

    def trusting(self, identity=None, version=None, ciphers=None):
        """A client's ssl.SSLContext that trusts this authority alone."""
        context = ssl.create_default_context(cafile=self.pem)
        if identity:
            context.load_cert_chain(identity.chain, identity.key)
        if version:
            context.minimum_version = context.maximum_version = version
        if ciphers:
            context.set_ciphers(ciphers)
        return context

    @staticmethod
    def serving(identity, clients_from=None):
        """A server's ssl.SSLContext; with `clients_from` it asks for client certificates."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(identity.chain, identity.key)
        if clients_from:
            context.load_verify_locations(clients_from)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def section(identities, more=""):
    """The section `tls` of a configuration."""
    entries = "".join(
        f"    - {{certificate: {identity.chain}, key: {identity.key}"
        + (f", ocsp: {identity.ocsp}" if hasattr(identity, "ocsp") else "") + "}\n"
        for identity in identities)
    return f"tls:\n  certificates:\n{entries}{more}"


class TlsGateway(Gateway):
    """A gateway that speaks https to clients that trust `authority`."""

    def __init__(self, authority, config, identities, more="", **options):
        super().__init__(config + section(identities, more), **options)
        self.authority = authority

    def connect(self, context=None, name="localhost", session=None, **options):
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE_S)
        # As real clients do: behind the last flight of a resumed TLS 1.2 handshake, a request would
        # wait 40 ms for its acknowledgement.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            return Client((context or self.authority.trusting()).wrap_socket(
                raw, server_hostname=name, session=session, **options))
        except BaseException:
            raw.close()
            raise

    def connect_plain(self):
        return super().connect()

    def s_client(self, *arguments, stdin=b""):
        """What openssl's client prints; it ends with its input, or with the gateway's end."""
        return openssl("s_client", "-connect", f"127.0.0.1:{self.port}", "-CAfile",
                       self.authority.pem, "-servername", "localhost", *arguments, stdin=stdin)

    def handshakes(self):
        """How many handshakes ended how."""
        samples = self.metrics()
        return {outcome: samples[f'sluice_tls_handshakes_total{{outcome="{outcome}"}}']
                for outcome in ("full", "resumed", "failed", "refused")}
