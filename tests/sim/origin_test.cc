// Where a request comes from: limits of addresses, the word of proxies, the PROXY protocol.
#include <array>
#include <set>

#include "served_stage.h"

namespace sluice::sim {
namespace {

const std::string kKey = "authorization: Bearer sk-app-0123456789abcdef\r\n";
const std::string kForged = "authorization: Bearer sk-guess-0123456789abcd\r\n";
const std::string kModels =
    "models:\n  - {name: m, routes: [{upstream: a}]}\n"
    "keys:\n  - {name: app, secret: sk-app-0123456789abcdef, limits: {requests_per_day: 1000}}\n";

std::string flood(int most, const std::string& more = {}) {
  return "rate_limits:\n  - {name: flood, per: ip, requests_per_minute: " + std::to_string(most) +
         "}\n" + more;
}

// PROXY protocol 2 for 192.0.2.`last` to 10.0.0.1.
std::string proxied(uint8_t last) {
  std::string text("\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\xC0\0\2\0\x0A\0\0\1\x30\x39\x1F\x90", 28);
  text[19] = static_cast<char>(last);
  return text;
}
const std::string kLocal("\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16);

class Origin : public ServedStage {
 protected:
  Origin() : Origin(ShardOptions{}) {}
  explicit Origin(ShardOptions options) : ServedStage(std::move(options)) {
    servers[0].answer = answer("{}");
  }

  StageClient& client_from(const char* ip) {
    StageClient& made = client();
    made.set_address(support::sim_address(ip, 4711));
    return made;
  }
  Answer ask_from(const char* ip, const std::string& fields = kKey, const std::string& first = {}) {
    StageClient& asked = client_from(ip);
    asked.ask(first + post(kUnary, fields));
    return finish(asked);
  }
  // The gateway closes without a word.
  void expect_closed(StageClient& asked) {
    ASSERT_TRUE(run_until([&] { return asked.saw_end() || asked.saw_reset(); }));
    EXPECT_TRUE(asked.received().empty());
    asked.close();
  }
  std::optional<Ipv6Bytes> client_of_record(size_t index) {
    return shard.records().at(index).record.client;
  }
  static std::optional<Ipv6Bytes> ip(const char* text) {
    return support::sim_address(text, 0).ip();
  }
};

TEST_F(Origin, d013_a_limit_of_addresses_acts_before_the_key_is_looked_at) {
  start("", kModels + flood(3));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(ask_from("10.9.0.1", kForged).status, 401);
  const Answer refused = ask_from("10.9.0.1");
  EXPECT_EQ(refused.status, 429) << "also with a good key";
  EXPECT_NE(refused.body.find("The limit `flood/requests_per_minute` of 3 requests a minute is"),
            std::string::npos)
      << refused.body;
  EXPECT_GE(std::stoi(refused.header("retry-after")), 59);
  EXPECT_EQ(shard.records()[3].record.limit.view(), "flood/requests_per_minute");
  EXPECT_TRUE(shard.records()[3].record.key.empty()) << "nobody has looked";
  EXPECT_EQ(ask_from("10.9.0.2").status, 200) << "another address";
  EXPECT_EQ(servers[0].requests.size(), 1u);
  ASSERT_TRUE(run_for(seconds(61)));
  EXPECT_EQ(ask_from("10.9.0.1").status, 200);
  shard.expect_clean_end();
}

TEST_F(Origin, d139_a_key_that_is_not_known_makes_no_entry_but_its_address) {
  start("", kModels + flood(1000));
  for (int i = 0; i < 20; ++i) {
    const std::string number = std::to_string(100 + i);
    EXPECT_EQ(
        ask_from("10.9.0.1", "authorization: Bearer sk-guess-0123456789" + number + "\r\n").status,
        401);
  }
  EXPECT_EQ(shard.limit_subjects(), 1u);
  EXPECT_EQ(ask_from("10.9.0.1").status, 200);
  EXPECT_EQ(shard.limit_subjects(), 2u);
  shard.expect_clean_end();
}

TEST_F(Origin, what_is_not_found_counts_and_probes_do_not) {
  start("", kModels + flood(2));
  const auto get_path = [&](const std::string& path) {
    StageClient& asked = client_from("10.9.0.1");
    asked.ask("GET " + path + " HTTP/1.1\r\nhost: x\r\n\r\n");
    return finish(asked).status;
  };
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(get_path("/livez"), 200);
    EXPECT_EQ(get_path("/readyz"), 200);
  }
  for (int i = 0; i < 2; ++i) EXPECT_EQ(get_path("/wp-admin"), 404);
  EXPECT_EQ(get_path("/wp-admin"), 429);
  EXPECT_EQ(get_path("/livez"), 200);
  shard.expect_clean_end();
}

TEST_F(Origin, requests_in_flight_are_given_back_however_they_end) {
  servers[0].answer.clear();
  start("", kModels + "rate_limits:\n  - {name: few, per: ip, concurrency: 1}\n");
  StageClient& first = client_from("10.9.0.1");
  first.ask(post(kUnary, kKey));
  ASSERT_TRUE(run_for(milliseconds(2)));
  EXPECT_EQ(ask_from("10.9.0.1").status, 429);
  EXPECT_EQ(ask_from("10.9.0.1", kForged).status, 429);
  first.reset();
  ASSERT_TRUE(run_for(milliseconds(2)));
  servers[0].answer = answer("{}");
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(ask_from("10.9.0.1", kForged).status, 401);
    EXPECT_EQ(ask_from("10.9.0.1").status, 200);
  }
  shard.expect_clean_end();
}

TEST_F(Origin, d125_a_forged_header_neither_evades_a_limit_nor_makes_an_entry) {
  start("", kModels + flood(3, "trusted_proxies: [10.8.0.0/16]\n"));
  for (int i = 0; i < 5; ++i) {
    const std::string forged = std::to_string(i);
    const Answer got = ask_from("10.9.0.1", kForged + "x-forwarded-for: 192.0.2." + forged +
                                                "\r\nforwarded: for=192.0.2." + forged + "\r\n");
    EXPECT_EQ(got.status, i < 3 ? 401 : 429);
    EXPECT_EQ(client_of_record(static_cast<size_t>(i)), ip("10.9.0.1"));
  }
  EXPECT_EQ(shard.limit_subjects(), 1u);
  // What a client has written before its proxy's word counts as little.
  for (int i = 0; i < 5; ++i) {
    const Answer got = ask_from(
        "10.8.0.1", kKey + "x-forwarded-for: 203.0.113." + std::to_string(i) + ", 192.0.2.77\r\n");
    EXPECT_EQ(got.status, i < 3 ? 200 : 429);
  }
  EXPECT_EQ(client_of_record(5), ip("192.0.2.77"));
  EXPECT_EQ(ask_from("10.8.0.1", kKey + "x-forwarded-for: 192.0.2.78\r\n").status, 200);
  EXPECT_EQ(ask_from("10.8.0.1", kKey + "forwarded: for=\"[2001:db8::7]:80\"\r\n").status, 200);
  EXPECT_EQ(shard.records().back().record.client, ip("2001:db8::7"));
  shard.expect_clean_end();
}

TEST_F(Origin, the_kernel_is_asked_once_for_a_connection_and_not_without_need) {
  start("", kModels);
  StageClient& c = client_from("10.9.0.1");
  for (size_t i = 1; i <= 3; ++i) {
    c.ask(post(kUnary, kKey));
    ASSERT_TRUE(run_until([&] { return c.reader.complete_count() == i; }));
  }
  EXPECT_EQ(shard.world().syscalls().peer_addresses(), 1u);
  EXPECT_EQ(client_of_record(0), ip("10.9.0.1"));
  c.close();
  reload({""}, kModels + "access_log: {enabled: false}\n");
  EXPECT_EQ(ask_from("10.9.0.1").status, 200);
  EXPECT_EQ(shard.world().syscalls().peer_addresses(), 1u);
  shard.expect_clean_end();
}

TEST_F(Origin, a_malformed_request_of_a_proxy_is_nobodys) {
  start("", kModels + flood(1000, "trusted_proxies: [10.8.0.0/16]\n"));
  for (const char* from : {"10.8.0.1", "10.9.0.1"}) {
    StageClient& asked = client_from(from);
    asked.ask("GET /livez\r\nx-forwarded-for: 192.0.2.1\r\n\r\n");
    EXPECT_EQ(finish(asked).status, 400);
  }
  EXPECT_EQ(client_of_record(0), std::nullopt);
  EXPECT_EQ(client_of_record(1), ip("10.9.0.1"));
  EXPECT_EQ(shard.limit_subjects(), 1u);
  shard.expect_clean_end();
}

TEST_F(Origin, d121_affinity_by_address_goes_by_the_address_of_the_client) {
  start("",
        "models:\n  - name: m\n    strategy: affinity\n"
        "    affinity: {client_address: true, prompt_bytes: 0, load_factor: 100}\n"
        "    routes: [{upstream: a}, {upstream: b}, {upstream: c}, {upstream: d}]\n"
        "keys:\n  - {name: app, secret: sk-app-0123456789abcdef}\n"
        "access_log: {enabled: false}\ntrusted_proxies: [10.8.0.0/16]\n");
  for (Server& server : servers) server.answer = answer("{}");
  const auto server_of = [&](const char* from, const std::string& fields) {
    std::array<size_t, 4> before{};
    for (size_t i = 0; i < 4; ++i) before[i] = servers[i].requests.size();
    EXPECT_EQ(ask_from(from, kKey + fields).status, 200);
    for (size_t i = 0; i < 4; ++i) {
      if (servers[i].requests.size() > before[i]) return i;
    }
    return size_t{4};
  };
  std::set<size_t> seen;
  for (int i = 0; i < 16; ++i) {
    const std::string last = std::to_string(i + 1);
    const size_t own = server_of(("10.9.0." + last).c_str(), {});
    seen.insert(own);
    for (int again = 0; again < 3; ++again) {
      EXPECT_EQ(server_of(("10.9.0." + last).c_str(), "x-forwarded-for: 1.2.3.4\r\n"), own);
    }
    EXPECT_EQ(server_of("10.8.0.1", "x-forwarded-for: 10.9.0." + last + "\r\n"), own);
    const std::string site = "x-forwarded-for: 2001:db8:" + last;
    EXPECT_EQ(server_of("10.8.0.1", site + "::1\r\n"), server_of("10.8.0.1", site + "::2\r\n"));
  }
  EXPECT_EQ(seen.size(), 4u) << "addresses are spread";
  shard.expect_clean_end();
}

const std::string kProxied = "proxy_protocol: true\ntimeouts: {head: 1s}\n";

class ProxiedOrigin : public Origin {
 protected:
  ProxiedOrigin() : Origin({.config = kConfig + kProxied}) {}
  explicit ProxiedOrigin(ShardOptions options) : Origin(std::move(options)) {}
  static inline const std::string kConfig =
      "upstreams:\n  - {name: a, url: 'http://10.0.1.1:8000', private_addresses: true}\n"
      "models:\n  - {name: m, routes: [{upstream: a}]}\n";
};

TEST_F(ProxiedOrigin, the_header_is_read_at_every_cut_and_the_source_counts) {
  start("", kModels + flood(1000) + kProxied);
  const std::string text = proxied(7) + post(kUnary, kKey);
  for (size_t cut = 1; cut < 40; ++cut) {
    StageClient& asked = client_from("10.8.0.1");
    asked.ask(text.substr(0, cut));
    asked.send(text.substr(cut), milliseconds(1));
    EXPECT_EQ(finish(asked).status, 200) << cut;
    EXPECT_EQ(shard.records().back().record.client, ip("192.0.2.7"));
  }
  EXPECT_EQ(shard.limit_subjects(), 2u) << "of the source and of the key";
  EXPECT_EQ(ask_from("10.8.0.1", kKey, kLocal).status, 200);
  EXPECT_EQ(shard.records().back().record.client, ip("10.8.0.1")) << "the balancer itself";
  // Its source is no proxy of ours.
  EXPECT_EQ(ask_from("10.8.0.1", kKey + "x-forwarded-for: 1.2.3.4\r\n", proxied(8)).status, 200);
  EXPECT_EQ(shard.records().back().record.client, ip("192.0.2.8"));
  shard.expect_clean_end();
}

TEST_F(ProxiedOrigin, whatever_is_not_the_header_closes_the_connection) {
  start("", kModels + kProxied);
  for (const std::string& text :
       {"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\r\n" + post(kUnary, kKey), post(kUnary, kKey),
        std::string("\x16\x03\x01\x02", 4), std::string(28, '\0')}) {
    StageClient& asked = client_from("10.8.0.1");
    asked.send(text);
    expect_closed(asked);
  }
  StageClient& leaver = client_from("10.8.0.1");
  leaver.send(proxied(7).substr(0, 20));
  leaver.finish();
  expect_closed(leaver);
  StageClient& late = client_from("10.8.0.1");
  late.send(proxied(7).substr(0, 20));
  ASSERT_TRUE(run_for(milliseconds(1)));
  const MonoTime began = now();
  expect_closed(late);
  expect_about(late.ended_at - began + milliseconds(1), seconds(1));
  EXPECT_EQ(shard.cells().slow_clients[metrics::SlowClient::kHead].value(), 1u);
  EXPECT_TRUE(servers[0].requests.empty());
  EXPECT_TRUE(shard.records().empty());
  shard.expect_clean_end();
}

TEST_F(ProxiedOrigin, with_trusted_proxies_it_is_taken_from_nobody_else) {
  start("", kModels + kProxied + "trusted_proxies: [10.8.0.0/16]\n");
  StageClient& stranger = client_from("10.9.0.1");
  stranger.send(proxied(7) + post(kUnary, kKey));
  expect_closed(stranger);
  EXPECT_EQ(ask_from("10.8.0.1", kKey, proxied(7)).status, 200);
  EXPECT_EQ(client_of_record(0), ip("192.0.2.7"));
  shard.expect_clean_end();
}

TEST_F(ProxiedOrigin, a_drain_does_not_wait_for_a_header) {
  start("", kModels + kProxied);
  StageClient& asked = client_from("10.8.0.1");
  asked.send(proxied(7).substr(0, 20));
  ASSERT_TRUE(run_for(milliseconds(1)));
  shard.begin_drain();
  expect_closed(asked);
  shard.expect_clean_end();
}

class SecuredOrigin : public ProxiedOrigin {
 protected:
  static inline const std::string kSecured =
      kProxied +
      "tls: {certificates: [{certificate: leaf.pem, key: leaf.key}]}\n"
      "upstreams:\n  - {name: a, url: 'https://10.0.1.1:8000', private_addresses: true,"
      " tls: {ca: ca.pem, server_name: upstream.test}}\n" +
      kModels;
  SecuredOrigin()
      : ProxiedOrigin({.config = kSecured, .is_secured = true, .preface = proxied(7)}) {}
};

TEST_F(SecuredOrigin, the_header_comes_before_the_handshake) {
  shard.world().serve(
      a(), [this]() -> support::SimPeer& { return shard.world().adopt<ServerPeer>(servers[0]); });
  for (int i = 0; i < 2; ++i) EXPECT_EQ(ask_from("10.8.0.1").status, 200);
  EXPECT_EQ(client_of_record(0), ip("192.0.2.7"));
  EXPECT_EQ(shard.cells().tls_handshakes[metrics::TlsOutcome::kFailed].value(), 0u);
  shard.expect_clean_end();
}

}  // namespace
}  // namespace sluice::sim
