"""Whole gateways with the real things behind them: PostgreSQL, MariaDB, an OpenID Connect issuer,
beside keys of the file and of the store; one of them hanging, dying, coming back."""

import hashlib
import json
import unittest

from oidc_support import Issuer
from redis_support import wait_until
from sql_support import Mariadb, Postgres
from support import Gateway, Upstream, ask, config, echo

FILE_KEY = "sk-file-0123456789abcdef"
TABLE = "api_keys"


def digest(secret):
    return hashlib.sha256(secret.encode()).hexdigest()


def fill(server, *rows):
    """Keys as (secret, blocked, requests a minute)."""
    server.run(f"CREATE TABLE {TABLE} (hash varchar(64) PRIMARY KEY, id varchar(40),"
               " off boolean, rpm int, team varchar(40))")
    values = ", ".join(f"('{digest(secret)}', '{secret[3:]}', {str(off).lower()}, {rpm}, 'blue')"
                       for secret, off, rpm in rows)
    server.run(f"INSERT INTO {TABLE} VALUES {values}")


def source(server, more=""):
    return f"""
    - type: database
      name: {server.driver}
      timeout: 500ms
      ttl: 1s
      negative_ttl: 100ms
      sql: {{driver: {server.driver}, host: localhost, port: {server.port}, user: {server.user},
             password: "{server.password}", database: {server.database},
             tls: {{ca: {server.authority.pem}}}}}
      table: {TABLE}
      key_column: hash
      key_form: sha256
      columns: {{id: id, "off": blocked, rpm: requests_per_minute, team: team}}{more}"""


def chain(*sources, mode="first_match", upstream):
    return config(upstream, f"""
keys:
  - {{name: app, secret: {FILE_KEY}}}
auth:
  mode: {mode}
  wait_max: 2s
  sources:
    - type: file{''.join(sources)}
""")


def status(gateway, secret, code=False):
    with gateway.connect() as client:
        client.post(ask(), headers=f"authorization: Bearer {secret}\r\n")
        answer = client.read_answer()
        if not code:
            return answer.status
        return answer.status, json.loads(answer.body).get("error", {}).get("code")


class Databases:
    """Each test runs against either server."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.of()
        fill(cls.server, ("sk-good", False, 100), ("sk-off", True, 100), ("sk-few", False, 2),
             ("sk-late", False, 100))

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_d131_keys_of_the_table_call_with_their_limits(self):
        with Upstream(echo) as upstream, \
                Gateway(chain(source(self.server), upstream=upstream), shards=2) as gateway:
            wait_until(lambda: status(gateway, "sk-good") == 200, "the table is read")
            self.assertEqual(status(gateway, FILE_KEY), 200)
            self.assertEqual(status(gateway, "sk-off", code=True), (403, "key_blocked"))
            self.assertEqual(status(gateway, "sk-nobody", code=True), (401, "invalid_api_key"))
            self.assertEqual(status(gateway, "' OR '1'='1", code=True), (401, "invalid_api_key"))
            few = [status(gateway, "sk-few") for _ in range(6)]
            self.assertEqual((few.count(200), few.count(429)), (2, 4), few)

    def test_one_that_hangs_or_dies_refuses_unknown_keys_alone_and_comes_back(self):
        with Upstream(echo) as upstream, \
                Gateway(chain(source(self.server), upstream=upstream), shards=2) as gateway:
            wait_until(lambda: status(gateway, "sk-good") == 200, "the table is read")
            for stop, go_on in ((self.server.pause, self.server.resume),
                                (self.server.kill, self.server.start)):
                stop()
                wait_until(lambda: status(gateway, "sk-late", code=True)
                           == (503, "auth_unavailable"), "it is seen to be gone")
                self.assertEqual(status(gateway, FILE_KEY), 200)
                go_on()
                wait_until(lambda: status(gateway, "sk-late") == 200, "it is back")

    def test_old_answers_hold_while_it_is_away_where_that_is_allowed(self):
        allowed = source(self.server, "\n      on_error: allow_cached\n      stale_max: 1h")
        stale = 'sluice_key_answers_total{from="stale"}'
        with Upstream(echo) as upstream, \
                Gateway(chain(allowed, upstream=upstream), shards=2) as gateway:
            wait_until(lambda: status(gateway, "sk-good") == 200, "the table is read")
            # On either shard.
            for _ in range(20):
                self.assertEqual(status(gateway, "sk-good"), 200)
            self.server.kill()
            try:
                def goes_on():
                    self.assertEqual(status(gateway, "sk-good"), 200)
                    return gateway.metrics()[stale] >= 20
                wait_until(goes_on, "answers are older than their time")
                self.assertEqual(status(gateway, "sk-never", code=True),
                                 (503, "auth_unavailable"))
            finally:
                self.server.start()


class OfPostgres(Databases, unittest.TestCase):
    of = Postgres


class OfMariadb(Databases, unittest.TestCase):
    of = Mariadb


class Tokens(unittest.TestCase):
    def source(self, issuer):
        return f"""
    - type: jwt
      name: sso
      issuer: {issuer.url}
      private_addresses: true
      audiences: [gateway]
      negative_ttl: 100ms
      claims: {{groups: team, models: models}}"""

    def test_d006_tokens_and_keys_are_taken_side_by_side(self):
        with Issuer() as issuer, Upstream(echo) as upstream:
            keys = [issuer.add_key(name) for name in ("RS256", "ES256", "EdDSA")]
            claims = {"groups": "blue", "models": ["m"]}
            with Gateway(chain(self.source(issuer), upstream=upstream), shards=2) as gateway:
                for key in keys:
                    token = issuer.token(key, **claims)
                    wait_until(lambda t=token: status(gateway, t) == 200, "the token is taken")
                self.assertEqual(status(gateway, FILE_KEY), 200)
                self.assertEqual(status(gateway, "sk-neither", code=True),
                                 (401, "invalid_api_key"))
                late = issuer.token(keys[0], exp=1, **claims)
                self.assertEqual(status(gateway, late, code=True), (401, "invalid_api_key"))
                elsewhere = issuer.token(keys[0], groups="blue", models=["n"])
                self.assertEqual(status(gateway, elsewhere, code=True),
                                 (403, "model_not_allowed"))
                known = issuer.token(keys[1], sub="late", **claims)
                issuer.is_down = True
                # Its keys are known, so that it need not be there.
                self.assertEqual(status(gateway, known), 200)

    def test_d129_in_mode_all_each_source_must_know_the_key(self):
        with Postgres() as server, Upstream(echo) as upstream:
            fill(server, (FILE_KEY, False, 100), ("sk-alone", False, 100))
            text = chain(source(server), mode="all", upstream=upstream)
            with Gateway(text, shards=2) as gateway:
                wait_until(lambda: status(gateway, FILE_KEY) == 200, "both know it")
                self.assertEqual(status(gateway, "sk-alone", code=True),
                                 (401, "invalid_api_key"))
                server.run(f"UPDATE {TABLE} SET off = true WHERE hash = '{digest(FILE_KEY)}'")
                wait_until(lambda: status(gateway, FILE_KEY, code=True) == (403, "key_blocked"),
                           "one does not allow it any more")


if __name__ == "__main__":
    unittest.main()
