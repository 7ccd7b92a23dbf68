"""The SQL connection against a real PostgreSQL and a real MariaDB: values, faults, TLS, servers
that hang, die and return. The probe is sql_probe.cc."""

import json
import os
import queue
import subprocess
import sys
import threading
import unittest

from redis_support import wait_until
from sql_support import Mariadb, Postgres, silent_listener
from support import PATIENCE_S
from tls_support import Authority

PROBE = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
UNRESTRICTED = 15000  # Milliseconds of a deadline that is not what a test is about.
SHORT = 300  # Of one that is.
LONG = 60000  # A timeout that a test does not live to see.


class Probe:
    """A process with one connection to `server`."""

    def __init__(self, server, password=None, **options):
        options = {"driver": server.driver, "host": server.host, "port": server.port,
                   "user": server.user, "database": server.database, "timeout_ms": UNRESTRICTED,
                   **({"tls_ca": server.authority.pem} if server.authority else {}), **options}
        words = [word for name, value in options.items() if value is not None
                 for word in ("--" + name.replace("_", "-"), str(value))]
        self.process = subprocess.Popen(
            [PROBE, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "SQL_PASSWORD": password or server.password})
        self.answers = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(json.loads(line))

    def order(self, kind, statement, *parameters, deadline_ms=UNRESTRICTED):
        words = ["\\N" if value is None else str(value) for value in parameters]
        self.process.stdin.write("\t".join([kind, str(deadline_ms), statement, *words]) + "\n")
        self.process.stdin.flush()
        return self.answers.get(timeout=PATIENCE_S)

    def query(self, statement, *parameters, **options):
        return self.order("query", statement, *parameters, **options)

    def execute(self, statement, *parameters, **options):
        return self.order("execute", statement, *parameters, **options)

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


class OfBoth:
    """Each test runs against either server."""

    @classmethod
    def setUpClass(cls):
        cls.server = cls.kind()
        cls.server.run("CREATE TABLE things (name varchar(40) PRIMARY KEY, amount int, "
                       "told boolean, seen timestamp NULL, rest text)")
        cls.server.run("INSERT INTO things VALUES ('a', 7, true, '2026-03-01 12:00:00', NULL)")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def marks(self, text):
        """`?` as the driver has it."""
        if self.server.driver == "mysql":
            return text
        parts = text.split("?")
        return "".join(part + f"${i + 1}" for i, part in enumerate(parts[:-1])) + parts[-1]

    def test_d131_a_value_goes_in_by_a_placeholder_and_rows_come_out(self):
        with Probe(self.server) as probe:
            sought = self.marks("SELECT name, amount, rest FROM things WHERE name = ?")
            self.assertEqual(probe.query(sought, "a"), {"rows": [["a", "7", None]]})
            self.assertEqual(probe.query(sought, "x' OR '1'='1"), {"rows": []})
            self.assertEqual(probe.query(sought, "a"), {"rows": [["a", "7", None]]})

    def test_many_rows_go_in_by_one_statement(self):
        with Probe(self.server) as probe:
            rows = [(f"n{i}", i, None) for i in range(500)]
            marks = self.marks(", ".join(["(?, ?, ?)"] * len(rows)))
            statement = "INSERT INTO things (name, amount, rest) VALUES " + marks
            values = [value for row in rows for value in row]
            self.assertEqual(probe.execute(statement, *values), {"changed": 500})
            again = probe.execute(statement, *values)
            self.assertEqual(again["fault"], "refused")
            self.assertIn(again["sqlstate"], ("23505", "23000"))
            self.assertFalse(again["may_have_run"])
            self.assertEqual(probe.query("SELECT amount FROM things WHERE name = 'n499'"),
                             {"rows": [["499"]]})
            self.assertEqual(probe.execute("DELETE FROM things WHERE name LIKE 'n%'"),
                             {"changed": 500})

    def test_a_long_value_arrives_whole_and_one_too_long_is_refused(self):
        with Probe(self.server) as probe:
            self.assertEqual(probe.query("SELECT repeat('x', 100000)"), {"rows": [["x" * 100000]]})
            long = probe.query("SELECT repeat('x', 2000000)")
            self.assertEqual(long["fault"], "refused")
            self.assertEqual(probe.query("SELECT '\u00e4'"), {"rows": [["\u00e4"]]})

    def test_a_refusal_names_the_table_and_no_value(self):
        with Probe(self.server) as probe:
            missing = probe.query("SELECT a FROM absent")
            self.assertEqual(missing["fault"], "refused")
            self.assertIn("absent", missing["text"])
            wrong = probe.execute(self.marks("UPDATE things SET amount = ? WHERE name = 'a'"),
                                  "sk-secret")
            self.assertEqual(wrong["fault"], "refused")
            self.assertNotIn("sk-secret", wrong["text"])

    def test_a_wrong_password_is_told_and_not_said(self):
        with Probe(self.server, password="wrong-password") as probe:
            answer = probe.query("SELECT 1")
            self.assertEqual(answer["fault"], "unreachable")
            self.assertIn(self.server.user, answer["text"])
            self.assertNotIn("wrong-password", answer["text"])

    def test_d082_a_certificate_is_verified_by_authority_and_name(self):
        with Probe(self.server, tls_ca=Authority("another").pem) as probe:
            self.assertEqual(probe.query("SELECT 1")["fault"], "unreachable")
        with Probe(self.server, tls_ca=None) as probe:  # The system's authorities.
            self.assertEqual(probe.query("SELECT 1")["fault"], "unreachable")
        with Probe(self.server, host="127.0.0.1") as probe:  # Not a name of the certificate.
            self.assertEqual(probe.query("SELECT 1")["fault"], "unreachable")
        with Probe(self.server, tls_ca="/nonexistent/ca.pem") as probe:
            self.assertIn("cannot be read", probe.query("SELECT 1")["text"])
        with Probe(self.server) as probe:
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})

    def test_d082_without_tls_only_when_that_is_said(self):
        with Probe(self.server, no_tls=1, tls_ca=None) as probe:
            self.assertEqual(probe.query(self.is_encrypted), {"rows": [self.plain]})
        with Probe(self.server) as probe:
            self.assertNotEqual(probe.query(self.is_encrypted), {"rows": [self.plain]})

    def test_a_unix_socket(self):
        with Probe(self.server, host=self.server.socket) as probe:
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})

    def test_a_server_that_hangs_costs_the_deadline_and_is_asked_again(self):
        with Probe(self.server, timeout_ms=LONG) as probe:
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})
            self.server.pause()
            try:
                for _ in range(2):  # By the connection there is, and by a new one.
                    answer = probe.query("SELECT 1", deadline_ms=SHORT)
                    self.assertEqual(answer["fault"], "timeout", answer)
            finally:
                self.server.resume()
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})

    def test_a_statement_that_takes_too_long_is_left(self):
        with Probe(self.server, timeout_ms=SHORT) as probe:
            answer = probe.query(self.sleep)
            self.assertEqual((answer["fault"], answer["may_have_run"]), ("timeout", True))
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})

    def test_a_listener_that_says_nothing_costs_the_deadline(self):
        with silent_listener() as port:
            for tls in ({}, {"no_tls": 1}):
                with Probe(self.server, port=port, timeout_ms=LONG, **tls) as probe:
                    answer = probe.query("SELECT 1", deadline_ms=SHORT)
                    self.assertEqual(answer["fault"], "timeout", answer)

    def test_a_handshake_that_hangs_costs_the_deadline(self):
        with (self.server.silent_handshake() as port,
              Probe(self.server, port=port, timeout_ms=LONG) as probe):
            answer = probe.query("SELECT 1", deadline_ms=SHORT)
            self.assertEqual(answer["fault"], "timeout", answer)

    def test_a_server_that_dies_is_found_again_when_it_returns(self):
        with Probe(self.server) as probe:
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})
            self.server.kill()
            self.assertEqual(probe.query("SELECT 1")["fault"], "unreachable")
            self.assertEqual(probe.execute("DELETE FROM things WHERE name = 'zz'")["fault"],
                             "unreachable")
            self.server.start()
            wait_until(lambda: "rows" in probe.query("SELECT 1"), "it is found")

    def test_a_restart_between_two_statements_is_not_noticed(self):
        with Probe(self.server) as probe:
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})
            self.server.kill()
            self.server.start()
            self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})


class OfPostgres(OfBoth, unittest.TestCase):
    kind = Postgres
    is_encrypted = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
    plain = ["false"]
    sleep = "SELECT pg_sleep(10)"

    def test_truth_and_time(self):
        with Probe(self.server) as probe:
            self.assertEqual(probe.query("SELECT told, seen FROM things WHERE name = 'a'"),
                             {"rows": [["true", "2026-03-01 12:00:00"]]})
            self.assertEqual(probe.query("SELECT to_timestamp(0)"),
                             {"rows": [["1970-01-01 00:00:00+00"]]})


class OfMariadb(OfBoth, unittest.TestCase):
    kind = Mariadb
    is_encrypted = "SHOW STATUS LIKE 'Ssl_cipher'"
    plain = ["Ssl_cipher", ""]
    sleep = "SELECT sleep(10)"  # tidy: allow(sleep) the server's, which the test leaves

    def test_truth_and_time(self):
        with Probe(self.server) as probe:
            self.assertEqual(probe.query("SELECT told, FROM_UNIXTIME(0) FROM things"),
                             {"rows": [["1", "1970-01-01 00:00:00"]]})
            probe.execute("CREATE TEMPORARY TABLE bits (b bit(11))")
            probe.execute("INSERT INTO bits VALUES (b'10000000001')")
            self.assertEqual(probe.query("SELECT b FROM bits"), {"rows": [["1025"]]})


class WithoutTls(unittest.TestCase):
    def test_d082_a_server_without_tls_is_refused(self):
        for kind in (Postgres, Mariadb):
            with kind(tls=False) as server:
                with Probe(server, tls_ca=Authority().pem) as probe:
                    self.assertEqual(probe.query("SELECT 1")["fault"], "unreachable")
                with Probe(server, no_tls=1) as probe:
                    self.assertEqual(probe.query("SELECT 1"), {"rows": [["1"]]})


if __name__ == "__main__":
    unittest.main()
