#include "plan/options.h"

#include <gtest/gtest.h>

namespace sluice::load {
namespace {

std::string give(Draft& draft, std::string_view name, std::vector<std::string> values) {
  const Option* option = find_option(name);
  EXPECT_NE(option, nullptr) << name;
  return option->read(values, draft);
}

Draft draft_to(std::string target) {
  Draft draft;
  draft.target = std::move(target);
  return draft;
}

TEST(ParseUrl, splits_host_port_and_path) {
  const auto url = parse_url("http://127.0.0.1:8080/base");
  ASSERT_TRUE(url);
  EXPECT_EQ(url->host, "127.0.0.1");
  EXPECT_EQ(url->authority, "127.0.0.1:8080");
  EXPECT_EQ(url->port, 8080);
  EXPECT_EQ(url->path, "/base");
  EXPECT_EQ(parse_url("http://[::1]:90")->host, "::1");
  EXPECT_EQ(parse_url("http://localhost")->port, 80);
  EXPECT_EQ(parse_url("http://a:1/")->path, "");
}

TEST(ParseUrl, refuses_what_is_none) {
  for (const char* text : {"", "127.0.0.1:80", "https://a", "http://", "http://:80", "http://a:x",
                           "http://a:99999", "http://a:"}) {
    EXPECT_FALSE(parse_url(text)) << text;
  }
}

TEST(Finish, asks_the_simulated_server_for_the_shape) {
  Draft draft = draft_to("http://127.0.0.1:1");
  draft.events = 100;
  draft.interval_ms = 20;
  draft.stamps = true;
  const auto settings = finish(draft);
  ASSERT_TRUE(settings) << settings.error();
  const std::string head = render_head(*settings, settings->target.url, "sk", 5);
  for (const char* field : {"x-sim-tokens: 100\r\n", "x-sim-tps: 50\r\n", "x-sim-ttft: 20000us\r\n",
                            "x-sim-stamp: 1\r\n", "authorization: Bearer sk\r\n"}) {
    EXPECT_NE(head.find(field), std::string::npos) << field;
  }
}

TEST(Finish, chooses_what_was_not_said) {
  const auto closed = finish(draft_to("http://127.0.0.1:1"));
  ASSERT_TRUE(closed);
  EXPECT_EQ(closed->connections, 1u);
  EXPECT_EQ(closed->duration, Duration(seconds(10)));
  Draft draft = draft_to("http://127.0.0.1:1");
  draft.rate = "5@1s,9@2s";
  const auto open = finish(draft);
  ASSERT_TRUE(open);
  EXPECT_EQ(open->connections, 256u);
  EXPECT_EQ(open->duration, Duration::zero());
  draft.rate.clear();
  draft.settings.requests = 5;
  EXPECT_EQ(finish(draft)->duration, Duration::zero());
}

TEST(Finish, names_the_option_that_is_wrong) {
  const auto error_of = [](auto change) {
    Draft draft = draft_to("http://127.0.0.1:1");
    change(draft);
    const auto settings = finish(draft);
    return settings ? std::string() : settings.error();
  };
  EXPECT_EQ(error_of([](Draft&) {}), "");
  EXPECT_TRUE(error_of([](Draft& d) { d.target = "ftp://x"; }).starts_with("target: "));
  EXPECT_TRUE(error_of([](Draft& d) { d.target.clear(); }).starts_with("target: is missing"));
  EXPECT_TRUE(error_of([](Draft& d) { d.duration = "soon"; }).starts_with("duration: "));
  EXPECT_TRUE(error_of([](Draft& d) { d.rate = "fast"; }).starts_with("rate: "));
  EXPECT_TRUE(error_of([](Draft& d) { d.phase = "later"; }).starts_with("phase: "));
  EXPECT_TRUE(error_of([](Draft& d) { d.freeze = "1s"; }).starts_with("freeze: "));
  EXPECT_TRUE(error_of([](Draft& d) { d.body_file = "/no/such"; }).starts_with("body: "));
  EXPECT_TRUE(error_of([](Draft& d) { d.settings.models = {{"a", 0}}; }).starts_with("models: "));
  EXPECT_TRUE(error_of([](Draft& d) {
                d.settings.trace_file = "t";
                d.rate = "5";
              }).starts_with("rate: "));
  EXPECT_TRUE(error_of([](Draft& d) {
                d.settings.mode = Mode::kSlowReader;
                d.rate = "0/s";
              }).starts_with("rate: "));
}

TEST(Options, every_kind_of_value_is_read) {
  Draft draft;
  EXPECT_EQ(give(draft, "headers", {"a: b", "c=d"}), "");
  ASSERT_EQ(draft.settings.headers.size(), 2u);
  EXPECT_EQ(draft.settings.headers[0].second, "b");
  EXPECT_EQ(draft.settings.headers[1].second, "d");
  EXPECT_EQ(give(draft, "sizes", {"1KB=8", "1MB"}), "");
  EXPECT_EQ(draft.settings.sizes[0], (std::pair<uint64_t, double>{1000, 8}));
  EXPECT_EQ(draft.settings.sizes[1], (std::pair<uint64_t, double>{1'000'000, 1}));
  EXPECT_EQ(give(draft, "tenants", {"acme=3 k1 k2", "beta=1"}), "");
  ASSERT_EQ(draft.settings.tenants.size(), 2u);
  EXPECT_EQ(draft.settings.tenants[0].keys, (std::vector<std::string>{"k1", "k2"}));
  EXPECT_EQ(draft.settings.tenants[0].weight, 3);
  EXPECT_EQ(give(draft, "models", {"a=2", "b"}), "");
  EXPECT_EQ(draft.settings.models[0].weight, 2);
  EXPECT_EQ(give(draft, "expect", {"latency.p99=at most 5ms"}), "");
  EXPECT_EQ(draft.settings.expectations[0].max, 5000);
}

TEST(Options, later_values_replace_earlier_ones) {
  Draft draft;
  EXPECT_EQ(give(draft, "models", {"a", "b"}), "");
  EXPECT_EQ(give(draft, "models", {"c"}), "");
  ASSERT_EQ(draft.settings.models.size(), 1u);
  EXPECT_EQ(draft.settings.models[0].name, "c");
}

TEST(Options, what_is_wrong_is_refused) {
  const std::pair<std::string_view, std::string> kCases[] = {{"connections", "0"},
                                                             {"connections", "many"},
                                                             {"connections", "-1"},
                                                             {"connections", "1.5"},
                                                             {"warm_up", "soon"},
                                                             {"stream", "yes"},
                                                             {"arrivals", "random"},
                                                             {"headers", "no colon"},
                                                             {"headers", ": x"},
                                                             {"models", "=3"},
                                                             {"models", "a=x"},
                                                             {"models", "a=-1"},
                                                             {"sizes", "0"},
                                                             {"sizes", "big"},
                                                             {"tenants", "acme"},
                                                             {"tenants", "acme=x k"},
                                                             {"speed", "0"},
                                                             {"speed", "nan"},
                                                             {"leave_share", "1.5"},
                                                             {"expect", "failed"},
                                                             {"expect", "colour=0"},
                                                             {"expect", "failed=few"},
                                                             {"expect", "latency.p77=0"},
                                                             {"seed", ""},
                                                             {"interval", "nan"}};
  for (const auto& [name, value] : kCases) {
    Draft draft;
    EXPECT_NE(give(draft, name, {value}), "") << name << "=" << value;
  }
}

TEST(Options, a_key_is_never_repeated_in_an_error) {
  Draft draft;
  const std::string why = give(draft, "keys", {"sk-very-secret=x"});
  EXPECT_NE(why, "");
  EXPECT_EQ(why.find("secret"), std::string::npos);
}

}  // namespace
}  // namespace sluice::load
