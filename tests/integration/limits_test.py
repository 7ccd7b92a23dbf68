"""Limits of requests, tokens, money and concurrency, as clients of one gateway see them."""

import json
import os
import signal
import tempfile
import threading
import unittest

from limits_support import (DOLLAR_A_TOKEN, Hammer, error_of, keys, post, refused, statuses,
                            until_asked, until_settled, usage, window_most)
from support import (DONE, PATIENCE_S, Gateway, Upstream, ask, config, delta, echo)

FORWARDED = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
SHARDS = 2


def run(upstream, extra="", **more):
    return Gateway(config(upstream, extra, **more), shards=SHARDS)


class Requests(unittest.TestCase):
    def test_d013_n_pass_then_429_on_every_endpoint(self):
        limited = keys(*((f"k{index}", "limits: {requests_per_minute: 4}")
                         for index in range(len(FORWARDED))))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            for index, path in enumerate(FORWARDED):
                self.assertEqual(statuses(gateway, 7, f"k{index}", path=path),
                                 [200] * 4 + [429] * 3, path)

    def test_d013_all_endpoints_spend_from_one_limit(self):
        limited = keys(("app", "limits: {requests_per_minute: 5}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            found = [statuses(gateway, 1, path=path)[0] for path in FORWARDED * 2]
            self.assertEqual(found, [200] * 5 + [429] * 3)

    def test_a_limit_holds_exactly_among_clients_of_all_shards(self):
        for most, least in ((37, 37), (1000, 980)):
            limited = keys(("app", f"limits: {{requests_per_minute: {most}}}"))
            with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
                hammer = Hammer([gateway]).until(lambda h: h.refusals() >= 100)
                self.assertLessEqual(len(hammer.admitted), most)
                self.assertGreaterEqual(len(hammer.admitted), least)
                self.assertEqual(set(hammer.others), {429})

    def test_d138_no_interval_of_the_window_sees_more(self):
        for limit, most in (("requests_per_second: 100", 100),
                            ("requests_per_second: 7", 7)):
            limited = keys(("app", f"limits: {{{limit}}}"))
            with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
                hammer = Hammer([gateway]).until(lambda h, n=most: len(h.admitted) > 3 * n)
                self.assertGreater(len(hammer.admitted), 3 * most)
                self.assertLessEqual(window_most(hammer.admitted, 1.0), most, limit)

    def test_d138_tokens_of_a_minute(self):
        """Each answer uses 12 tokens and reserves more, as its prompt and max_tokens say."""
        limited = keys(("app", "limits: {tokens_per_minute: 1200}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            hammer = Hammer([gateway], clients=4, max_tokens=5, user="words of a prompt " * 9)
            hammer.until(lambda h: h.refusals() >= 100)
            self.assertLessEqual(12 * len(hammer.admitted), 1200)
            self.assertGreaterEqual(12 * len(hammer.admitted), 900)

    def test_burst_spaces_requests_evenly(self):
        limited = keys(("app", "limits: {requests_per_minute: 60, burst: 5}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            found = statuses(gateway, 8)
            self.assertEqual(found[:5], [200] * 5)
            self.assertIn(429, found[5:])

    def test_d102_what_is_refused_is_not_charged(self):
        limited = keys(("app", "limits: {requests_per_minute: 5, tokens_per_minute: 500}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            self.assertEqual(statuses(gateway, 10, max_tokens=1000), [429] * 10)
            self.assertEqual(statuses(gateway, 6, max_tokens=5), [200] * 5 + [429])

    def test_d102_what_reached_no_server_is_given_back(self):
        limited = keys(("app", "limits: {requests_per_minute: 5}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            self.assertEqual(gateway.admin("POST", "/v1/upstreams/up/drain")[0], 200)
            self.assertEqual(statuses(gateway, 8), [503] * 8)
            self.assertEqual(gateway.admin("POST", "/v1/upstreams/up/undrain")[0], 200)
            self.assertEqual(statuses(gateway, 6), [200] * 5 + [429])

    def test_d105_refusals_say_when_and_what(self):
        limited = keys(("app", "limits: {requests_per_minute: 2}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            with gateway.connect() as client:
                answers = [post(client) for _ in range(3)]
            self.assertEqual([answer.status for answer in answers], [200, 200, 429])
            for left, answer in zip((1, 0, 0), answers):
                self.assertEqual(answer.headers["x-ratelimit-limit-requests"], "2")
                self.assertEqual(answer.headers["x-ratelimit-remaining-requests"], str(left))
                self.assertIn("x-ratelimit-reset-requests", answer.headers)
            last = answers[-1]
            ms = int(last.headers["retry-after-ms"])
            self.assertIn(ms, range(1, 61_001))
            self.assertEqual(int(last.headers["retry-after"]), -(-ms // 1000))
            error = error_of(last)
            self.assertEqual((error["type"], error["code"], error["param"]),
                             ("rate_limit_error", "rate_limit_exceeded", None))
            self.assertIn("keys/app/requests_per_minute", error["message"])
            self.assertEqual(refused(gateway, "keys/app/requests_per_minute"), 1)

    def test_a_client_that_waits_as_told_is_let_through(self):
        limited = keys(("app", "limits: {requests_per_second: 2}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            with gateway.connect() as client:
                self.assertEqual([post(client).status for _ in range(2)], [200] * 2)
                answer = post(client)
                while answer.status == 429:  # Once or, by the millisecond, twice.
                    threading.Event().wait(int(answer.headers["retry-after-ms"]) / 1000)
                    answer = post(client)
                self.assertEqual(answer.status, 200)
            self.assertLessEqual(refused(gateway, "keys/app/requests_per_second"), 2)

    def test_our_limit_fields_replace_those_of_the_server(self):
        def script(connection):
            while True:
                connection.read_request()
                connection.answer("{}", headers="x-ratelimit-limit-requests: 999\r\n"
                                                "x-ratelimit-remaining-tokens: 888\r\n")
        limited = keys(("app", "limits: {requests_per_minute: 10}"), ("free", ""))
        with Upstream(script) as upstream, run(upstream, limited) as gateway:
            with gateway.connect() as client:
                ours, theirs = post(client), post(client, "free")
            self.assertEqual(ours.headers["x-ratelimit-limit-requests"], "10")
            self.assertNotIn("888", ours.raw_head)
            self.assertEqual(theirs.headers["x-ratelimit-limit-requests"], "999")
            self.assertEqual(theirs.headers["x-ratelimit-remaining-tokens"], "888")

    def test_a_limit_without_force_counts_what_it_would_refuse(self):
        extra = keys(("app", "")) + (
            "rate_limits: [{name: dry, per: key, requests_per_minute: 3, enforce: off}]\n")
        with Upstream(usage()) as upstream, run(upstream, extra) as gateway:
            self.assertEqual(statuses(gateway, 10), [200] * 10)
            self.assertEqual(refused(gateway, "dry/requests_per_minute", "dry"), 7)
            self.assertEqual(refused(gateway, "dry/requests_per_minute"), 0)


class Scopes(unittest.TestCase):
    def test_d100_every_amount_of_a_key_a_model_and_a_tenant_is_enforced(self):
        amounts = ("requests_per_minute: 3", "tokens_per_minute: 100", "concurrency: 1",
                   "input_tokens_per_minute: 100", "output_tokens_per_minute: 100")
        tenants = "tenants:\n" + "".join(
            f"  - {{name: t{each}, limits: {{{amount}}}}}\n" for each, amount in enumerate(amounts))
        extra = tenants + keys(
            *((f"k{each}", f"limits: {{{amount}}}") for each, amount in enumerate(amounts)),
            *((f"m{each}", f"model_limits: [{{model: m, {amount}}}]")
              for each, amount in enumerate(amounts)),
            *((f"t{each}", f"tenant: t{each}") for each in range(len(amounts))))
        held = threading.Event()

        def script(connection):
            while True:
                _, body = connection.read_request()
                if json.loads(body).get("user") == "held":
                    held.wait(PATIENCE_S)
                connection.answer('{"usage":{"prompt_tokens":20,"completion_tokens":20}}')
        with Upstream(script) as upstream, run(upstream, extra) as gateway:
            for scope in "kmt":
                for each, amount in enumerate(amounts):
                    held.clear()
                    with gateway.connect() as client:
                        client.post(ask(user="held", max_tokens=20),
                                    headers=f"authorization: Bearer sk-{scope}{each}\r\n")
                        until_asked(gateway, 1)
                        found = statuses(gateway, 1, f"{scope}{each}", max_tokens=20)
                        held.set()
                        self.assertEqual(client.read_answer().status, 200)
                    found += statuses(gateway, 8, f"{scope}{each}", max_tokens=20)
                    self.assertIn(429, found, (scope, amount))
                    if "concurrency" not in amount:
                        self.assertIn(found.count(429), range(4, 9), (scope, amount))

    def test_tenants_count_for_those_above_them(self):
        extra = """
tenants:
  - {name: org, limits: {requests_per_minute: 10}}
  - {name: a, parent: org, limits: {requests_per_minute: 6}}
  - {name: b, parent: org}
""" + keys(("one", "tenant: a"), ("two", "tenant: a"), ("three", "tenant: b"))
        with Upstream(usage()) as upstream, run(upstream, extra) as gateway:
            self.assertEqual(statuses(gateway, 4, "one") + statuses(gateway, 4, "two"),
                             [200] * 6 + [429] * 2)
            self.assertEqual(statuses(gateway, 6, "three"), [200] * 4 + [429] * 2)
            self.assertEqual(refused(gateway, "tenants/a/requests_per_minute"), 2)
            self.assertEqual(refused(gateway, "tenants/org/requests_per_minute"), 2)

    def test_d046_a_request_is_charged_once_by_each_layer(self):
        counts = {"a": 0, "b": 0}

        def server(name):
            def script(connection):
                while True:
                    connection.read_request()
                    counts[name] += 1
                    connection.answer("{}")
            return script
        with Upstream(server("a")) as a, Upstream(server("b")) as b, Gateway(f"""
development: true
upstreams:
  - {{name: a, url: {a.url}, private_addresses: true, limits: {{requests_per_minute: 4}}}}
  - {{name: b, url: {b.url}, private_addresses: true}}
models:
  - name: m
    routes: [{{upstream: a, priority: 0}}, {{upstream: b, priority: 1}}]
tenants: [{{name: t, limits: {{requests_per_minute: 10}}}}]
""" + keys(("app", "tenant: t")), shards=SHARDS) as gateway:
            self.assertEqual(statuses(gateway, 13), [200] * 10 + [429] * 3)
            self.assertEqual(counts, {"a": 4, "b": 6})
            self.assertEqual(refused(gateway, "tenants/t/requests_per_minute"), 3)

    def test_all_servers_at_their_limits_is_429(self):
        with Upstream(usage()) as upstream, run(
                upstream, upstream_extra="    limits: {requests_per_minute: 3}") as gateway:
            self.assertEqual(statuses(gateway, 5), [200] * 3 + [429] * 2)

    def test_models_keys_of_models_and_the_gateway(self):
        extra = "  - {name: n, routes: [{upstream: up}]}\n" + keys(("app", ""), ("more", "")) + """
rate_limits:
  - {name: pair, per: key_model, only: [m], requests_per_minute: 3}
  - {name: model, per: model, requests_per_minute: 5}
  - {name: all, per: gateway, requests_per_minute: 9}
"""
        with Upstream(usage()) as upstream, run(upstream, extra) as gateway:
            self.assertEqual(statuses(gateway, 4), [200] * 3 + [429])
            self.assertEqual(statuses(gateway, 3, "more"), [200] * 2 + [429])
            self.assertEqual(statuses(gateway, 5, model="n"), [200] * 4 + [429])
            found = [refused(gateway, f"{name}/requests_per_minute")
                     for name in ("pair", "model", "all")]
            self.assertEqual(found, [1, 1, 1])

    def test_d125_addresses_count_before_keys_and_only_proxies_may_name_them(self):
        limit = "rate_limits: [{name: flood, per: ip, requests_per_minute: 5}]\n"

        def statuses_from(gateway, addresses, key):
            found = []
            for address in addresses:
                with gateway.connect() as client:
                    answer = post(client, key, headers=f"x-forwarded-for: {address}\r\n")
                    found.append(answer.status)
            return found
        forged = [f"192.0.2.{each}" for each in range(8)]
        with Upstream(usage()) as upstream:
            with run(upstream, keys(("app", "")) + limit) as gateway:
                self.assertEqual(statuses_from(gateway, forged, "wrong"), [401] * 5 + [429] * 3)
                self.assertEqual(statuses_from(gateway, forged[:1], "app"), [429])
            with run(upstream, keys(("app", "")) + limit +
                     "trusted_proxies: [127.0.0.0/8]\n") as gateway:
                self.assertEqual(statuses_from(gateway, forged, "app"), [200] * 8)
                self.assertEqual(statuses_from(gateway, forged[:1] * 6, "app"),
                                 [200] * 4 + [429] * 2)
                # The one that the proxy saw counts, not what its client claims.
                self.assertEqual(statuses_from(gateway, [f"{each}, 192.0.2.0" for each in forged],
                                               "app"), [429] * 8)

    def test_concurrency_comes_back_however_a_request_ends(self):
        gate = threading.Semaphore(0)

        def script(connection):
            while True:
                _, body = connection.read_request()
                if json.loads(body).get("user") == "held":
                    gate.acquire(timeout=PATIENCE_S)
                connection.answer("{}")
        limited = keys(("app", "limits: {concurrency: 2}"))
        with Upstream(script) as upstream, run(upstream, limited) as gateway:
            held = [gateway.connect() for _ in range(2)]
            for client in held:
                client.post(ask(user="held"), headers="authorization: Bearer sk-app\r\n")
            until_asked(gateway, 2)
            with gateway.connect() as client:
                answer = post(client)
            self.assertEqual((answer.status, error_of(answer)["code"]), (429, "concurrency_limit"))
            held[0].reset()  # This one leaves, the other is answered.
            until_asked(gateway, 1)
            self.assertEqual(statuses(gateway, 3), [200] * 3)
            gate.release(2)
            self.assertEqual(held[1].read_answer().status, 200)
            held[1].close()
            self.assertEqual(statuses(gateway, 3), [200] * 3)


class Tokens(unittest.TestCase):
    def test_d102_what_was_reserved_and_not_used_comes_back(self):
        limited = keys(("app", "limits: {tokens_per_minute: 1500}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            found = []
            for _ in range(60):
                found += statuses(gateway, 1, max_tokens=1000)
                until_settled(gateway)  # Or the next one meets what this one still reserves.
            # 12 each are used, and the last that passes finds room for a thousand.
            self.assertIn(found.count(200), range(30, 43))
            self.assertEqual(found, sorted(found))

    def test_without_reserve_an_answer_is_owed(self):
        limited = keys(("app", "limits: {output_tokens_per_minute: 100, reserve: none}"))
        with Upstream(usage(7, 1000)) as upstream, run(upstream, limited) as gateway:
            self.assertEqual(statuses(gateway, 3), [200, 429, 429])

    def test_stop_streams_ends_a_stream_that_is_beyond_its_limit(self):
        def script(connection):
            while True:
                connection.read_request()
                connection.begin_stream()
                for _ in range(2000):
                    connection.chunk(delta("word "))
                connection.chunk(DONE)
                connection.end_stream()
        limited = keys(("app", "limits: {output_tokens_per_minute: 20, reserve: none, "
                               "stop_streams: on}"))
        with Upstream(script) as upstream, run(upstream, limited) as gateway:
            with gateway.connect() as client:
                client.post(ask(stream=True), headers="authorization: Bearer sk-app\r\n")
                self.assertEqual(client.read_head()[0], 200)
                body = client.read_to_end()  # Cut like every stream that did not come to its end.
            self.assertIn("insufficient_quota", body[-500:].decode())
            self.assertLess(body.count(b"word "), 2000)


class Money(unittest.TestCase):
    def test_a_budget_is_spent_and_names_itself(self):
        limited = keys(("app", "limits: {budget_total: 5}"))
        with Upstream(usage(7, 1)) as upstream, run(
                upstream, limited, model_extra=DOLLAR_A_TOKEN) as gateway:
            self.assertEqual(statuses(gateway, 7, max_tokens=1), [200] * 5 + [429] * 2)
            with gateway.connect() as client:
                error = error_of(post(client, max_tokens=1))
            self.assertEqual(error["code"], "insufficient_quota")
            self.assertIn("keys/app/budget_total", error["message"])

    def test_a_soft_budget_warns_once_and_refuses_nothing(self):
        limited = keys(("app", "limits: {soft_budget_total: 3}"))
        with Upstream(usage(7, 1)) as upstream, run(
                upstream, limited, model_extra=DOLLAR_A_TOKEN) as gateway:
            self.assertEqual(statuses(gateway, 9, max_tokens=1), [200] * 9)
            gateway.wait_for(rb"the soft budget `keys/app/soft_budget_total` is spent")
            gateway.signal()
            gateway.wait()
            rest = gateway.output + gateway.process.stdout.read()
            self.assertEqual(rest.count(b"soft budget `"), 1)

    def test_d101_a_model_without_a_price_is_served_and_counted(self):
        with tempfile.TemporaryDirectory() as folder:
            extra = (keys(("app", "limits: {budget_total: 1}")) +
                     f"journal: {{directory: {folder}}}\n")
            with Upstream(usage()) as upstream, run(upstream, extra) as gateway:
                self.assertEqual(statuses(gateway, 20, max_tokens=5), [200] * 20)
                pause = threading.Event()
                for _ in range(int(PATIENCE_S / 0.02)):
                    status, spent = gateway.admin("GET", "/v1/spend/key/total")
                    if spent["spend"] and spent["spend"][0]["requests"] == 20:
                        break
                    pause.wait(0.02)
                self.assertEqual(status, 200)
                row, = spent["spend"]
                self.assertEqual((row["name"], row["requests"], row["unpriced"],
                                  row["micro_dollars"]), ("app", 20, 20, 0))


class State(unittest.TestCase):
    """What limits keep: over requests that must not count, reloads and restarts."""

    def wait_for_subjects(self, gateway, is_wanted):
        """Until the gauge, which moves once a second, is as wanted; gives its last value."""
        pause = threading.Event()
        for _ in range(int(PATIENCE_S / 0.05)):
            found = gateway.metrics()["sluice_limit_subjects"]
            if is_wanted(found):
                break
            pause.wait(0.05)
        return found

    # With so many on each shard, each record of its logs has been written once. Which shard gets a
    # connection is chance.
    WARM_EACH = 12_000
    GROWN_KB = 4096  # What is counted for takes about a kilobyte; the floods are longer than this.

    def flood(self, gateway, count, body_of, key_of=lambda each: "app"):
        """So many requests over four connections, in turns; the set of their statuses."""
        clients = [gateway.connect() for _ in range(4)]
        found = set()
        for first in range(0, count, 64):
            turn = range(first, min(first + 64, count))
            for each in turn:
                clients[each % 4].post(body_of(each),
                                       headers=f"authorization: Bearer sk-{key_of(each)}\r\n")
            for each in turn:
                answer = clients[each % 4].read_answer()
                found.add(answer.status)
        for client in clients:
            client.close()
        return found

    def warm(self, gateway):
        for _ in range(64):
            self.assertEqual(self.flood(gateway, 8_000, lambda each: ask(model=f"warm-{each}")),
                             {404})
            shards = gateway.admin("GET", "/v1/shards")[1]["shards"]
            if all(shard["requests"] >= self.WARM_EACH for shard in shards):
                return
        self.fail(f"a shard gets no requests: {shards}")

    LIMITED = keys(("app", "limits: {requests_per_minute: 5}"), ("other", "")) + """
rate_limits:
  - {name: models, per: model, requests_per_minute: 100k}
  - {name: pairs, per: key_model, requests_per_minute: 100k}
"""

    def test_d028_unknown_models_leave_no_trace(self):
        with Upstream(usage()) as upstream, run(upstream, self.LIMITED) as gateway:
            def unknown(each):
                return ask(model=f"unknown-{each}")
            self.warm(gateway)
            series, resident = len(gateway.metrics()), gateway.resident_kb()
            self.assertEqual(self.flood(gateway, 20_000, unknown), {404})
            self.assertEqual(len(gateway.metrics()), series)
            self.assertLess(gateway.resident_kb() - resident, self.GROWN_KB)
            self.assertEqual(statuses(gateway, 6), [200] * 5 + [429])  # Nothing was charged.

    def test_d069_users_of_bodies_leave_no_trace(self):
        with Upstream(usage()) as upstream, run(upstream, self.LIMITED) as gateway:
            def user(each):
                return ask(user=f"user-{each}")
            self.warm(gateway)
            self.assertEqual(self.flood(gateway, 2000, user, lambda _: "other"), {200})
            series, resident = len(gateway.metrics()), gateway.resident_kb()
            self.assertEqual(self.flood(gateway, 10_000, lambda n: user(n + 2000),
                                        lambda _: "other"), {200})
            self.assertEqual(len(gateway.metrics()), series)
            self.assertLess(gateway.resident_kb() - resident, self.GROWN_KB)
            # The model, and the key with it.
            self.assertEqual(self.wait_for_subjects(gateway, lambda found: found > 0), 2)

    def test_d139_unknown_keys_leave_no_trace(self):
        with Upstream(usage()) as upstream, run(upstream, self.LIMITED) as gateway:
            def forge(first, count):
                return {status for each in range(first, first + count)
                        for status in statuses(gateway, 1, f"forged-{each}")}
            self.warm(gateway)
            self.assertEqual(forge(0, 1000), {401})
            series, resident = len(gateway.metrics()), gateway.resident_kb()
            self.assertEqual(forge(1000, 6000), {401})
            self.assertEqual(len(gateway.metrics()), series)
            self.assertLess(gateway.resident_kb() - resident, self.GROWN_KB)
            self.assertEqual(statuses(gateway, 1), [200])
            # The key, the model, and the key with it.
            self.assertEqual(self.wait_for_subjects(gateway, lambda found: found > 0), 3)

    def test_d096_d098_idle_subjects_leave(self):
        extra = keys(*((f"k{each}", "limits: {requests_per_second: 100}")
                       for each in range(200))) + "limits: {subjects_max: 1024}\n"
        with Upstream(usage()) as upstream, run(upstream, extra) as gateway:
            def are_there(found):
                self.assertEqual(self.flood(gateway, 200, lambda _: ask(), lambda n: f"k{n}"),
                                 {200})
                return found == 200
            self.assertEqual(self.wait_for_subjects(gateway, are_there), 200)
            self.assertEqual(self.wait_for_subjects(gateway, lambda found: found == 0), 0)

    def test_a_reload_keeps_what_was_counted(self):
        limited = keys(("app", "limits: {requests_per_minute: 10}"))
        with Upstream(usage()) as upstream, run(upstream, limited) as gateway:
            self.assertEqual(statuses(gateway, 6), [200] * 6)
            for most, found in ((20, [200] * 14 + [429]), (5, [429]), (21, [200, 429])):
                gateway.rewrite(gateway.config[gateway.config.index("requests_per_minute"):],
                                f"requests_per_minute: {most}}}}}\n")
                self.assertEqual(gateway.admin("POST", "/v1/reload")[0], 200)
                self.assertEqual(statuses(gateway, len(found)), found, most)

    def test_a_bank_file_holds_the_limit_over_kill_9(self):
        for most, least in ((20, 20), (1000, 950)):
            with tempfile.TemporaryDirectory() as folder, Upstream(usage()) as upstream:
                extra = (keys(("app", f"limits: {{requests_per_minute: {most}}}")) +
                         f"limits: {{bank_file: {os.path.join(folder, 'banks')}}}\n")
                with run(upstream, extra) as gateway:
                    before = Hammer([gateway]).until(lambda h, n=most: len(h.admitted) >= n // 2)
                    gateway.signal(signal.SIGKILL)
                    gateway.wait()
                with run(upstream, extra) as gateway:
                    after = Hammer([gateway]).until(lambda h: h.refusals() >= 50)
                admitted = len(before.admitted) + len(after.admitted)
                self.assertLessEqual(admitted, most)
                self.assertGreaterEqual(admitted, least)


if __name__ == "__main__":
    unittest.main(verbosity=1)
