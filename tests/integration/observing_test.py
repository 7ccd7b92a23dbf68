"""What operators see and do: metrics, reloads, the admin socket, draining."""

import json
import signal
import stat
import os
import threading
import unittest

from support import DONE, USAGE, Gateway, Upstream, ask, config, delta, echo, streams

# Families that only a fault of the machine, or a burst no test should make, can move.
UNMOVED = {
    "sluice_buffers_starved_total", "sluice_cq_overflow_total", "sluice_access_log_dropped_total",
    "sluice_log_dropped_total", "sluice_metrics_series_dropped_total",
    "sluice_connections_refused_total", "sluice_control_tick_late_seconds",
    # These by hostile_test.py.
    "sluice_slow_clients_total", "sluice_accept_pauses_total",
    # These by http2_test.py.
    "sluice_http2_connections_open", "sluice_http2_streams_total",
    "sluice_http2_connections_ended_total",
    # These only with a journal.
    "sluice_journal_records_total", "sluice_journal_records_lost_total",
    "sluice_journal_errors_total", "sluice_journal_lag_seconds",
    # These by operations_test.py and discovery_test.py.
    "sluice_health_checks_total", "sluice_upstream_up", "sluice_ejections_total",
    "sluice_discovery_members", "sluice_discovery_failures_total",
    # This by limits_test.py.
    "sluice_limit_refused_total",
    # These by resilience_test.py.
    "sluice_retries_refused_total", "sluice_hedges_total", "sluice_hedge_wasted_tokens_total",
    "sluice_queue_length", "sluice_queue_requests_total", "sluice_queue_wait_seconds",
    "sluice_breaker_state", "sluice_breaker_opened_total", "sluice_cooldowns_total",
    "sluice_probes_total",
    # Only where limits count tokens.
    "sluice_prompt_estimate_error_ratio",
    # These by ledger_test.py.
    "sluice_redis_up", "sluice_redis_commands_total", "sluice_limit_ledger_asks_total",
    "sluice_limit_ledger_wait_seconds", "sluice_limit_undershoot_ratio",
    "sluice_limit_subjects",
    "sluice_limit_terms_differ_total",
    # These by keys_test.py, sources_test.py, scripts_test.py and usage_log_test.py.
    "sluice_key_wait_seconds", "sluice_key_lookups_total", "sluice_key_lookup_seconds",
    "sluice_key_lookups_refused_total", "sluice_key_limit_refused_total",
    "sluice_directory_keys", "sluice_directory_bytes", "sluice_directory_changes_total",
    "sluice_directory_change_seconds", "sluice_hook_runs_total", "sluice_hook_seconds",
    "sluice_usage_records_total", "sluice_usage_log_bytes", "sluice_usage_backlog_records",
    "sluice_key_answers_total", "sluice_admin_requests_total",
    # These by tls_test.py and tls_upstream_test.py.
    "sluice_tls_handshakes_total", "sluice_upstream_tls_handshakes_total",
}


def family(sample):
    name = sample.split("{")[0]
    for suffix in ("_bucket", "_sum", "_count"):
        name = name.removesuffix(suffix)
    return name


def moved(before, after):
    return {family(name) for name, value in after.items() if before.get(name, 0) != value}


class Metrics(unittest.TestCase):
    def test_d068_d069_d142_series_are_constant_under_random_input(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                def random_requests(tag):
                    for number in range(300):
                        client.post(ask(model=f"{tag}-{number}"))
                        client.read_answer()
                        client.post(ask(user=f"{tag}-user-{number}"))
                        client.read_answer()
                        client.send(f"GET /{tag}/{number} HTTP/1.1\r\nhost: t\r\n\r\n")
                        client.read_answer()
                random_requests("a")
                before = set(gateway.metrics())
                random_requests("b")
                after = set(gateway.metrics())
            self.assertEqual(before, after)
            self.assertFalse([name for name in after if "user" in name or "-1" in name])

    def test_d067_no_label_names_a_key_or_a_user(self):
        extra = "keys: [{name: alice-key, secret: sk-a, tenant: team-x}]\n"
        with Upstream(echo) as upstream, Gateway(config(upstream, extra)) as gateway:
            with gateway.connect() as client:
                client.post(ask(user="mail@example.org"), headers="api-key: sk-a\r\n")
                client.read_answer()
            text = "\n".join(gateway.metrics())
        for secret in ("alice", "sk-a", "team-x", "mail@"):
            self.assertNotIn(secret, text)

    def test_d073_every_family_moves_under_what_should_move_it(self):
        step = threading.Event()

        def script(connection):
            served = False
            while True:
                _, body = connection.read_request()
                kind = json.loads(body).get("kind")
                if kind == "500":
                    connection.answer("{}", status=500)
                elif kind == "hold":
                    connection.begin_stream()
                    connection.chunk(delta("a"))
                    step.wait(20)
                    connection.chunk(USAGE.replace(
                        "5}", '5,"prompt_tokens_details":{"cached_tokens":3},'
                        '"completion_tokens_details":{"reasoning_tokens":2}}'))
                    connection.end_stream()
                elif kind == "cut":
                    connection.begin_stream()
                    connection.chunk(delta("a"))
                    return
                elif kind == "die" and served:
                    return
                else:
                    connection.answer("{}")
                    if kind == "bye":
                        return
                served = True

        extra = "keys: [{name: k, secret: sk-1}]\n"
        key = "api-key: sk-1\r\n"
        second_route = "}, {upstream: up, model: n, priority: 1"
        with Upstream(script) as upstream, Gateway(
                config(upstream, extra, model_extra=second_route)) as gateway:
            first = gateway.metrics()
            seen = set()

            def until_moved(name):
                while not any(family(sample) == name and value
                              for sample, value in gateway.metrics().items()):
                    pass

            def look(before):
                after = gateway.metrics()
                seen.update(moved(before, after))
                return after
            with gateway.connect() as client:
                for kind in ("unary", "500", "die", "bye"):
                    client.post(ask(kind=kind), headers=key)
                    client.read_answer()
                until_moved("sluice_upstream_idle_closed_total")
                client.post(ask(kind="hold", stream=True), headers=key)
                client.read_head()
                client.read_chunk()
                now = look(first)  # Gauges are up.
                step.set()
                while client.read_chunk():
                    pass
                # The client may know of the end before the connection is back in its pool.
                until_moved("sluice_upstream_connections_idle")
                now = look(now)
            with gateway.connect() as client:
                client.post(ask(kind="cut", stream=True), headers=key)
                client.read_to_end()
            with gateway.connect() as client:
                client.post(ask())
                self.assertEqual(client.read_answer().status, 401)
            step.clear()
            client = gateway.connect()
            client.post(ask(kind="hold", stream=True), headers=key)
            client.read_head()
            client.close()
            until_moved("sluice_client_disconnects_total")
            step.set()
            self.assertEqual(gateway.admin("POST", "/v1/reload")[0], 200)
            now = look(now)
            step.clear()
            with gateway.connect() as held:
                # A stream under way keeps the process up while it drains.
                held.post(ask(kind="hold", stream=True), headers=key)
                held.read_head()
                held.read_chunk()
                self.assertEqual(gateway.admin("POST", "/v1/drain")[0], 202)
                look(now)
                step.set()
                while held.read_chunk():
                    pass
            self.assertEqual(gateway.wait(), 0)
        constant = {"sluice_build_info", "process_start_time_seconds",
                    "sluice_byte_budget_ceiling_bytes",
                    "sluice_config_last_reload_success_timestamp_seconds"}  # Whole seconds.
        self.assertEqual({family(name) for name in first} - seen - UNMOVED - constant, set())

    def test_d011_metrics_are_not_served_on_the_data_port(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.send("GET /metrics HTTP/1.1\r\nhost: t\r\n\r\n")
                self.assertEqual(client.read_answer().status, 404)


class Reload(unittest.TestCase):
    def test_a_good_file_takes_effect_and_a_bad_one_changes_nothing(self):
        with Upstream(echo) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                def listed():
                    client.send("GET /v1/models HTTP/1.1\r\nhost: t\r\n\r\n")
                    data = json.loads(client.read_answer().body)["data"]
                    return [model["id"] for model in data]
                self.assertEqual(listed(), ["m"])
                gateway.rewrite("- name: m\n", "- name: renamed\n")
                status, _ = gateway.admin("POST", "/v1/reload")
                self.assertEqual(status, 200)
                self.assertEqual(listed(), ["renamed"])
                gateway.rewrite("- name: renamed\n", "- nmae: broken\n")
                status, answer = gateway.admin("POST", "/v1/reload")
                self.assertEqual(status, 422)
                self.assertIn("nmae", json.dumps(answer))
                self.assertEqual(listed(), ["renamed"])

    def test_running_streams_finish_on_their_own_snapshot(self):
        step = threading.Event()

        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(delta("a"))
            step.wait(20)
            connection.chunk(DONE)
            connection.end_stream()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                client.read_head()
                client.read_chunk()
                gateway.rewrite("- name: up\n", "- name: up2\n")
                gateway.rewrite("upstream: up}", "upstream: up2}")
                self.assertEqual(gateway.admin("POST", "/v1/reload")[0], 200)
                step.set()
                self.assertEqual(client.read_chunk().decode(), DONE)
                self.assertEqual(client.read_chunk(), b"")


class Draining(unittest.TestCase):
    def test_idle_connections_close_streams_finish_and_the_exit_is_clean(self):
        step = threading.Event()

        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(delta("a"))
            step.wait(20)
            connection.chunk(DONE)
            connection.end_stream()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            idle, busy, probe = gateway.connect(), gateway.connect(), gateway.connect()
            idle.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
            idle.read_answer()
            busy.post(ask(stream=True))
            busy.read_head()
            busy.read_chunk()
            # Its head is under way, so the drain lets it be answered.
            probe.send("GET /readyz HTTP/1.1\r\n")
            idle.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
            idle.read_answer()
            gateway.signal(signal.SIGTERM)
            self.assertTrue(idle.is_closed())
            probe.send("host: t\r\n\r\n")
            answer = probe.read_answer()
            self.assertEqual(answer.status, 503)
            self.assertIn("retry-after", answer.headers)
            step.set()
            self.assertEqual(busy.read_chunk().decode(), DONE)
            self.assertEqual(busy.read_chunk(), b"")
            self.assertTrue(busy.is_closed())
            self.assertEqual(gateway.wait(), 0)
            for client in (idle, busy, probe):
                client.close()

    def test_d107_readiness_ends_with_a_drain_and_liveness_does_not(self):
        with Upstream(lambda connection: connection.is_closed()) as upstream, \
                Gateway(config(upstream)) as gateway:
            probes = {}
            for path in ("/livez", "/readyz"):
                with gateway.connect() as client:
                    client.send(f"GET {path} HTTP/1.1\r\nhost: t\r\n\r\n")
                    self.assertEqual(client.read_answer().status, 200, path)
                probes[path] = gateway.connect()
                probes[path].send(f"GET {path} HTTP/1.1\r\n")
            # A request that the gateway has begun to read is let to its end.
            idle = gateway.connect()
            idle.send("GET /livez HTTP/1.1\r\nhost: t\r\n\r\n")
            idle.read_answer()
            gateway.signal(signal.SIGTERM)
            self.assertTrue(idle.is_closed())
            for path, status in (("/livez", 200), ("/readyz", 503)):
                probes[path].send("host: t\r\n\r\n")
                self.assertEqual(probes[path].read_answer().status, status, path)
            self.assertEqual(gateway.wait(), 0)
            for client in (idle, *probes.values()):
                client.close()

    def test_streams_beyond_the_limit_end_with_an_error_event(self):
        def script(connection):
            connection.read_request()
            connection.begin_stream()
            connection.chunk(delta("a"))
            connection.is_closed()
        with Upstream(script) as upstream, Gateway(
                config(upstream, "drain_timeout: 50ms\n")) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True))
                client.read_head()
                client.read_chunk()
                gateway.signal(signal.SIGINT)
                event = json.loads(client.read_chunk().decode()[len("data: "):])
                self.assertEqual(event["error"]["code"], "draining")
                self.assertIsNone(client.read_chunk())
            self.assertEqual(gateway.wait(), 0)

    def test_a_second_signal_ends_at_once(self):
        arrived = threading.Event()

        def script(connection):
            connection.read_request()
            arrived.set()
            connection.is_closed()
        with Upstream(script) as upstream, Gateway(config(upstream)) as gateway:
            client = gateway.connect()
            client.post(ask())
            self.assertTrue(arrived.wait(20))
            gateway.signal(signal.SIGTERM)
            gateway.wait_for(b"draining, asked by")
            gateway.signal(signal.SIGTERM)
            self.assertNotEqual(gateway.wait(), 0)
            client.close()


class AdminSocket(unittest.TestCase):
    def test_the_five_calls_and_the_mode_of_the_socket(self):
        with Upstream(echo) as upstream, Gateway(config(upstream), shards=2) as gateway:
            self.assertEqual(stat.S_IMODE(os.stat(gateway.socket_path).st_mode), 0o600)
            self.assertIn("version", gateway.admin("GET", "/v1/version")[1])
            self.assertEqual(len(gateway.admin("GET", "/v1/shards")[1]["shards"]), 2)
            self.assertEqual(gateway.admin("GET", "/v1/upstreams")[1]["upstreams"][0]["name"], "up")
            self.assertEqual(gateway.admin("GET", "/v1/reload")[0], 405)
            self.assertEqual(gateway.admin("GET", "/nothing")[0], 404)


if __name__ == "__main__":
    unittest.main(verbosity=1)
