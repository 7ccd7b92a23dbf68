#!/usr/bin/env python3
"""What the simulated server does as a whole: slots, chances, changes while it runs.

    simulator_test.py PROGRAM
"""

import collections
import concurrent.futures
import http.client
import json
import subprocess
import sys
import unittest

PATIENCE_S = 20  # The bound of every wait; reached only when a test fails.
QUESTION = '{"model":"m","messages":[]}'


class SimulatorTest(unittest.TestCase):
    def start(self, shape):
        process = subprocess.Popen(
            [PROGRAM, "--listen", "127.0.0.1:0", "--seed", "7", "--ttft", "0", "--tps", "0",
             "--tokens", "3", "--shape", shape], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.address = process.stdout.readline().split("//")[-1].strip()

    def ask(self, path="/v1/chat/completions", body=QUESTION):
        """The status and the body; "closed" in place of the status when no answer came."""
        connection = http.client.HTTPConnection(self.address, timeout=PATIENCE_S)
        try:
            connection.request("GET" if body is None else "POST", path, body)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (http.client.RemoteDisconnected, ConnectionResetError):
            return "closed", ""
        finally:
            connection.close()

    def ask_many(self, count, at_a_time):
        with concurrent.futures.ThreadPoolExecutor(at_a_time) as pool:
            return collections.Counter(pool.map(lambda _: self.ask()[0], range(count)))

    def stats(self):
        return json.loads(self.ask("/sim/stats", None)[1])

    def change(self, settings):
        status, answer = self.ask("/sim/shape", settings)
        self.assertEqual(status, 200, answer)

    def test_those_beyond_the_slots_wait_and_all_are_answered(self):
        self.start("slots=2&ttft=2ms")
        self.assertEqual(self.ask_many(100, 20), {200: 100})
        self.assertEqual(self.stats()["outcomes"], {"ok": 100})

    def test_those_beyond_the_line_are_refused_as_busy(self):
        # The slot is held by a stream without an end, the line by one request more.
        self.start("slots=1&waiting=1&busy=429")
        holders = []
        for _ in range(2):
            holder = http.client.HTTPConnection(self.address, timeout=PATIENCE_S)
            self.addCleanup(holder.close)
            holder.request("POST", "/v1/chat/completions",
                           '{"model":"m?fault=stall-after:1","stream":true,"messages":[]}')
            holders.append(holder)
        holders[0].getresponse()
        while self.stats()["in_flight"] < 2:
            pass
        self.assertEqual(self.ask()[0], 429)
        self.assertEqual(self.stats()["outcomes"], {"busy": 1})
        holders[1].close()
        while self.stats()["in_flight"] > 1:
            pass
        self.assertEqual(self.stats()["outcomes"], {"busy": 1, "left": 1})
        self.change("slots=2")
        self.assertEqual(self.ask()[0], 200)

    def test_a_share_fails_and_the_figures_say_how(self):
        self.start("fault=20%:status:500,10%:cut-before-head")
        seen = self.ask_many(500, 4)
        self.assertGreater(seen[500], 50)
        self.assertGreater(seen["closed"], 20)
        stats = self.stats()
        self.assertEqual(stats["answered"], 500)
        self.assertEqual(stats["outcomes"], {"ok": seen[200], "status 500": seen[500],
                                             "cut": seen["closed"]})
        self.assertEqual([(each["path"], each["model"]) for each in stats["tallies"]],
                         [("/v1/chat/completions", "m")])

    def test_it_goes_down_and_comes_back(self):
        self.start("")
        self.change("down=1")
        for path in ("/v1/models", "/health"):
            self.assertEqual(self.ask(path, None)[0], "closed")
        self.assertEqual(self.ask()[0], "closed")
        self.assertEqual(self.ask("/healthz", None)[0], 200)
        self.change("down=0")
        self.assertEqual(self.ask()[0], 200)
        self.assertEqual(self.stats()["outcomes"], {"down": 3, "ok": 1})

    def test_health_and_models_follow_the_shape(self):
        self.start("")
        self.change("health=503")
        self.assertEqual([self.ask("/health", None)[0], self.ask()[0]], [503, 200])
        self.change("health=0&fault=status:500")
        self.assertEqual([self.ask("/health", None)[0], self.ask("/v1/models", None)[0]],
                         [500, 500])
        self.change("fault=none")
        self.assertEqual([self.ask("/health", None)[0], self.ask("/v1/models", None)[0]],
                         [200, 200])

    def test_a_change_that_is_wrong_changes_nothing(self):
        self.start("")
        self.assertEqual(self.ask("/sim/shape", "down=1&fault=nonsense")[0], 400)
        self.assertEqual(self.ask()[0], 200)


if __name__ == "__main__":
    PROGRAM = sys.argv.pop(1)
    unittest.main()
