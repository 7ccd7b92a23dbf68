"""Reloads of a running gateway: what they change, and what they must not disturb."""

import json
import os
import signal
import socket
import threading
import unittest

import support
from support import (DONE, PATIENCE_S, Client, Gateway, Upstream, ask, config, delta, post_admin,
                     until)

STREAMS = int(os.environ.get("RELOAD_STREAMS", "100"))
RELOADS = int(os.environ.get("RELOADS", "40"))
EVENTS = 20


class Pacer:
    """Lets streams go on only when the test says so."""

    def __init__(self):
        self.condition = threading.Condition()
        self.step = 0

    def advance(self):
        with self.condition:
            self.step += 1
            self.condition.notify_all()

    def wait_for(self, step):
        with self.condition:
            if not self.condition.wait_for(lambda: self.step >= step, PATIENCE_S):
                raise EOFError("the test did not go on")


def paced(pacer):
    """Streams numbered events, one for each step; answers other requests at once."""
    def script(connection):
        while True:
            _, body = connection.read_request()
            if not json.loads(body).get("stream"):
                connection.answer('{"id":"a","choices":[]}')
                continue
            connection.begin_stream()
            for i in range(EVENTS):
                connection.chunk(delta(f"part {i};"))
                pacer.wait_for(i + 1)
            connection.chunk(DONE)
            connection.end_stream()
    return script


class Steady(threading.Thread):
    """Requests one after another on one connection; keeps every wrong answer."""

    def __init__(self, gateway):
        super().__init__(daemon=True)
        self.gateway = gateway
        self.is_over = threading.Event()
        self.count = 0
        self.wrong = []

    def run(self):
        try:
            with self.gateway.connect() as client:
                while not self.is_over.is_set():
                    client.post(ask())
                    answer = client.read_answer()
                    if answer.status != 200 or b'"id":"a"' not in answer.body:
                        self.wrong.append((answer.status, answer.body))
                    self.count += 1
        except (OSError, EOFError) as error:
            self.wrong.append(repr(error))

    def end(self):
        self.is_over.set()
        self.join(PATIENCE_S)


class WhileTrafficRuns(unittest.TestCase):
    def test_reloads_lose_nothing_of_streams_and_requests(self):
        pacer = Pacer()
        with Upstream(paced(pacer)) as upstream, \
                Gateway(config(upstream, extra="drain_timeout: 1s"), shards=2) as gateway:
            clients = [gateway.connect() for _ in range(STREAMS)]
            for client in clients:
                client.post(ask(stream=True))
            for client in clients:
                self.assertEqual(client.read_head()[0], 200)
            steady = [Steady(gateway) for _ in range(4)]
            for thread in steady:
                thread.start()
            for i in range(RELOADS):
                gateway.rewrite("drain_timeout: 1s" if i % 2 == 0 else "drain_timeout: 2s",
                                "drain_timeout: 2s" if i % 2 == 0 else "drain_timeout: 1s")
                status, outcome = post_admin(gateway, "/v1/reload")
                self.assertEqual(status, 200, outcome)
                self.assertEqual(outcome["generation"], i + 2)
                self.assertEqual(len(outcome["changes"]), 1)
                if i % 2 == 0:
                    pacer.advance()
            for _ in range(EVENTS):
                pacer.advance()
            for client in clients:
                text = b""
                while chunk := client.read_chunk():
                    text += chunk
                for i in range(EVENTS):
                    self.assertIn(f"part {i};".encode(), text)
                self.assertTrue(text.endswith(DONE.encode()))
                client.close()
            for thread in steady:
                thread.end()
                self.assertEqual(thread.wrong, [])
                self.assertGreater(thread.count, 0)

    def test_d045_strategy_limits_prices_and_breaker_change_under_a_stream(self):
        pacer = Pacer()
        keys = "keys: [{name: app, secret: 0123456789abcdef, limits: {requests_per_minute: 100}}]"
        changes = [("routes: [{upstream: up}]", "strategy: random\n    routes: [{upstream: up}]"),
                   ("requests_per_minute: 100", "requests_per_minute: 2"),
                   ("{upstream: up}", "{upstream: up, price: {input: 1, output: 2}}"),
                   ("private_addresses: true",
                    "private_addresses: true\n    breaker: {consecutive: 9}")]
        with Upstream(paced(pacer)) as upstream, \
                Gateway(config(upstream, extra=keys)) as gateway, gateway.connect() as client:
            authorization = "authorization: Bearer 0123456789abcdef\r\n"
            client.post(ask(stream=True), headers=authorization)
            self.assertEqual(client.read_head()[0], 200)
            for old, new in changes:
                gateway.rewrite(old, new)
                status, outcome = post_admin(gateway, "/v1/reload")
                self.assertEqual((status, len(outcome["changes"])), (200, 1), outcome)
            for _ in range(EVENTS):
                pacer.advance()
            text = b""
            while chunk := client.read_chunk():
                text += chunk
            self.assertTrue(text.endswith(DONE.encode()))
            # The limit that came with a reload holds; a shard may have taken some before.
            with gateway.connect() as other:
                statuses = []
                while 429 not in statuses and len(statuses) < 100:
                    other.post(ask(), headers=authorization)
                    statuses.append(other.read_answer().status)
            self.assertLess(len(statuses), 100)
            shown = post_admin(gateway, "/v1/limits/key/app", method="GET")[1]["limits"][0]
            self.assertEqual(shown["most"], 2)

    def test_a_bad_file_keeps_the_old_one_and_says_where(self):
        with Upstream(support.echo) as upstream, Gateway(config(upstream)) as gateway:
            gateway.rewrite("routes: [{upstream: up}]", "routes: [{upstream: down}]")
            status, outcome = post_admin(gateway, "/v1/reload")
            self.assertEqual((status, outcome["error"]["code"]), (422, "invalid_config"))
            self.assertIn("models[0].routes[0].upstream names the upstream `down`",
                          outcome["problems"][0])
            self.assertRegex(outcome["problems"][0], r"sluice\.yaml:\d+: ")
            gateway.signal(signal.SIGHUP)
            gateway.wait_for(b"reload asked by SIGHUP: refused")
            with gateway.connect() as client:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 200)


class Listeners(unittest.TestCase):
    def free_port(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            return probe.getsockname()[1]

    def test_a_moved_listener_serves_and_open_connections_go_on(self):
        pacer = Pacer()
        with Upstream(paced(pacer)) as upstream, \
                Gateway(config(upstream), shards=2) as gateway:
            old_port, port = gateway.port, self.free_port()
            with gateway.connect() as streaming, gateway.connect() as idle:
                streaming.post(ask(stream=True))
                self.assertEqual(streaming.read_head()[0], 200)
                idle.post(ask())
                self.assertEqual(idle.read_answer().status, 200)
                gateway.rewrite("listen: 127.0.0.1:0\nshards", f"listen: 127.0.0.1:{port}\nshards")
                status, outcome = post_admin(gateway, "/v1/reload")
                self.assertEqual(status, 200, outcome)
                gateway.port = port
                with gateway.connect() as client:
                    client.post(ask())
                    self.assertEqual(client.read_answer().status, 200)
                idle.post(ask())
                self.assertEqual(idle.read_answer().status, 200)
                for _ in range(EVENTS):
                    pacer.advance()
                text = b""
                while chunk := streaming.read_chunk():
                    text += chunk
                self.assertTrue(text.endswith(DONE.encode()))

            def is_refused():
                try:
                    socket.create_connection(("127.0.0.1", old_port), timeout=1).close()
                    return False
                except OSError:
                    return True
            until(is_refused, "the old address is given up")

    def test_an_address_that_is_taken_changes_nothing(self):
        with Upstream(support.echo) as upstream, Gateway(config(upstream)) as gateway, \
                socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            gateway.rewrite("listen: 127.0.0.1:0\nshards", f"listen: 127.0.0.1:{port}\nshards")
            status, outcome = post_admin(gateway, "/v1/reload")
            self.assertEqual((status, outcome["error"]["code"]), (409, "not_possible"))
            self.assertIn("another process holds this address", outcome["problems"][0])
            with gateway.connect() as client:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 200)

    def test_metrics_and_the_admin_socket_move(self):
        with Upstream(support.echo) as upstream, Gateway(config(upstream)) as gateway:
            port = self.free_port()
            gateway.rewrite("metrics: {listen: 127.0.0.1:0}",
                            f"metrics: {{listen: 127.0.0.1:{port}}}")
            self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)
            with Client(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) as client:
                client.send("GET /metrics HTTP/1.1\r\nhost: t\r\n\r\n")
                self.assertEqual(client.read_answer().status, 200)
            old = gateway.socket_path
            gateway.rewrite("socket: " + old, "mode: '0660', socket: " + old + "2")
            self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)
            gateway.socket_path = old + "2"
            self.assertEqual(post_admin(gateway, "/v1/version", method="GET")[0], 200)
            self.assertEqual(os.stat(gateway.socket_path).st_mode & 0o777, 0o660)
            self.assertFalse(os.path.exists(old))
            # The same path with another mode.
            gateway.rewrite("mode: '0660'", "mode: '0600'")
            self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)
            self.assertEqual(post_admin(gateway, "/v1/version", method="GET")[0], 200)
            self.assertEqual(os.stat(gateway.socket_path).st_mode & 0o777, 0o600)
            gateway.signal()
            self.assertEqual(gateway.wait(), 0)


class Watched(unittest.TestCase):
    def generation(self, gateway):
        return post_admin(gateway, "/v1/config", method="GET")[1]["generation"]

    def test_a_watched_configuration_is_read_when_it_is_renamed_over(self):
        with Upstream(support.echo) as upstream, \
                Gateway(config(upstream, extra="drain_timeout: 1s")) as gateway:
            gateway.rewrite("admin: {", "admin: {watch_config: true, ")
            self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)
            gateway.config = gateway.config.replace("drain_timeout: 1s", "drain_timeout: 3s")
            with open(gateway.path + ".tmp", "w", encoding="utf-8") as file:
                file.write(gateway.config)
            os.rename(gateway.path + ".tmp", gateway.path)
            until(lambda: post_admin(gateway, "/v1/config/history", method="GET")[1]["versions"][0]
                  ["changes"] == ["drain_timeout: 1s -> 3s"], "the watched file is read")
            version = post_admin(gateway, "/v1/config/history", method="GET")[1]["versions"][0]
            self.assertIn("the watched file", version["asked_by"])

    def test_a_key_file_is_read_when_it_changes_and_half_of_it_is_not(self):
        first = "keys:\n  - {name: a, secret: 0123456789abcdef-a}\n"
        with Upstream(support.echo) as upstream:
            plain = config(upstream).replace("development: true\n", "")
            with Gateway(plain + "keys: [{name: listed, secret: 0123456789abcdef-l}]\n") as gateway:
                key_path = os.path.join(gateway.directory.name, "keys.yaml")

                def ask_with(key):
                    with gateway.connect() as client:
                        client.post(ask(), headers=f"authorization: Bearer {key}\r\n")
                        return client.read_answer().status

                def write(text):
                    with open(key_path, "w", encoding="utf-8") as file:
                        file.write(text)
                    os.chmod(key_path, 0o600)
                write(first)
                gateway.rewrite("keys: [", "auth: {key_file: keys.yaml}\nkeys: [")
                self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)
                self.assertEqual(ask_with("0123456789abcdef-a"), 200)
                self.assertEqual(ask_with("0123456789abcdef-b"), 401)
                write(first + "  - {name: b, secret: 0123456789abcdef-b}\n")
                until(lambda: ask_with("0123456789abcdef-b") == 200, "the new key is known")
                write("keys:\n  - {name: a, secret: 01234")
                gateway.wait_for(rb"reload asked by the watched file [^:]*keys.yaml: refused")
                for key in "abl":
                    self.assertEqual(ask_with("0123456789abcdef-" + key), 200)
                write(first)
                until(lambda: ask_with("0123456789abcdef-b") == 401, "the key is gone")
                self.assertEqual(ask_with("0123456789abcdef-a"), 200)


class Versions(unittest.TestCase):
    def test_a_session_of_looking_checking_and_rolling_back(self):
        with Upstream(support.echo) as upstream:
            plain = config(upstream, extra="drain_timeout: 1s").replace("development: true\n", "")
            keys = "keys: [{name: app, secret: canary-0123456789}]\n"
            with Gateway(plain + keys) as gateway:
                status, shown = post_admin(gateway, "/v1/config", method="GET")
                self.assertEqual((status, shown["generation"]), (200, 1))
                self.assertIn('secret: "***"', shown["text"])
                self.assertNotIn("canary", json.dumps(shown))
                candidate = gateway.config.replace("drain_timeout: 1s", "drain_timeout: 5s")
                status, checked = post_admin(gateway, "/v1/config/validate", {"text": candidate})
                self.assertEqual((status, checked["changes"]), (200, ["drain_timeout: 1s -> 5s"]))
                status, checked = post_admin(gateway, "/v1/config/validate", {"text": "listen: x"})
                self.assertEqual((status, checked["error"]["code"]), (422, "invalid_config"))
                before = os.stat(gateway.path)
                gateway.rewrite("drain_timeout: 1s", "drain_timeout: 5s")
                status, refused = post_admin(gateway, "/v1/reload",
                                             {"expected_checksum": shown["checksum"]})
                self.assertEqual((status, refused["error"]["code"]), (409, "checksum_mismatch"))
                self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)
                status, outcome = post_admin(gateway, "/v1/config/rollback", {"generation": 1})
                self.assertEqual((status, outcome["changes"]), (200, ["drain_timeout: 5s -> 1s"]))
                with open(gateway.path, encoding="utf-8") as file:
                    self.assertIn("drain_timeout: 1s", file.read())
                self.assertEqual(os.stat(gateway.path).st_mode, before.st_mode)
                versions = post_admin(gateway, "/v1/config/history", method="GET")[1]["versions"]
                self.assertEqual([v["generation"] for v in versions], [3, 2, 1])
                self.assertEqual(post_admin(gateway, "/v1/config/rollback",
                                            {"generation": 9})[0], 404)

    def test_the_log_level_changes_by_itself(self):
        with Upstream(support.echo) as upstream, Gateway(config(upstream)) as gateway:
            status, level = post_admin(gateway, "/v1/log-level", {"level": "debug"}, method="PUT")
            self.assertEqual((status, level), (200, {"level": "debug", "configured": "info"}))
            self.assertEqual(post_admin(gateway, "/v1/reload")[0], 200)
            self.assertEqual(post_admin(gateway, "/v1/log-level", method="GET")[1]["level"],
                             "debug")
            status, refused = post_admin(gateway, "/v1/log-level", {"level": "loud"}, method="PUT")
            self.assertEqual(status, 400, refused)

    def test_limits_of_a_subject_are_shown_and_given_back(self):
        keys = ("keys: [{name: app, secret: 0123456789abcdef, limits: {requests_per_minute: 2}}]\n")
        with Upstream(support.echo) as upstream:
            plain = config(upstream).replace("development: true\n", "")
            with Gateway(plain + keys) as gateway, gateway.connect() as client:
                statuses = []
                for _ in range(3):
                    client.post(ask(), headers="authorization: Bearer 0123456789abcdef\r\n")
                    statuses.append(client.read_answer().status)
                self.assertEqual(statuses, [200, 200, 429])
                status, shown = post_admin(gateway, "/v1/limits/key/app", method="GET")
                self.assertEqual(status, 200, shown)
                self.assertEqual([(x["name"], x["measure"], x["window"], x["most"], x["used"],
                                   x["remaining"], x["enforced"]) for x in shown["limits"]],
                                 [("keys/app/requests_per_minute", "requests", "1m", 2, 2, 0,
                                   True)])
                status, reset = post_admin(gateway, "/v1/limits/key/app/reset")
                self.assertEqual((status, reset["reset"]), (200, 1))
                client.post(ask(), headers="authorization: Bearer 0123456789abcdef\r\n")
                self.assertEqual(client.read_answer().status, 200)
                self.assertEqual(post_admin(gateway, "/v1/limits/key/none", method="GET")[0], 404)

                def figures():
                    top = post_admin(gateway, "/v1/top", method="GET")[1]
                    model = [m for m in top["models"] if m["name"] == "m"][0]
                    return model["requests"], model["refused"]
                until(lambda: figures() == (4, 1), f"four requests: {figures()}")


if __name__ == "__main__":
    unittest.main()
