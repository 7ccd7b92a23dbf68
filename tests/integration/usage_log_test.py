"""The usage log of a real gateway: over kill -9, and told to webhooks and databases."""

import datetime
import json
import os
import re
import signal
import sqlite3
import tempfile
import threading
import unittest

from limits_support import usage
from sql_support import Mariadb, Postgres
from redis_support import wait_until
from support import Gateway, Upstream, config, post_admin

DOCS = os.path.join(os.path.dirname(__file__), "../../docs/usage.md")
PROMPT = "canary-in-the-prompt"
SECRET = "sk-canary-of-a-key"
KEYS = f"keys:\n  - {{name: app, secret: {SECRET}}}\n"


class Folder:
    """Of a journal and a usage log, over several processes."""

    def __init__(self):
        self.kept = tempfile.TemporaryDirectory()
        self.path = os.path.join(self.kept.name, "usage.db")

    def extra(self, reporters=""):
        return (KEYS + f"journal: {{directory: {self.kept.name}/journal}}\n"
                f"usage_log:\n  path: {self.path}\n{reporters}")

    def rows(self, columns="request_id, status, source"):
        with sqlite3.connect(f"file:{self.path}?mode=ro", uri=True) as db:
            return db.execute(f"SELECT {columns} FROM usage ORDER BY number").fetchall()

    def is_in_journal(self, asked, times):
        """Whether its files have these request ids so often: once begun, twice with the end."""
        folder = os.path.join(self.kept.name, "journal")
        text = b""
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as file:
                text += file.read()
        return all(text.count(name.encode()) >= times for name in asked)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kept.cleanup()


def run(upstream, extra):
    return Gateway(config(upstream, extra))


def ask(gateway, names, **fields):
    """One request for each name, which is its request id."""
    with gateway.connect() as client:
        for name in names:
            client.post(json.dumps({"model": "m", "messages": [{"role": "user", "content": PROMPT}],
                                    **fields}),
                        headers=f"authorization: Bearer {SECRET}\r\nx-request-id: {name}\r\n")
            answer = client.read_answer()
            if answer.status != 200:
                raise AssertionError(f"{name}: {answer.status} {answer.body}")


def names(prefix, count):
    """None of which is the beginning of another one."""
    return [f"{prefix}-{each}." for each in range(count)]


class Receiver:
    """A webhook that keeps what it is told."""

    def __init__(self, refusals=0):
        self.told, self.texts, self.refusals = [], [], refusals
        self.hangs = threading.Event()
        self.over = threading.Event()
        self.upstream = Upstream(self.script)
        self.url = self.upstream.url

    def script(self, connection):
        while True:
            head, body = connection.read_request()
            self.texts.append(str(head) + body.decode())
            if self.hangs.is_set():
                self.over.wait(60)
                return
            if self.refusals > 0:
                self.refusals -= 1
                connection.answer("{}", status=503)
                continue
            self.told += json.loads(body)["records"]
            connection.answer("{}")

    def ids(self):
        return [record["request_id"] for record in self.told]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.over.set()
        self.upstream.close()


def webhook(url, name="billing"):
    return (f"    - {{type: webhook, name: {name}, url: \"{url}\", private_addresses: true, "
            "interval: 100ms, timeout: 500ms}\n")


class File(unittest.TestCase):
    def test_an_exchange_is_there_once_whenever_the_process_is_killed(self):
        with Folder() as folder, Upstream(usage()) as upstream:
            asked = []
            for turn in range(4):
                with run(upstream, folder.extra()) as gateway:
                    new = names(f"turn{turn}", 50 + turn)
                    ask(gateway, new)
                    asked += new
                    # The journal has it all; the usage log may have none of it.
                    wait_until(lambda: folder.is_in_journal(new, 2), "the ends are written")
                    gateway.signal(signal.SIGKILL)
                    gateway.wait()
            with run(upstream, folder.extra()):
                found = folder.rows()
                self.assertEqual(sorted(row[0] for row in found), sorted(asked))
                self.assertEqual({row[1:] for row in found}, {(200, "reported")})
                self.assertEqual(folder.rows("DISTINCT key, model, deployment, input_tokens")[0],
                                 ("app", "m", "up", 7))

    def test_a_request_without_an_end_is_there_as_unknown(self):
        begun = threading.Event()

        def hang(connection):
            connection.read_request()
            begun.set()
            connection.read_to_end()
        with Folder() as folder, Upstream(hang) as upstream:
            with run(upstream, folder.extra()) as gateway, gateway.connect() as client:
                client.post(json.dumps({"model": "m", "messages": []}),
                            headers=f"authorization: Bearer {SECRET}\r\nx-request-id: lost\r\n")
                self.assertTrue(begun.wait(20))
                wait_until(lambda: folder.is_in_journal(["lost"], 1), "its beginning is written")
                gateway.signal(signal.SIGKILL)
                gateway.wait()
            for _ in range(2):
                with run(upstream, folder.extra()):
                    self.assertEqual(folder.rows(), [("lost", 0, "unknown")])

    def test_d137_a_record_names_the_user_and_all_above_the_key(self):
        with Folder() as folder, Upstream(usage()) as upstream:
            store = os.path.join(folder.kept.name, "keys.db")
            with run(upstream, folder.extra() + f"store: {{path: {store}}}\n") as gateway:
                for path, body in (("organisations", {"id": "org_1", "name": "o"}),
                                   ("teams", {"id": "team_1", "name": "t",
                                              "organisation": "org_1"}),
                                   ("users", {"id": "user_1", "name": "u", "team": "team_1"})):
                    self.assertEqual(post_admin(gateway, "/v1/" + path, body)[0], 201)
                _, made = post_admin(gateway, "/v1/keys", {"name": "k", "user": "user_1"})
                with gateway.connect() as client:
                    client.post(json.dumps({"model": "m", "messages": []}),
                                headers=f"authorization: Bearer {made['secret']}\r\n")
                    self.assertEqual(client.read_answer().status, 200)
                gateway.signal()
                gateway.wait()
            self.assertEqual(folder.rows("key, user, team, organisation"),
                             [(made["key"]["id"], "user_1", "team_1", "org_1")])

    def test_d135_missing_usage_is_estimated_and_flagged(self):
        def silent(connection):
            while True:
                connection.read_request()
                connection.answer(json.dumps({"id": "c", "choices": []}))
        with Folder() as folder, Upstream(silent) as upstream:
            with run(upstream, folder.extra()) as gateway:
                ask(gateway, ["a"], max_tokens=9)
                gateway.signal()
                gateway.wait()
            row, = folder.rows("source, input_tokens > 0, output_tokens > 0")
            self.assertEqual(row, ("estimated", 1, 1))

    def test_a_locked_file_stops_nothing_and_loses_nothing(self):
        with Folder() as folder, Upstream(usage()) as upstream:
            with run(upstream, folder.extra()) as gateway:
                holder = sqlite3.connect(folder.path, isolation_level=None)
                holder.execute("BEGIN IMMEDIATE")
                ask(gateway, names("locked", 20))
                gateway.wait_for(rb"locked by another program")
                ask(gateway, names("more", 20))
                holder.execute("ROLLBACK")
                holder.close()
                wait_until(lambda: len(folder.rows()) == 40, "all are there")
                wait_until(lambda: gateway.metrics()[
                    'sluice_usage_records_total{fate="stored"}'] == 40, "counted")
                self.assertGreater(gateway.metrics()["sluice_usage_log_bytes"], 10_000)
                gateway.wait_for(rb"the usage log is written again; 0 records were lost")

    def test_a_second_process_is_refused(self):
        with Folder() as folder, Upstream(usage()) as upstream:
            with run(upstream, folder.extra()):
                other = folder.extra().replace("/journal}", "/other}")
                with self.assertRaisesRegex(AssertionError, "in use by the process"):
                    run(upstream, other)


class Webhook(unittest.TestCase):
    def test_d066_d134_each_record_is_told_over_refusals_and_kills_without_prompt_or_secret(self):
        with Folder() as folder, Upstream(usage()) as upstream, Receiver(refusals=1) as receiver:
            extra = folder.extra("  reporters:\n" + webhook(receiver.url))
            asked = names("first", 30)
            with run(upstream, extra) as gateway:
                ask(gateway, asked)
                wait_until(lambda: len(set(receiver.ids())) == 30, "all are told")
                ask(gateway, names("second", 30))
                gateway.signal(signal.SIGKILL)
                gateway.wait()
                output = gateway.output
            with run(upstream, extra) as gateway:
                ask(gateway, names("third", 30))
                third = set(names("third", 30))
                wait_until(lambda: third <= set(receiver.ids()), "told by the next process")
            told = "".join(receiver.texts)
            for canary in (PROMPT, SECRET):
                self.assertNotIn(canary, told)
            self.assertNotIn(SECRET.encode(), output)
            # What was in the file is what was told, in its order.
            by_id = {record["id"]: record["request_id"] for record in receiver.told}
            self.assertEqual(list(by_id.values()), [row[0] for row in folder.rows()])

    def test_d071_d072_a_webhook_that_hangs_holds_up_neither_requests_nor_the_other_reporter(self):
        with Folder() as folder, Upstream(usage()) as upstream, Receiver() as good, \
                Receiver() as bad:
            bad.hangs.set()
            reporters = ("  reporters:\n" + webhook(bad.url, "bad") + webhook(good.url, "good"))
            with run(upstream, folder.extra(reporters)) as gateway:
                ask(gateway, names("a", 40))
                wait_until(lambda: len(good.told) == 40, "the good one is told")
                gateway.wait_for(rb"reporter bad: ")
                found = gateway.metrics()
                self.assertEqual(found["sluice_usage_backlog_records"], 40)
                self.assertEqual(found['sluice_usage_records_total{fate="reported"}'], 40)
                self.assertGreater(found['sluice_usage_records_total{fate="report_failed"}'], 0)
                gateway.signal()
                gateway.wait()  # A hanging one does not hold up the end.

    def test_reporters_follow_a_reload(self):
        with Folder() as folder, Upstream(usage()) as upstream, Receiver() as receiver:
            with run(upstream, folder.extra()) as gateway:
                ask(gateway, ["before"])
                wait_until(lambda: len(folder.rows()) == 1, "written")
                gateway.rewrite(f"path: {folder.path}\n",
                                f"path: {folder.path}\n  reporters:\n" + webhook(receiver.url))
                gateway.signal(signal.SIGHUP)
                gateway.wait_for(rb"reload asked by SIGHUP: applied")
                ask(gateway, ["after"])
                wait_until(lambda: receiver.told, "told")
                self.assertEqual(receiver.ids()[-1], "after")


class Database(unittest.TestCase):
    """The table of the docs in the real things."""

    def check(self, server, table):
        server.run(table)
        reporters = f"""  reporters:
    - type: database
      interval: 100ms
      timeout: 1s
      sql: {{driver: {server.driver}, host: {server.host}, port: {server.port},
            user: {server.user}, password: "{server.password}", database: {server.database},
            tls: {{ca: {server.authority.pem}}}, timeout: 1s}}
"""
        def rows():
            out = server.run("SELECT request_id, status, began FROM sluice_usage ORDER BY id")
            return [re.split(r"[|\t]", line) for line in out.splitlines()]
        with Folder() as folder, Upstream(usage()) as upstream:
            with run(upstream, folder.extra(reporters)) as gateway:
                ask(gateway, names("a", 20))
                wait_until(lambda: len(rows()) == 20, "they are there")
                server.pause()
                ask(gateway, names("b", 20))
                gateway.wait_for(rb"reporter database: ")
                server.resume()
                wait_until(lambda: len(rows()) == 40, "the rest is there")
                server.kill()
                ask(gateway, names("c", 5))
                server.start()
                wait_until(lambda: len(rows()) == 45, "all are there")
            self.assertEqual(sorted(row[0] for row in rows()),
                             sorted(names("a", 20) + names("b", 20) + names("c", 5)))
            return rows()

    def table(self):
        with open(DOCS, encoding="utf-8") as file:
            return re.search(r"```sql\n(.*?)```", file.read(), re.DOTALL).group(1)

    def test_postgres(self):
        with Postgres() as server:
            self.check(server, self.table() +
                       f'ALTER TABLE sluice_usage OWNER TO {server.user};')

    def test_mariadb(self):
        with Mariadb() as server:
            table = self.table().replace('"', "`").replace("timestamptz", "datetime")
            found = self.check(server, table)
            began = datetime.datetime.fromisoformat(found[0][2])
            now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)
            self.assertLess(abs((now - began).total_seconds()), 600)


if __name__ == "__main__":
    unittest.main()
