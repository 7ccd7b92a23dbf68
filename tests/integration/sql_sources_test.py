"""Keys of a real PostgreSQL, of a real MariaDB and of an OpenID Connect issuer: known, unknown and
blocked ones, and what happens while they hang, die and return. The probe is source_probe.cc."""

import hashlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
import unittest

from oidc_support import Issuer, encode
from redis_support import wait_until
from sql_support import Mariadb, Postgres
from support import PATIENCE_S
from tls_support import Authority

PROBE = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
UNRESTRICTED = 10000  # Milliseconds of a deadline that is not what a test is about.
SHORT = 300  # Of one that is.


class Probe:
    """A process with one source."""

    def __init__(self, *options, password=""):
        self.process = subprocess.Popen(
            [PROBE, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "SQL_PASSWORD": password})
        self.log = []
        self.answers = {}
        self.asked = 0
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "log" in said:
                self.log.append(said["log"])
            else:
                self.answers[said["id"]].put(said)

    def begin(self, secret, deadline_ms=UNRESTRICTED):
        self.asked += 1
        name = str(self.asked)
        answer = self.answers[name] = queue.Queue()
        self.process.stdin.write(f"ask\t{name}\t{deadline_ms}\t{secret}\n")
        self.process.stdin.flush()
        return answer

    def ask(self, secret, deadline_ms=UNRESTRICTED):
        return self.begin(secret, deadline_ms).get(timeout=PATIENCE_S)

    def kind(self, secret, deadline_ms=UNRESTRICTED):
        return self.ask(secret, deadline_ms)["kind"]

    def wait_log(self, part):
        wait_until(lambda: any(part in line for line in self.log), f"`{part}` in {self.log}")

    def close(self):
        self.process.stdin.close()
        try:
            status = self.process.wait(timeout=PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        assert status == 0, f"the probe ended with {status}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


class Databases:
    """Each test runs against either server."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.of()
        cls.server.run(
            "CREATE TABLE api_keys (id varchar(40) PRIMARY KEY, hash varchar(64),"
            " plain varchar(64), team varchar(40), off boolean, ends timestamp NULL,"
            " models text, rpm int)")
        cls.server.run(
            f"INSERT INTO api_keys VALUES ('1', '{digest('sk-good')}', 'sk-good', 'blue', false,"
            " '2037-01-01 00:00:00', '[\"gpt-*\", \"small\"]', 30),"
            f"('2', '{digest('sk-off')}', 'sk-off', 'blue', true, NULL, NULL, NULL),"
            f"('3', '{digest('sk-two')}', 'sk-two', NULL, false, NULL, NULL, NULL),"
            f"('4', '{digest('sk-two')}', 'sk-two', NULL, false, NULL, NULL, NULL)")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def probe(self, **options):
        columns = "id=id,team=team,off=blocked,ends=expires,models=models,rpm=requests_per_minute"
        options = {"driver": self.server.driver, "host": "localhost", "port": self.server.port,
                   "user": self.server.user, "database": self.server.database,
                   "tls_ca": self.server.authority.pem, "table": "api_keys", "key_column": "hash",
                   "columns": columns, **options}
        words = [word for name, value in options.items() if value is not None
                 for word in ("--" + name.replace("_", "-"), str(value))]
        return Probe("database", *words, password=self.server.password)

    def test_d131_keys_are_found_unknown_and_blocked(self):
        with self.probe() as probe:
            good = probe.ask("sk-good")
            self.assertEqual((good["kind"], good["key"], good["team"]),
                             ("found", "database:1", "blue"), good)
            self.assertEqual(good["models"], ["gpt-*", "small"])
            self.assertEqual((good["expires"], good["limits"]), (2114380800, 1))
            self.assertFalse(good["is_blocked"])
            self.assertTrue(probe.ask("sk-off")["is_blocked"])
            self.assertEqual(probe.kind("sk-unknown"), "not_found")
            self.assertEqual(probe.kind("' OR '1'='1"), "not_found")
            self.assertEqual(probe.kind("sk-two"), "failed")
            self.assertEqual(probe.log, [])

    def test_all_columns_by_their_names(self):
        with self.probe(columns=None) as probe:
            good = probe.ask("sk-good")
            self.assertEqual((good["key"], good["team"], good["models"]),
                             ("database:1", "blue", ["gpt-*", "small"]), good)

    def test_keys_as_they_are(self):
        with self.probe(key_column="plain", plain=1) as probe:
            self.assertEqual(probe.ask("sk-good")["key"], "database:1")
            self.assertEqual(probe.kind("sk-unknown"), "not_found")

    def test_many_questions_at_a_time(self):
        with self.probe() as probe:
            answers = [probe.begin(f"sk-{i}" if i % 2 else "sk-good") for i in range(200)]
            kinds = [answer.get(timeout=PATIENCE_S)["kind"] for answer in answers]
            self.assertEqual(kinds, ["found", "not_found"] * 100)

    def test_a_table_that_is_not_there_is_told_at_the_start(self):
        with self.probe(table="absent") as probe:
            probe.wait_log("absent")
            answer = probe.ask("sk-good")
            self.assertEqual(answer["kind"], "failed")
            self.assertNotIn(digest("sk-good"), answer["reason"])

    def test_a_hanging_one_costs_each_question_its_deadline_and_returns(self):
        with self.probe() as probe:
            self.assertEqual(probe.kind("sk-good"), "found")
            self.server.pause()
            try:
                answers = [probe.begin("sk-good", SHORT) for _ in range(20)]
                for answer in answers:
                    self.assertEqual(answer.get(timeout=PATIENCE_S)["kind"], "failed")
            finally:
                self.server.resume()
            self.assertEqual(probe.kind("sk-good"), "found")

    def test_the_end_does_not_wait_for_one_that_hangs(self):
        with self.probe() as probe:
            self.assertEqual(probe.kind("sk-good"), "found")
            self.server.pause()
            try:
                answer = probe.begin("sk-good", 1000 * UNRESTRICTED)
                probe.process.stdin.close()
                self.assertEqual(probe.process.wait(timeout=PATIENCE_S), 0)
                self.assertEqual(answer.get(timeout=PATIENCE_S)["kind"], "failed")
            finally:
                self.server.resume()

    def test_the_end_does_not_wait_for_a_handshake(self):
        with self.server.silent_handshake() as port, self.probe(port=port) as probe:
            answer = probe.begin("sk-good", 1000 * UNRESTRICTED)
            probe.process.stdin.close()
            self.assertEqual(probe.process.wait(timeout=PATIENCE_S), 0)
            self.assertEqual(answer.get(timeout=PATIENCE_S)["kind"], "failed")

    def test_one_that_dies_fails_and_is_found_again(self):
        with self.probe() as probe:
            self.assertEqual(probe.kind("sk-good"), "found")
            self.server.kill()
            self.assertEqual(probe.kind("sk-good"), "failed")
            self.server.start()
            wait_until(lambda: probe.kind("sk-good") == "found", "it is found again")


class OfPostgres(Databases, unittest.TestCase):
    of = Postgres


class OfMariadb(Databases, unittest.TestCase):
    of = Mariadb


class OfIssuer(unittest.TestCase):
    def probe(self, issuer, *options):
        return Probe("jwt", "--issuer", issuer.url, "--audience", "gateway", *options)

    def test_tokens_of_each_algorithm(self):
        with Issuer() as issuer:
            keys = [issuer.add_key(algorithm) for algorithm in ("RS256", "ES256", "EdDSA")]
            with self.probe(issuer, "--claims", "email=name,groups=team,models=models") as probe:
                for key in keys:
                    answer = probe.ask(issuer.token(key, email="a@b.c", groups=["blue"],
                                                    models=["gpt-*"]))
                    self.assertEqual((answer["kind"], answer["key"], answer["user"]),
                                     ("found", "jwt:ada", "ada"), answer)
                    self.assertEqual((answer["team"], answer["models"]), ("blue", ["gpt-*"]))
                    self.assertEqual(answer["ttl_s"], 60)
            self.assertEqual(issuer.requests, ["/.well-known/openid-configuration", "/keys"])

    def test_d006_what_is_not_a_good_token_is_not_known(self):
        with Issuer() as issuer, Issuer() as other:
            key = issuer.add_key("RS256")
            stranger = other.add_key("RS256")
            good = issuer.token(key)
            head, claims, signature = good.split(".")
            none = encode('{"alg":"none"}')
            with self.probe(issuer) as probe:
                self.assertEqual(probe.kind(good), "found")
                for bad in ["sk-0123", other.token(stranger), issuer.token(stranger),
                            issuer.token(key, aud="elsewhere"), issuer.token(key, exp=1),
                            issuer.token(key, nbf=int(time.time()) + 3600), good[:-4],
                            f"{none}.{claims}.", f"{none}.{claims}.{signature}",
                            f"{head}.{encode('{}')}.{signature}",
                            issuer.token(key, header={"alg": "HS256"}),
                            issuer.token(key, header={"crit": ["b64"]})]:
                    self.assertEqual(probe.kind(bad), "not_found", bad)

    def test_keys_that_were_rotated_are_fetched(self):
        with Issuer() as issuer:
            first = issuer.add_key("ES256")
            with self.probe(issuer) as probe:
                self.assertEqual(probe.kind(issuer.token(first)), "found")
                second = issuer.add_key("ES256")
                token = issuer.token(second)
                wait_until(lambda: probe.kind(token) == "found", "the new key is known")
                self.assertEqual(probe.kind(issuer.token(first)), "found")
                self.assertEqual(issuer.requests.count("/keys"), 2)

    def test_an_issuer_that_is_down_at_the_start_and_later(self):
        with Issuer() as issuer:
            key = issuer.add_key("ES256")
            token = issuer.token(key)
            issuer.is_down = True
            with self.probe(issuer) as probe:
                self.assertEqual(probe.kind(token), "failed")
                self.assertEqual(probe.kind("sk-0123"), "not_found")
                probe.wait_log("503")
                issuer.is_down = False
                wait_until(lambda: probe.kind(token) == "found", "it answers again")
                issuer.is_down = True
                unknown = issuer.token(issuer.add_key("ES256"))
                self.assertEqual(probe.kind(unknown), "not_found")
                self.assertEqual(probe.kind(token), "found")

    def test_an_issuer_that_hangs_costs_the_deadline_and_not_the_end(self):
        with Issuer() as issuer:
            token = issuer.token(issuer.add_key("ES256"))
            issuer.hangs = True
            with self.probe(issuer) as probe:
                self.assertEqual(probe.kind(token, SHORT), "failed")
                answer = probe.begin(token, 1000 * UNRESTRICTED)
                probe.process.stdin.close()
                self.assertEqual(probe.process.wait(timeout=PATIENCE_S), 0)
                self.assertEqual(answer.get(timeout=PATIENCE_S)["kind"], "failed")

    def test_an_issuer_with_tls_is_verified(self):
        authority = Authority()
        with Issuer(tls=Authority.serving(authority.issue())) as issuer:
            token = issuer.token(issuer.add_key("RS256"))
            with self.probe(issuer, "--tls-ca", authority.pem) as probe:
                self.assertEqual(probe.kind(token), "found")
            with self.probe(issuer, "--tls-ca", Authority("another").pem) as probe:
                self.assertEqual(probe.kind(token), "failed")


if __name__ == "__main__":
    unittest.main()
