"""The Redis client against real servers: one server, ACL users and TLS, a Unix socket, Sentinels
with a failover, a cluster with moving slots. The probe is redis_probe.cc."""

import json
import os
import queue
import subprocess
import sys
import threading
import unittest

from redis_support import Cluster, Redis, Sentinel, slot_of, wait_until
from support import PATIENCE_S
from tls_support import Authority

PROBE = sys.argv.pop(1) if len(sys.argv) > 1 and not sys.argv[1].startswith("-") else ""
UNRESTRICTED = "10000"  # Milliseconds of a deadline that is not what a test is about.


class Probe:
    """A process with one client."""

    def __init__(self, *options, password=None, sentinel_password=None):
        secrets = {"REDIS_PASSWORD": password, "SENTINEL_PASSWORD": sentinel_password}
        self.process = subprocess.Popen(
            [PROBE, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, **{name: value for name, value in secrets.items() if value}})
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

    def begin(self, kind, *words):
        """Sends an order; its answer comes by the queue."""
        self.asked += 1
        name = str(self.asked)
        answer = self.answers[name] = queue.Queue()
        self.process.stdin.write("\t".join([kind, name, *words]) + "\n")
        self.process.stdin.flush()
        return answer

    def order(self, kind, *words):
        return self.begin(kind, *words).get(timeout=PATIENCE_S)

    def call(self, *words, key=None, deadline_ms=UNRESTRICTED):
        """The reply of one command."""
        key = (words[1] if len(words) > 1 else "") if key is None else key
        return self.order("call", str(deadline_ms), key, *words)["results"][0]

    def script(self, text, key, *arguments):
        return self.order("script", UNRESTRICTED, text, key, *arguments)["results"][0]

    def state(self):
        return self.order("state")

    def wait_up(self):
        wait_until(lambda: self.state()["is_up"], f"the client is up; it says {self.log}")

    def wait_log(self, part):
        wait_until(lambda: any(part in line for line in self.log), f"`{part}` in {self.log}")

    def close(self):
        self.process.stdin.close()
        try:
            self.status = self.process.wait(timeout=PATIENCE_S)
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
        assert self.status == 0, f"the probe ended with {self.status}"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


OK = {"status": "OK"}


def at(server):
    return ["--endpoint", f"{server.host}:{server.port}"]


class OneServer(unittest.TestCase):
    def test_commands_in_order_and_pipelined(self):
        with Redis() as redis, Probe(*at(redis), "--database", "3") as probe:
            answer = probe.order("call", UNRESTRICTED, "a", "SET", "a", "1", "|",
                                 "a", "INCR", "a", "|", "", "KEYS", "*", "|", "", "NONSENSE")
            self.assertEqual(answer["results"][:3], [OK, 2, ["a"]])
            self.assertTrue(answer["results"][3]["error"].startswith("ERR unknown command"))
            self.assertIn("name=sluice", redis.call("CLIENT", "LIST"))
            self.assertIsNone(redis.call("GET", "a"))  # That one is of database 0.
            self.assertEqual(probe.log, [
                f"connected to 127.0.0.1:{redis.port} as default, database 3, "
                f"run id {redis.fields('server')['run_id'][:8]}"])

    def test_a_large_reply_and_a_large_command_arrive_whole(self):
        with Redis() as redis, Probe(*at(redis)) as probe:
            text = "x" * 1_000_000
            self.assertEqual(probe.call("SET", "a", text), OK)
            self.assertEqual(probe.call("GET", "a"), text)
            redis.call("SET", "b", "y" * 5_000_000)
            self.assertEqual(probe.call("GET", "b")["failure"], "io_error")
            probe.wait_log("a reply is too long")
            probe.wait_up()
            self.assertEqual(probe.call("STRLEN", "b"), 5_000_000)

    def test_a_flushed_script_cache_costs_one_round(self):
        with Redis() as redis, Probe(*at(redis)) as probe:
            script = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
            self.assertEqual(probe.script(script, "a", "2"), 2)
            self.assertEqual(probe.script(script, "a", "2"), 4)
            redis.call("SCRIPT", "FLUSH")
            self.assertEqual(probe.script(script, "a", "2"), 6)

    def test_a_server_that_hangs_costs_the_deadline_alone(self):
        with Redis() as redis, Probe(*at(redis)) as probe:
            probe.wait_up()
            redis.pause()
            answer = probe.order("call", "50", "a", "GET", "a")
            self.assertEqual(answer["results"][0]["failure"], "upstream_timeout")
            self.assertTrue(answer["results"][0]["may_have_run"])
            self.assertGreaterEqual(answer["ms"], 49)
            # More than a second later it is given up; until then and afterwards calls end in time.
            probe.wait_log("it does not answer any more")
            self.assertIn("failure", probe.call("GET", "a", deadline_ms=50))
            redis.resume()
            probe.wait_up()
            self.assertIsNone(probe.call("GET", "a"))
            self.assertEqual(probe.state()["epoch"], 1)  # The same process, with its memory.

    def test_a_short_hang_keeps_the_connection_and_drops_what_is_late(self):
        with Redis() as redis, Probe(*at(redis)) as probe:
            probe.wait_up()
            redis.pause()
            self.assertIn("failure", probe.call("ECHO", "late", deadline_ms=50))
            redis.resume()
            self.assertEqual(probe.call("ECHO", "fresh"), "fresh")
            state = probe.state()
            self.assertEqual((state["connected"], state["late"]), (1, 1))

    def test_a_restarted_server_is_another_epoch(self):
        with Redis() as redis, Probe(*at(redis)) as probe:
            probe.wait_up()
            redis.kill()
            wait_until(lambda: not probe.state()["is_up"], "the loss is noticed")
            self.assertIn("failure", probe.call("GET", "a"))
            redis.start()
            probe.wait_up()
            self.assertEqual(probe.state()["epoch"], 2)
            self.assertEqual(len(probe.log), 3, probe.log)
            self.assertIn("lost ", probe.log[1])
            self.assertIn("back after ", probe.log[2])

    def test_a_unix_socket(self):
        with Redis(unix=True) as redis, Probe("--endpoint", redis.unix_path) as probe:
            self.assertEqual(probe.call("SET", "a", "1"), OK)
            self.assertIn(redis.unix_path, probe.log[0])
            redis.restart()
            wait_until(lambda: probe.state()["epoch"] == 2, "it is connected again")

    def test_an_acl_user_with_tls(self):
        authority = Authority()
        rules = ("user gate on >se-cret ~sluice:* -@all +@read +@write +auth +ping +info +role "
                 "+client|setname +eval +evalsha +script|load")
        with Redis([rules], tls=authority.issue(),
                   authority=authority) as redis:
            options = [*at(redis), "--tls-ca", authority.pem, "--tls-name", "localhost"]
            with Probe(*options, "--user", "gate", password="se-cret") as probe:
                self.assertEqual(probe.call("SET", "sluice:a", "1"), OK)
                script = "return redis.call('INCR', KEYS[1])"
                self.assertEqual(probe.script(script, "sluice:a"), 2)
                self.assertEqual(probe.script(script, "sluice:a"), 3)
                self.assertTrue(probe.call("SET", "other", "1")["error"].startswith("NOPERM"))
                redis.restart()
                wait_until(lambda: probe.state()["epoch"] == 2, "it is connected again")
            with Probe(*options, "--user", "gate", password="wrong") as probe:
                probe.wait_log("check redis.username and redis.password")
                self.assertNotIn("wrong", "".join(probe.log).replace("WRONGPASS", ""))
            with Probe(*options[:4], "--tls-name", "other.example", "--user", "gate",
                       password="se-cret") as probe:
                probe.wait_log("cannot use")
                self.assertFalse(probe.state()["is_up"])

    def test_a_wanted_password_is_told(self):
        with Redis(password="se-cret") as redis, Probe(*at(redis)) as probe:
            probe.wait_log("it wants a password: set redis.password")

    def test_a_full_memory_is_an_error_and_no_loss(self):
        with Redis(["maxmemory 1mb", "maxmemory-policy noeviction"]) as redis:
            with Probe(*at(redis)) as probe:
                reply = probe.call("SET", "a", "x" * 2_000_000)
                while reply == OK:
                    reply = probe.call("APPEND", "a", "x" * 100_000)
                self.assertTrue(reply["error"].startswith("OOM"))
                self.assertTrue(probe.state()["is_up"])

    def test_a_server_that_became_a_replica_is_left(self):
        with Redis() as other, Redis() as redis, Probe(*at(redis)) as probe:
            self.assertEqual(probe.call("SET", "a", "1"), OK)
            redis.call("REPLICAOF", other.host, other.port)
            self.assertIn("error", probe.call("SET", "a", "2"))
            wait_until(lambda: not probe.state()["is_up"], "the replica is left")
            redis.call("REPLICAOF", "NO", "ONE")
            probe.wait_up()
            self.assertEqual(probe.state()["epoch"], 2)

    def test_the_end_does_not_wait_for_a_server_that_hangs(self):
        with Redis() as redis:
            with Probe(*at(redis)) as probe:
                probe.wait_up()
                redis.pause()
                probe.begin("call", UNRESTRICTED, "a", "GET", "a")
            redis.resume()


class Sentinels(unittest.TestCase):
    def test_a_failover_is_followed(self):
        with Sentinel(password="se-cret", sentinel_password="watch") as group:
            endpoints = [word for address in group.addresses for word in ("--endpoint", address)]
            with Probe("--kind", "sentinel", "--master", group.name, *endpoints,
                       password="se-cret", sentinel_password="watch") as probe:
                self.assertEqual(probe.call("SET", "a", "1"), OK)
                old = group.master
                wait_until(lambda: group.replicas[0].call("GET", "a") == "1", "it is replicated")
                old.kill()
                new = group.wait_for_failover(old)
                probe.wait_up()
                self.assertEqual(probe.call("GET", "a"), "1")
                self.assertEqual(probe.call("SET", "a", "2"), OK)
                self.assertEqual(new.call("GET", "a"), "2")
                self.assertEqual(probe.state()["epoch"], 2)
                # The old one comes back as a replica; nobody follows it.
                old.start()
                wait_until(lambda: old.fields("replication")["role"] == "slave", "it follows")
                self.assertEqual(probe.call("GET", "a"), "2")
                self.assertEqual(probe.state()["epoch"], 2)

    def test_a_master_that_hangs_is_left_for_the_new_one(self):
        with Sentinel() as group:
            endpoints = [word for address in group.addresses for word in ("--endpoint", address)]
            with Probe("--kind", "sentinel", "--master", group.name, *endpoints) as probe:
                probe.wait_up()
                old = group.master
                group.sentinels[0].kill()
                old.pause()

                def is_answered():
                    reply = probe.call("SET", "a", "1", deadline_ms=50)
                    return reply == OK
                wait_until(is_answered, "the new master answers")
                self.assertIsNot(group.master, old)
                old.resume()


class Clusters(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = Cluster()
        cls.options = ["--kind", "cluster", "--endpoint", cls.cluster.addresses[1]]

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def other_than(self, node):
        return next(other for other in self.cluster.masters if other is not node)

    def test_keys_of_all_nodes_in_one_call(self):
        with Probe(*self.options) as probe:
            probe.wait_up()
            words = []
            for i in range(64):
                words += ["|", f"k{i}", "SET", f"k{i}", str(i)]
            results = probe.order("call", UNRESTRICTED, *words[1:])["results"]
            self.assertEqual(results, [OK] * 64)
            for i in range(64):
                self.assertEqual(self.cluster.call("GET", f"k{i}"), str(i))
            self.assertEqual(probe.state()["commands"], 64)  # Nothing was redirected.

    def test_hash_tags(self):
        with Probe(*self.options) as probe:
            probe.wait_up()
            for i in range(16):
                key = f"sluice:{{b{i:02}}}:count"
                self.assertEqual(probe.call("INCR", key), 1)
            self.assertEqual(probe.state()["commands"], 16)
            self.assertEqual(slot_of("sluice:{b00}:x"), slot_of("b00"))

    def test_a_moved_slot_is_followed_and_forgets_nothing(self):
        with Probe(*self.options) as probe:
            self.wait_for(probe)
            self.assertEqual(probe.call("SET", "moving", "1"), OK)
            epoch = probe.state()["epoch"]
            slot = slot_of("moving")
            self.cluster.move(slot, self.other_than(self.cluster.owner_of(slot)))
            self.assertEqual(probe.call("GET", "moving"), "1")
            before = probe.state()["commands"]
            self.assertEqual(probe.call("GET", "moving"), "1")
            self.assertEqual(probe.state()["commands"], before + 1)  # It was learnt.
            self.assertEqual(probe.state()["epoch"], epoch)

    def test_a_slot_that_is_moving_answers_ask(self):
        with Probe(*self.options) as probe:
            self.wait_for(probe)
            self.assertEqual(probe.call("SET", "{ask}old", "1"), OK)
            slot = slot_of("{ask}old")
            target = self.other_than(self.cluster.owner_of(slot))
            source = self.cluster.begin_move(slot, target)
            self.assertEqual(probe.call("GET", "{ask}old"), "1")  # Has not been moved.
            self.assertEqual(probe.call("SET", "{ask}new", "2"), OK)  # At the target.
            script = "return redis.call('INCR', KEYS[1])"
            self.assertEqual(probe.script(script, "{ask}third"), 1)
            self.assertEqual(probe.script(script, "{ask}third"), 2)
            self.assertTrue(probe.call("MGET", "{ask}old", "{ask}new")["error"]
                            .startswith("TRYAGAIN"))
            self.cluster.move_keys(slot, source, target)
            self.cluster.end_move(slot, target)
            self.assertEqual(probe.call("MGET", "{ask}old", "{ask}new"), ["1", "2"])

    def wait_for(self, probe):
        self.cluster.wait_until_settled()
        probe.wait_up()


class ClusterFailover(unittest.TestCase):
    def test_a_promoted_replica_is_found(self):
        with Cluster(replicas=1, password="se-cret") as cluster:
            with Probe("--kind", "cluster", "--endpoint", cluster.addresses[0], "--endpoint",
                       cluster.addresses[1], password="se-cret") as probe:
                probe.wait_up()
                self.assertEqual(probe.call("SET", "a", "1"), OK)
                epoch = probe.state()["epoch"]
                old = cluster.owner_of("a")
                wait_until(lambda: all(node.fields("replication")["master_link_status"] == "up"
                                       for node in cluster.nodes[3:]), "the replicas follow")
                wait_until(lambda: int(old.call("WAIT", 1, 1000)) == 1, "it is replicated")
                old.kill()
                wait_until(lambda: cluster.owner_of("a") is not old, "a replica took over")
                wait_until(lambda: probe.call("GET", "a") == "1", "it is found")
                probe.wait_up()
                self.assertGreater(probe.state()["epoch"], epoch)


if __name__ == "__main__":
    unittest.main(verbosity=2)
