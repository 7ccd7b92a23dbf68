// Items of `upstreams` that stand for servers which are found while Sluice runs.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

std::string fleet(std::string_view fields = "", std::string_view url = "http://fleet.internal/v1") {
  return "listen: 127.0.0.1:0\ndevelopment: true\nupstreams:\n"
         "  - {name: single, url: 'http://single.example'}\n"
         "  - name: fleet\n    private_addresses: true\n    url: " +
         std::string(url) + "\n    discover: {file: /etc/fleet}\n" + std::string(fields) +
         "  - {name: last, url: 'http://last.example'}\n"
         "models:\n"
         "  - {name: m, routes: [{upstream: single}, {upstream: fleet, model: x, weight: 5}]}\n"
         "  - {name: n, routes: [{upstream: last}, {upstream: fleet, priority: 2}]}\n";
}

std::unique_ptr<const Snapshot> with_members(std::string_view text, std::vector<Member> members) {
  return loaded(text, FakeEnvironment(), {{"fleet", std::move(members)}});
}

TEST(Discovery, sources_arrive_as_written) {
  const auto discovery = [](const std::string& fields) {
    const auto snapshot = loaded(
        "listen: 127.0.0.1:0\ndevelopment: true\nupstreams: [{name: g, url: 'http://g', "
        "private_addresses: true, discover: {" +
        fields + "}}]\nmodels: [{name: m, routes: [{upstream: g}]}]\n");
    return snapshot ? snapshot->discovery.at(0) : Discovery();
  };
  EXPECT_EQ(discovery("file: /a/b"),
            (Discovery{"g", DiscoveryKind::kFile, "/a/b", 0, seconds(10), true}));
  EXPECT_EQ(discovery("dns: Pods.example, port: 8000, interval: 1s"),
            (Discovery{"g", DiscoveryKind::kDns, "pods.example", 8000, seconds(1), true}));
  EXPECT_EQ(discovery("srv: _a._tcp.example"),
            (Discovery{"g", DiscoveryKind::kSrv, "_a._tcp.example", 0, seconds(10), true}));
  EXPECT_EQ(discovery("http: 'http://list.example/x?y'").target, "http://list.example/x?y");
}

TEST(Discovery, has_one_source_that_can_be_asked) {
  const auto errors = [](const std::string& fields) {
    return errors_of("upstreams: [{name: g, url: 'http://g', discover: " + fields + "}]\n");
  };
  EXPECT_TRUE(holds(errors("{}"), "upstreams[0].discover must have one of `file`"));
  EXPECT_TRUE(holds(errors("{file: /a, dns: b}"), "discover must have one of `file`"));
  EXPECT_TRUE(holds(errors("{file: a}"), "discover.file must be a full path"));
  EXPECT_TRUE(holds(errors("{dns: 10.0.0.7}"), "discover.dns must be a host name"));
  EXPECT_TRUE(holds(errors("{srv: 'a b'}"), "discover.srv must be a host name"));
  EXPECT_TRUE(holds(errors("{http: list}"), "discover.http has no scheme"));
  EXPECT_TRUE(holds(errors("{http: 'http://10.0.0.7'}"),
                    "discover.http has an address of a private network"));
  EXPECT_TRUE(holds(errors("{file: /a, port: 80}"), "has a `port` that only `dns` takes"));
  EXPECT_TRUE(holds(errors("{fiel: /a}"), "did you mean `file`?"));
  EXPECT_TRUE(holds(errors_of("upstreams: [{name: g, discover: {file: /a}}]\n"),
                    "upstreams[0].url is missing"));
}

TEST(Discovery, nothing_is_found_at_first_and_that_is_no_mistake) {
  const auto snapshot = loaded(fleet());
  ASSERT_TRUE(snapshot);
  ASSERT_EQ(snapshot->upstreams.size(), 2u);
  EXPECT_EQ(snapshot->upstreams[1].name, "last");
  ASSERT_EQ(snapshot->models[0].routes.size(), 1u);
  EXPECT_EQ(snapshot->models[1].routes.at(0).upstream, UpstreamId{1});
  ASSERT_EQ(snapshot->discovery.size(), 1u);
  EXPECT_EQ(snapshot->discovery[0].group, "fleet");
  EXPECT_TRUE(loaded("listen: 127.0.0.1:0\ndevelopment: true\n"
                     "upstreams: [{name: g, url: 'http://g', discover: {dns: g}}]\n"
                     "models: [{name: m, routes: [{upstream: g}]}]\n")
                  ->models[0]
                  .routes.empty());
}

TEST(Discovery, each_server_is_an_upstream_and_a_route_of_the_items_routes) {
  const auto snapshot =
      with_members(fleet("    weight: 3\n    credential: abc\n    timeouts: {idle: 9s}\n"
                         "    tags: [gpu]\n"),
                   {{"10.0.0.7", 8001}, {"Node.internal", 0, 2}, {"fd00::7", 8002}});
  ASSERT_TRUE(snapshot);
  ASSERT_EQ(snapshot->upstreams.size(), 5u);
  const Upstream& first = snapshot->upstreams[1];
  EXPECT_EQ(first.name, "fleet/10.0.0.7:8001");
  EXPECT_EQ(first.group, "fleet");
  EXPECT_EQ(first.endpoint.host, "10.0.0.7");
  EXPECT_EQ(first.endpoint.port, 8001);
  EXPECT_EQ(first.endpoint.authority, "fleet.internal");
  EXPECT_EQ(first.endpoint.base_path, "/v1");
  EXPECT_TRUE(first.endpoint.has_version);
  EXPECT_EQ(first.credential.value, "Bearer abc");
  EXPECT_EQ(first.tags, std::vector<std::string>{"gpu"});
  EXPECT_EQ(first.weight, 3u);
  const Upstream& second = snapshot->upstreams[2];
  EXPECT_EQ(second.name, "fleet/node.internal:80");
  EXPECT_EQ(second.endpoint.authority, "node.internal");
  EXPECT_EQ(second.weight, 6u);
  EXPECT_EQ(snapshot->upstreams[3].name, "fleet/[fd00::7]:8002");
  EXPECT_EQ(snapshot->upstreams[4].name, "last");
  EXPECT_EQ(snapshot->upstreams[4].group, "");

  const std::vector<Route>& routes = snapshot->models[0].routes;
  ASSERT_EQ(routes.size(), 4u);
  EXPECT_EQ(routes[0].upstream, UpstreamId{0});
  for (uint32_t i = 1; i < 4; ++i) {
    EXPECT_EQ(routes[i].upstream, UpstreamId{i});
    EXPECT_EQ(routes[i].model, "x");
    EXPECT_EQ(routes[i].weight, 5u);
    EXPECT_EQ(routes[i].timeouts.idle, seconds(9));
  }
  ASSERT_EQ(snapshot->models[1].routes.size(), 4u);
  EXPECT_EQ(snapshot->models[1].routes[0].upstream, UpstreamId{4});
  EXPECT_EQ(snapshot->models[1].routes[1].priority, 2u);
}

TEST(Discovery, a_server_is_asked_by_its_name_and_an_address_by_the_urls) {
  const auto snapshot = with_members(fleet("", "https://fleet.internal:8443"),
                                     {{"10.0.0.7", 443}, {"a.internal", 443}, {"b.internal", 0}});
  ASSERT_TRUE(snapshot);
  const auto expect = [&](size_t i, std::string_view authority, std::string_view server_name) {
    EXPECT_EQ(snapshot->upstreams[i].endpoint.authority, authority);
    EXPECT_EQ(snapshot->upstreams[i].tls.value().server_name, server_name);
  };
  expect(1, "fleet.internal:8443", "fleet.internal");
  expect(2, "a.internal", "a.internal");
  expect(3, "b.internal:8443", "b.internal");
  const auto named = with_members(
      fleet("    tls: {server_name: cert.example}\n", "https://fleet.internal"), {{"a.internal"}});
  ASSERT_TRUE(named);
  EXPECT_EQ(named->upstreams[1].tls.value().server_name, "cert.example");
}

TEST(Discovery, d056_what_may_not_be_dialled_is_left_out_with_a_warning) {
  const std::string text =
      "listen: 127.0.0.1:0\ndevelopment: true\nupstreams:\n"
      "  - {name: fleet, url: 'http://f', discover: {file: /f}}\n"
      "models: [{name: m, routes: [{upstream: fleet}]}]\n";
  const LoadOutcome outcome = load_text(
      text, "x.yaml", FakeEnvironment(),
      {{"fleet", {{"10.0.0.7"}, {"8.8.8.8"}, {"169.254.169.254"}, {"a b\n"}, {"8.8.8.8"}}},
       {"elsewhere", {{"9.9.9.9"}}}});
  ASSERT_TRUE(outcome.snapshot);
  ASSERT_EQ(outcome.snapshot->upstreams.size(), 1u);
  EXPECT_EQ(outcome.snapshot->upstreams[0].name, "fleet/8.8.8.8:80");
  const std::string warnings = lines_of(outcome.warnings);
  EXPECT_TRUE(holds(warnings,
                    "x.yaml:4: upstreams[0] has found a server that has an address of a "
                    "private network; it is left out; write `private_addresses: true`"))
      << warnings;
  EXPECT_TRUE(holds(warnings, "a link-local, metadata"));
  EXPECT_TRUE(holds(warnings, "that has no host name or numeric address"));
}

TEST(Discovery, more_servers_than_a_model_may_have_routes_are_left_out_with_a_warning) {
  std::vector<Member> members;
  for (int i = 0; i < 1100; ++i) {
    members.push_back({"10.0." + std::to_string(i / 250) + "." + std::to_string(i % 250 + 1), 80});
  }
  const LoadOutcome outcome =
      load_text(fleet(), "x.yaml", FakeEnvironment(), {{"fleet", std::move(members)}});
  ASSERT_TRUE(outcome.snapshot);
  EXPECT_EQ(outcome.snapshot->upstreams.size(), kGroupMembersMax + 2);
  EXPECT_EQ(outcome.snapshot->models[0].routes.size(), 64u);
  EXPECT_EQ(outcome.snapshot->models[1].routes.size(), 64u);
  const std::string warnings = lines_of(outcome.warnings);
  EXPECT_TRUE(holds(warnings, "upstreams[1] has more servers than are allowed"));
  EXPECT_TRUE(holds(warnings, "models[0].routes[1] has more servers than the model may have"));
}

TEST(Discovery, an_item_that_no_route_names_is_warned_of) {
  const LoadOutcome outcome = load_text(
      "listen: 127.0.0.1:0\ndevelopment: true\nupstreams:\n"
      "  - {name: fleet, url: 'http://f', discover: {file: /f}}\n"
      "  - {name: up, url: 'http://up'}\nmodels: [{name: m, routes: [{upstream: up}]}]\n",
      "x.yaml", FakeEnvironment(), {{"fleet", {{"8.8.8.8"}}}});
  EXPECT_TRUE(holds(lines_of(outcome.warnings), "upstreams[0] `fleet` is named by no route"));
}

}  // namespace
}  // namespace sluice::config
