// What changed between two texts, for people.
#include <sluice/config/difference.h>

#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

constexpr std::string_view kFront =
    "listen: 127.0.0.1:0\nupstreams: [{name: up, url: 'http://a'}, {name: two, url: 'http://b'}]\n"
    "models: [{name: llama, routes: [{upstream: up}]}]\n";
constexpr std::string_view kKeys = "keys: [{name: app, secret: 0123456789abcdef}]\n";

struct Side {
  std::string text;
  LoadOutcome outcome;
};

Side side(std::string text) {
  FakeEnvironment fake;
  fake.variables = {{"KEY", "0123456789abcdef"}, {"OTHER", "abcdef0123456789"}};
  LoadOutcome outcome = load_text(text, "x.yaml", fake);
  EXPECT_EQ(lines_of(outcome.errors), "");
  return {std::move(text), std::move(outcome)};
}

std::string changes(std::string before, std::string after) {
  const Side left = side(std::move(before));
  const Side right = side(std::move(after));
  std::string lines;
  const LoadedText first{left.text, left.outcome.secrets};
  const LoadedText second{right.text, right.outcome.secrets};
  const std::vector<std::string> found = differences(first, second);
  // The same with trees that are at hand, of either or of both.
  const LoadedText first_read{left.text, left.outcome.secrets, &*left.outcome.tree};
  const LoadedText second_read{right.text, right.outcome.secrets, &*right.outcome.tree};
  EXPECT_EQ(differences(first, second_read), found);
  EXPECT_EQ(differences(first_read, second), found);
  EXPECT_EQ(differences(first_read, second_read), found);
  for (const std::string& line : found) lines += line + '\n';
  return lines;
}

std::string file(std::string_view models, std::string_view more = "") {
  return "listen: 127.0.0.1:0\n"
         "upstreams: [{name: up, url: 'http://a'}, {name: two, url: 'http://b'}]\n"
         "models: [" +
         std::string(models) + "]\n" + std::string(more) + std::string(kKeys);
}

TEST(Difference, nothing_between_equal_texts_and_comments) {
  const std::string text = std::string(kFront) + std::string(kKeys);
  EXPECT_EQ(changes(text, text), "");
  EXPECT_EQ(changes(text, "# A comment.\n" + text + "# Another.\n"), "");
}

TEST(Difference, values_go_by_their_path_with_the_names_of_items) {
  EXPECT_EQ(changes(file("{name: llama, routes: [{upstream: up, weight: 1}]}"),
                    file("{name: llama, strategy: random, routes: [{upstream: two, weight: 2}]}")),
            "models.llama.routes[0].upstream: up -> two\n"
            "models.llama.routes[0].weight: 1 -> 2\n"
            "models.llama.strategy: added, random\n");
  EXPECT_EQ(changes(file("{name: llama, strategy: power_of_two, routes: [{upstream: up}]}"),
                    file("{name: llama, strategy: random, routes: [{upstream: up}]}")),
            "models.llama.strategy: power_of_two -> random\n");
  EXPECT_EQ(changes(file("{name: m, routes: [{upstream: up}]}", "limits: {attempts: 2}\n"),
                    file("{name: m, routes: [{upstream: up}]}")),
            "limits: removed\n");
}

TEST(Difference, items_come_go_and_change_places) {
  const std::string a = "{name: a, routes: [{upstream: up}]}";
  const std::string b = "{name: b, routes: [{upstream: up}]}";
  EXPECT_EQ(changes(file(a), file(a + ", " + b)), "models.b: added\n");
  EXPECT_EQ(changes(file(a + ", " + b), file(b)), "models.a: removed\n");
  EXPECT_EQ(changes(file(a + ", " + b), file(b + ", " + a)), "models: the order has changed\n");
  EXPECT_EQ(changes(file("{name: a, routes: [{upstream: up}]}"),
                    file("{name: a, routes: [{upstream: up}, {upstream: two}]}")),
            "models.a.routes[1]: added\n");
  EXPECT_EQ(changes(file("{name: a, aliases: [x, y], routes: [{upstream: up}]}"),
                    file("{name: a, aliases: [x, z], routes: [{upstream: up}]}")),
            "models.a.aliases: [x, y] -> [x, z]\n");
}

TEST(Difference, secrets_are_never_said) {
  const auto with_key = [](std::string_view secret) {
    return std::string(kFront) + "keys: [{name: app, secret: " + std::string(secret) + "}]\n";
  };
  EXPECT_EQ(changes(with_key("canary-0123456789"), with_key("canary-abcdefghij")),
            "keys.app.secret: changed\n");
  EXPECT_EQ(changes(with_key("canary-0123456789"), with_key("env://KEY")),
            "keys.app.secret: changed\n");
  EXPECT_EQ(changes(with_key("env://KEY"), with_key("env://OTHER")),
            "keys.app.secret: env://KEY -> env://OTHER\n");
  EXPECT_EQ(changes(with_key("'${KEY:canary}'"), with_key("'${OTHER:canary}'")),
            "keys.app.secret: changed\n");
  const auto with_credential = [](std::string_view more) {
    return "listen: 127.0.0.1:0\nupstreams: [{name: up, url: 'http://a'" + std::string(more) +
           "}]\nmodels: [{name: m, routes: [{upstream: up}]}]\n" + std::string(kKeys);
  };
  EXPECT_EQ(changes(with_credential(""), with_credential(", credential: canary")),
            "upstreams.up.credential: added, ***\n");
  EXPECT_EQ(changes(with_credential(", headers: {x-a: canary}"), with_credential("")),
            "upstreams.up.headers: removed\n");
}

TEST(Difference, there_is_an_end_to_it) {
  std::string models;
  for (int i = 0; i < 150; ++i) {
    models += (i > 0 ? ", " : "") + std::string("{name: m") + std::to_string(i) +
              ", routes: [{upstream: up}]}";
  }
  const std::string one = "{name: m0, routes: [{upstream: up}]}";
  const std::string lines = changes(file(one), file(models));
  EXPECT_EQ(std::ranges::count(lines, '\n'), static_cast<long>(kDifferencesMost) + 1);
  EXPECT_TRUE(lines.ends_with("and 49 more\n"));
}

std::string masked(const std::string& text) {
  const Side loaded = side(text);
  return mask_secrets({loaded.text, loaded.outcome.secrets});
}

TEST(Masking, only_secrets_are_replaced_and_all_else_stays) {
  const std::string front = std::string(kFront) + "# ünïcode ✓ before it\n";
  EXPECT_EQ(
      masked(front +
             "keys:\n  - name: app\n    secret: \"canary-0123456789\"  # Why.\n"
             "  - {name: b, secret: 'canary-abc''defghij', expires: '2030-01-01T00:00:00Z'}\n"),
      front +
          "keys:\n  - name: app\n    secret: \"***\"  # Why.\n"
          "  - {name: b, secret: \"***\", expires: '2030-01-01T00:00:00Z'}\n");
}

TEST(Masking, references_stay_and_defaults_go) {
  const std::string front(kFront);
  EXPECT_EQ(masked(front + "keys: [{name: a, secret: env://KEY},\n"
                           "  {name: b, secret: '${OTHER:canary}'}]\n"),
            front + "keys: [{name: a, secret: env://KEY},\n  {name: b, secret: \"***\"}]\n");
}

TEST(Masking, a_block_scalar_keeps_its_line_break) {
  const std::string front(kFront);
  EXPECT_EQ(masked(front + "keys:\n  - name: a\n    secret: >-\n      canary-0123456789\n"
                           "    weight: 2\n"),
            front + "keys:\n  - name: a\n    secret: \"***\"\n    weight: 2\n");
}

// Whatever the schema reads as a secret is hidden: one canary in each place.
TEST(Masking, d134_no_secret_of_a_rich_file_is_left) {
  FakeEnvironment fake;
  const std::string text =
      "listen: 127.0.0.1:0\nupstreams:\n"
      "  - {name: up, url: 'http://a', credential: canary1, headers: {x-a: canary2}}\n"
      "  - name: b\n    url: http://b/?key=canary18\n    auth: {type: basic, user: canary3, "
      "secret: canary4}\n"
      "    proxy: {url: 'http://p', user: canary5, password: canary6}\n"
      "models: [{name: m, routes: [{upstream: up}, {upstream: b}]}]\n"
      "store: {path: /s}\njournal: {directory: /j}\n"
      "redis: {url: 'redis://h', username: canary7, password: canary8, gateways: 1}\n"
      "auth:\n  sources:\n    - {type: file}\n"
      "    - {type: redis, redis: {url: 'redis://h', password: canary9}}\n"
      "    - type: database\n      table: t\n      key_column: c\n"
      "      sql: {driver: mysql, host: h, user: canary10, password: canary11, database: d}\n"
      "    - {type: webhook, url: 'https://h/?token=canary16', headers: {authorization: "
      "canary12}}\n"
      "usage_log:\n  path: /u\n"
      "  reporters: [{type: webhook, url: 'https://h/?a=canary17', headers: {x: canary13}}]\n"
      "admin: {listen: '127.0.0.1:1', bootstrap_token: canary14-0123456789abcdef0123456789}\n"
      "keys: [{name: app, secret: canary15-0123456789}]\n";
  const LoadOutcome outcome = load_text(text, "x.yaml", fake);
  EXPECT_EQ(lines_of(outcome.errors), "");
  const std::string hidden = mask_secrets({text, outcome.secrets});
  EXPECT_FALSE(holds(hidden, "canary")) << hidden;
  EXPECT_TRUE(holds(hidden, "url: 'redis://h'"));
  std::vector<Diagnostic> errors;
  EXPECT_TRUE(read_yaml(hidden, "x.yaml", errors));
}

}  // namespace
}  // namespace sluice::config
