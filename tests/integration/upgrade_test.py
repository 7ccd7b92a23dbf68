"""Upgrades of a running gateway: what goes over, what goes on, and what a failure leaves."""

import json
import os
import shutil
import signal
import socket
import tempfile
import threading
import time
import unittest

import support
from limits_support import keys, statuses
from reload_test import EVENTS, Pacer, paced, until
from support import PATIENCE_S, Client, Gateway, Upstream, ask, config, echo, post_admin

STREAMS = int(os.environ.get("UPGRADE_STREAMS", "40"))
BINARY = os.path.abspath(support.GATEWAY)


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


class Upgradable(Gateway):
    """A gateway started by a path that a test may put other programs at."""

    def __init__(self, text, **more):
        self.bin = tempfile.mkdtemp()
        self.program = os.path.join(self.bin, "sluice")
        os.symlink(BINARY, self.program)
        self.successors = []
        support.GATEWAY = self.program
        try:
            super().__init__(text, **more)
        finally:
            support.GATEWAY = BINARY

    def put(self, text=None, mode=0o755):
        """Another program at the path; without a text none."""
        if os.path.lexists(self.program):
            os.unlink(self.program)
        if text is not None:
            with open(self.program, "w", encoding="utf-8") as file:
                file.write(text)
            os.chmod(self.program, mode)

    def put_back(self):
        if os.path.lexists(self.program):
            os.unlink(self.program)
        os.symlink(BINARY, self.program)

    def try_upgrade(self, timeout="30s"):
        status, answer = post_admin(self, "/v1/upgrade", {"timeout": timeout})
        if status == 200:
            self.successors.append(answer["pid"])
        return status, answer

    def upgrade(self):
        status, answer = self.try_upgrade()
        assert status == 200, answer
        return answer["pid"]

    def end_successors(self):
        for pid in self.successors:
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
                until(lambda pid=pid: not is_alive(pid), "the end of a successor")

    def close(self):
        self.end_successors()
        super().close()
        shutil.rmtree(self.bin)


def request(client, model="m"):
    client.post(ask(model))
    return client.read_answer()


class Callers:
    """Threads that ask without a pause, each request on a new connection or all on one."""

    def __init__(self, gateway, count=4):
        self.gateway = gateway
        self.is_over = False
        self.answered = 0
        self.failures = []
        self.threads = [threading.Thread(target=self._run, args=(i % 2 == 0,), daemon=True)
                        for i in range(count)]
        for thread in self.threads:
            thread.start()

    def _run(self, keeps):
        client = None
        while not self.is_over:
            try:
                if client is None:
                    client = self.gateway.connect()
                answer = request(client)
                self.answered += 1
                if answer.status != 200:
                    self.failures.append((answer.status, answer.body))
                if not keeps or answer.headers.get("connection") == "close":
                    client.close()
                    client = None
            except (OSError, EOFError) as error:
                self.failures.append(repr(error))
                client = None

    def wait_for_more(self, count=50):
        goal = self.answered + count
        until(lambda: self.answered >= goal, "more answers")

    def end(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(PATIENCE_S)


class UpgradeTest(unittest.TestCase):
    def start(self, script=echo, extra="", **more):
        upstream = Upstream(script)
        self.addCleanup(upstream.close)
        gateway = Upgradable(config(upstream, extra, **more))
        self.addCleanup(gateway.close)
        return gateway

    def assert_serves(self, gateway):
        with gateway.connect() as client:
            self.assertEqual(request(client).status, 200)

    def test_requests_and_streams_lose_nothing(self):
        pacer = Pacer()
        gateway = self.start(paced(pacer))
        streams = [gateway.connect() for _ in range(STREAMS)]
        for client in streams:
            client.post(ask(stream=True))
            status, headers, _ = client.read_head()
            self.assertEqual((status, headers.get("connection")), (200, None))
        callers = Callers(gateway)
        callers.wait_for_more()
        pid = gateway.upgrade()
        callers.wait_for_more()
        self.assertEqual(gateway.process.poll(), None)
        for _ in range(EVENTS):
            pacer.advance()
        for client in streams:
            parts = []
            while chunk := client.read_chunk():
                parts.append(chunk)
            text = b"".join(parts).decode()
            self.assertEqual(text.count("data: "), EVENTS + 1, text[-200:])
            self.assertTrue(text.endswith("data: [DONE]\n\n"))
        self.assertEqual(gateway.wait(), 0)
        # Behind its stream a connection goes on, with the successor.
        for client in streams:
            self.assertEqual(request(client).status, 200)
            client.close()
        callers.wait_for_more()
        callers.end()
        self.assertEqual(callers.failures, [])
        self.assertTrue(is_alive(pid))

    def test_idle_connections_get_their_next_answer_from_the_successor(self):
        gateway = self.start()
        used, fresh, partial = (gateway.connect() for _ in range(3))
        self.assertEqual(request(used).status, 200)
        body = ask()
        text = (f"POST /v1/chat/completions HTTP/1.1\r\nhost: t\r\ncontent-type: application/json"
                f"\r\ncontent-length: {len(body)}\r\n\r\n{body}")
        partial.send(text[:60])
        # So that its bytes are read before the upgrade.
        self.assertEqual(request(used).status, 200)
        gateway.upgrade()
        self.assertEqual(gateway.wait(), 0)
        partial.send(text[60:])
        self.assertEqual(partial.read_answer().status, 200)
        for client in (used, fresh, partial, used):
            self.assertEqual(request(client).status, 200)

    def test_a_request_that_runs_is_answered_with_connection_close(self):
        ask_for, go_on = threading.Event(), threading.Event()

        def slow(connection):
            connection.read_request()
            ask_for.set()
            go_on.wait(PATIENCE_S)
            connection.answer('{"id":"a","choices":[]}')

        gateway = self.start(slow)
        with gateway.connect() as client:
            client.post(ask())
            self.assertTrue(ask_for.wait(PATIENCE_S))
            gateway.upgrade()
            go_on.set()
            answer = client.read_answer()
            self.assertEqual((answer.status, answer.headers.get("connection")), (200, "close"))
            self.assertTrue(client.is_closed())
        self.assertEqual(gateway.wait(), 0)

    def test_a_failed_start_leaves_the_old_process_serving(self):
        gateway = self.start()
        with gateway.connect() as client:
            self.assertEqual(request(client).status, 200)
            cases = [
                (None, 0, "cannot execute"),
                ("#!/bin/sh\n", 0o644, "Permission denied"),
                ("#!/bin/sh\nexit 7\n", 0o755, "ended with status 7"),
                ("#!/bin/sh\nkill -9 $$\n", 0o755, "killed by signal 9"),
                ("#!/bin/sh\nexec sleep 1000\n", 0o755, "did not serve in time"),
            ]
            descriptors = None
            for text, mode, expected in cases:
                gateway.put(text, mode)
                patience = "1s" if "sleep" in (text or "") else "20s"
                status, answer = gateway.try_upgrade(patience)
                self.assertEqual((status, answer["error"]["code"]), (500, "not_upgraded"), answer)
                self.assertIn(expected, answer["error"]["message"])
                self.assertEqual(request(client).status, 200)
                descriptors = descriptors or gateway.descriptors()
            # The connection that asked last may still be closing.
            until(lambda: gateway.descriptors() <= descriptors, "the descriptors of the first time")
            gateway.put_back()
        gateway.wait_for(rb"not upgraded, serving as before")
        gateway.upgrade()
        self.assertEqual(gateway.wait(), 0)
        self.assert_serves(gateway)

    def test_a_wrong_configuration_is_what_the_answer_says(self):
        gateway = self.start()
        gateway.rewrite("shards: 1", "shards: none")
        status, answer = gateway.try_upgrade()
        self.assertEqual(status, 500)
        self.assertIn("the new process says", answer["error"]["message"])
        self.assertIn("shards", answer["error"]["message"])
        self.assert_serves(gateway)

    def test_another_format_is_refused(self):
        gateway = self.start()
        gateway.put("#!/usr/bin/env python3\nimport os, socket\n"
                    "s = socket.socket(fileno=int(os.environ['SLUICE_UPGRADE_FD']))\n"
                    "s.send(b'{\"kind\":\"prepared\",\"format\":2,\"version\":\"9\"}')\n"
                    "s.recv(1)\ns.recv(1)\n")
        status, answer = gateway.try_upgrade()
        self.assertEqual(status, 500)
        self.assertIn("format 2", answer["error"]["message"])
        self.assert_serves(gateway)

    def test_a_successor_that_dies_with_everything_in_its_hands(self):
        gateway = self.start()
        gateway.put("#!/usr/bin/env python3\nimport os, socket\n"
                    "s = socket.socket(fileno=int(os.environ['SLUICE_UPGRADE_FD']))\n"
                    "s.send(b'{\"kind\":\"prepared\",\"format\":1,\"version\":\"9\"}')\n"
                    "socket.recv_fds(s, 65536, 250)\nos.kill(os.getpid(), 9)\n")
        for _ in range(3):
            status, answer = gateway.try_upgrade()
            self.assertEqual(status, 500)
            self.assertIn("killed by signal 9", answer["error"]["message"])
            self.assert_serves(gateway)
        gateway.put_back()
        gateway.upgrade()
        self.assertEqual(gateway.wait(), 0)
        self.assert_serves(gateway)

    def test_upgrades_in_a_row(self):
        pacer = Pacer()
        gateway = self.start(paced(pacer))
        with gateway.connect() as stream, gateway.connect() as client:
            stream.post(ask(stream=True))
            stream.read_head()
            first = gateway.upgrade()
            status, answer = gateway.try_upgrade()
            self.assertEqual((status, answer["error"]["code"]), (409, "busy"))
            self.assertIn("still drains", answer["error"]["message"])
            for _ in range(EVENTS):
                pacer.advance()
            while stream.read_chunk():
                pass
            self.assertEqual(gateway.wait(), 0)
            gateway.wait_for(rb"the process before this one has ended")
            second = gateway.upgrade()
            until(lambda: not is_alive(first), "the end of the first successor")
            third = gateway.upgrade()
            until(lambda: not is_alive(second), "the end of the second successor")
            self.assertEqual(request(client).status, 200)
            self.assertTrue(is_alive(third))

    def test_nothing_else_begins_while_an_upgrade_runs(self):
        gateway = self.start()
        gateway.put("#!/bin/sh\nexec sleep 1000\n")
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(gateway.try_upgrade("3s")))
        thread.start()
        gateway.wait_for(rb"starting the program anew")
        for path in ("/v1/upgrade", "/v1/reload"):
            status, answer = post_admin(gateway, path)
            self.assertEqual(status, 409, answer)
            self.assertIn("upgrade is running", json.dumps(answer))
        thread.join(PATIENCE_S)
        self.assertEqual(outcome[0][0], 500)
        self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)

    def test_sigterm_ends_an_upgrade_and_a_drain_refuses_one(self):
        pacer = Pacer()
        gateway = self.start(paced(pacer))
        gateway.put("#!/bin/sh\nexec sleep 1000\n")
        with gateway.connect() as stream:
            stream.post(ask(stream=True))
            stream.read_head()
            outcome = []
            thread = threading.Thread(target=lambda: outcome.append(gateway.try_upgrade("20s")))
            thread.start()
            gateway.wait_for(rb"starting the program anew")
            gateway.signal(signal.SIGTERM)
            thread.join(PATIENCE_S)
            self.assertEqual(outcome[0][0], 500)
            self.assertIn("told to drain", outcome[0][1]["error"]["message"])
            status, answer = gateway.try_upgrade()
            self.assertEqual(status, 409, answer)
            self.assertIn("draining", answer["error"]["message"])
            for _ in range(EVENTS):
                pacer.advance()
        self.assertEqual(gateway.wait(), 0)

    def test_the_old_process_may_be_killed_after_it_handed_over(self):
        pacer = Pacer()
        gateway = self.start(paced(pacer))
        with gateway.connect() as stream, gateway.connect() as client:
            stream.post(ask(stream=True))
            stream.read_head()
            gateway.upgrade()
            # Answered by the successor: it has the connection.
            self.assertEqual(request(client).status, 200)
            gateway.signal(signal.SIGKILL)
            gateway.wait()
            self.assertEqual(request(client).status, 200)
            self.assert_serves(gateway)
            gateway.wait_for(rb"the process before this one has ended")
            self.assertEqual(gateway.admin("GET", "/v1/version")[0], 200)

    def test_a_signal_to_a_process_that_hands_over_changes_nothing(self):
        pacer = Pacer()
        gateway = self.start(paced(pacer))
        with gateway.connect() as stream:
            stream.post(ask(stream=True))
            stream.read_head()
            gateway.upgrade()
            gateway.signal(signal.SIGTERM)
            for _ in range(EVENTS):
                pacer.advance()
            text = b""
            while chunk := stream.read_chunk():
                text += chunk
            self.assertIn(b"[DONE]", text)
        self.assertEqual(gateway.wait(), 0)

    def test_sigusr2_upgrades(self):
        gateway = self.start()
        gateway.signal(signal.SIGUSR2)
        match = gateway.wait_for(rb"process (\d+) \(Sluice")
        gateway.successors.append(int(match.group(1)))
        self.assertEqual(gateway.wait(), 0)
        self.assert_serves(gateway)

    def test_admin_socket_and_metrics_are_there_all_the_time(self):
        gateway = self.start()
        port = int(gateway.wait_for(rb"metrics on http://127\.0\.0\.1:(\d+)").group(1))
        failures, counts, over = [], {"admin": 0, "metrics": 0}, threading.Event()

        def look(name):
            while not over.is_set():
                try:
                    if name == "admin":
                        gateway.admin("GET", "/v1/version")
                    else:
                        address = ("127.0.0.1", port)
                        with Client(socket.create_connection(address, PATIENCE_S)) as client:
                            client.send("GET /metrics HTTP/1.1\r\nhost: t\r\n\r\n")
                            client.read_answer()
                    counts[name] += 1
                except (OSError, EOFError) as error:
                    failures.append((name, repr(error)))

        threads = [threading.Thread(target=look, args=(name,), daemon=True) for name in counts]
        for thread in threads:
            thread.start()
        for _ in range(3):
            seen = dict(counts)
            pid = gateway.upgrade()
            until(lambda: all(counts[name] > seen[name] + 20 for name in counts), "more looks")
            until(lambda pid=pid: len(gateway.successors) < 2 or
                  not is_alive(gateway.successors[-2]), "the end of the one before")
            gateway.wait()
        over.set()
        for thread in threads:
            thread.join(PATIENCE_S)
        self.assertEqual(failures, [])
        self.assertTrue(os.path.exists(gateway.socket_path))

    def test_more_and_fewer_shards(self):
        gateway = self.start()
        callers = Callers(gateway)
        before = 1
        for shards in (3, 2, 1, 2):
            callers.wait_for_more()
            gateway.rewrite(f"shards: {before}", f"shards: {shards}")
            before = shards
            previous = gateway.successors[-1] if gateway.successors else gateway.process.pid
            gateway.upgrade()
            callers.wait_for_more()
            until(lambda pid=previous: not is_alive(pid), "the end of the one before")
            status, answer = post_admin(gateway, "/v1/shards", method="GET")
            self.assertEqual((status, len(answer["shards"])), (200, shards))
        callers.end()
        self.assertEqual(callers.failures, [])

    def test_limits_hold_over_both(self):
        gateway = self.start(extra=keys(("app", "limits: {requests_per_day: 10}")))
        self.assertEqual(statuses(gateway, 6), [200] * 6)
        gateway.upgrade()
        self.assertEqual(statuses(gateway, 6), [200] * 4 + [429] * 2)

    def test_journal_store_and_usage_log_go_over(self):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        pacer = Pacer()
        extra = (f"store: {{path: {folder}/keys.db}}\njournal: {{directory: {folder}/journal}}\n"
                 f"usage_log: {{path: {folder}/usage.db}}\n")
        gateway = self.start(paced(pacer), extra=extra)
        status, made = post_admin(gateway, "/v1/keys", {"name": "before"})
        self.assertEqual(status, 201, made)
        with gateway.connect() as stream, gateway.connect() as client:
            stream.post(ask(stream=True),
                        headers=f"authorization: Bearer {made['secret']}\r\n")
            self.assertEqual(stream.read_head()[0], 200)
            pid = gateway.upgrade()
            # The successor knows the key, makes others, and nobody else may have the files.
            client.post(ask(), headers=f"authorization: Bearer {made['secret']}\r\n")
            self.assertEqual(client.read_answer().status, 200)
            self.assertEqual(post_admin(gateway, "/v1/keys", {"name": "after"})[0], 201)
            for _ in range(EVENTS):
                pacer.advance()
            while stream.read_chunk():
                pass
        self.assertEqual(gateway.wait(), 0)
        gateway.wait_for(rb"the process before this one has ended")

        def records():
            status, answer = post_admin(gateway, "/v1/usage/records", method="GET")
            self.assertEqual(status, 200, answer)
            return answer["records"]

        until(lambda: len(records()) >= 2, "both records")
        found = records()
        self.assertEqual(len(found), 2, found)
        self.assertEqual(sorted(record["stream"] for record in found), [False, True])
        self.assertEqual([record.get("source") for record in found if record["stream"]]
                         .count("unknown"), 0, found)
        os.kill(pid, signal.SIGTERM)
        until(lambda: not is_alive(pid), "the end of the successor")

    def test_a_successor_that_ends_first_leaves_the_files_to_the_predecessor(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.subTest(number=number):
                self.end_successor_first(number)

    def end_successor_first(self, number):
        folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, folder)
        pacer = Pacer()
        extra = (f"journal: {{directory: {folder}/journal}}\n"
                 f"usage_log: {{path: {folder}/usage.db}}\n")
        gateway = self.start(paced(pacer), extra=extra)
        streams = [gateway.connect() for _ in range(STREAMS)]
        for client in streams:
            client.post(ask(stream=True))
            self.assertEqual(client.read_head()[0], 200)
        pid = gateway.upgrade()
        os.kill(pid, number)
        until(lambda: not is_alive(pid), "the end of the successor")
        for _ in range(EVENTS):
            pacer.advance()
        for client in streams:
            while client.read_chunk():
                pass
            client.close()
        self.assertEqual(gateway.wait(), 0)
        # What both have left is found by the next one.
        later = self.start(extra=extra)
        status, answer = post_admin(later, "/v1/usage/records", method="GET")
        self.assertEqual(status, 200, answer)
        sources = [record.get("source") for record in answer["records"]]
        self.assertEqual(len(sources), STREAMS)
        self.assertNotIn("unknown", sources)


if __name__ == "__main__":
    unittest.main()
