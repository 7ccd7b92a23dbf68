// Keys in a file of their own.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

constexpr std::string_view kText =
    "listen: 127.0.0.1:0\nupstreams: [{name: up, url: 'http://a'}]\n"
    "models: [{name: m, routes: [{upstream: up}]}]\n"
    "tenants: [{name: t, limits: {concurrency: 3}}]\n"
    "rate_limits: [{name: r, per: key, requests_per_minute: 5}]\n"
    "auth: {key_file: keys.yaml}\n";
constexpr std::string_view kListed = "keys: [{name: app, secret: 0123456789abcdef}]\n";

FakeEnvironment with(std::string text) {
  FakeEnvironment fake;
  fake.files["keys.yaml"] = {std::move(text), false};
  return fake;
}

std::string errors_with(std::string keys, std::string_view more = "") {
  return errors_of(std::string(kText) + std::string(more), with(std::move(keys)));
}

TEST(KeyFile, its_keys_stand_behind_those_of_the_configuration) {
  const FakeEnvironment fake =
      with("keys:\n  - {name: more, secret: abcdef0123456789, models: [m], tenant: t}\n");
  const auto snapshot = loaded(std::string(kText) + std::string(kListed), fake);
  ASSERT_EQ(snapshot->keys.size(), 2u);
  EXPECT_EQ(snapshot->auth.key_file, "keys.yaml");
  const Key& more = snapshot->keys[1];
  EXPECT_EQ(more.name, "more");
  EXPECT_EQ(more.models, std::vector{ModelId{0}});
  EXPECT_EQ(snapshot->tenants[more.tenant.value].name, "t");
  EXPECT_EQ(more.limits, snapshot->every_key_limits);
  EXPECT_EQ(snapshot->keys_by_digest.at(more.digest), KeyId{1});
  EXPECT_EQ(loaded(kText, fake)->keys.size(), 1u);
}

TEST(KeyFile, what_is_wrong_with_it_is_said_with_its_name_and_line) {
  EXPECT_EQ(errors_with("keys:\n  - {name: a, secret: 0123456789abcdef, models: [n]}\n"),
            "keys.yaml:2: keys[0].models[0] names the model `n`, which does not exist (did you "
            "mean `m`?); name one of `models`\n");
  EXPECT_EQ(errors_with("keys: [{name: app, secret: 0123456789abcdeX}]\n", kListed),
            "keys.yaml:1: keys[0] has the name `app` of the key in line 7 of the configuration; "
            "give each key a name of its own\n");
  EXPECT_EQ(errors_with("keys: [{name: b, secret: 0123456789abcdef}]\n", kListed),
            "keys.yaml:1: keys[0] `b` has the same secret as the key `app`; give each key a "
            "secret of its own\n");
  EXPECT_EQ(errors_with("keys: [{name: b}]\nlisten: x\n"),
            "keys.yaml:1: keys[0].secret is missing; add a line `secret:` with its value, or "
            "`certificate_subject:` for a key that a client certificate stands for\n"
            "keys.yaml:2: the file has an unknown key `listen`; the keys here are: keys\n");
}

// Every front of a good file is refused, or has whole keys only.
TEST(KeyFile, what_is_half_written_is_refused) {
  const std::string whole =
      "keys:\n  - name: first\n    secret: 0123456789abcdef\n    models: [m]\n"
      "  - name: second\n    secret: abcdef0123456789\n    models: [m]\n";
  EXPECT_EQ(errors_with(whole), "");
  for (size_t length = 0; length < whole.size(); ++length) {
    const LoadOutcome outcome = load_text(kText, "x.yaml", with(whole.substr(0, length)));
    if (whole[length == 0 ? 0 : length - 1] != '\n' || length == 0) {
      EXPECT_FALSE(outcome.snapshot) << length;
      continue;
    }
    if (outcome.snapshot == nullptr) continue;
    for (const Key& key : outcome.snapshot->keys) EXPECT_EQ(key.name.empty(), false) << length;
  }
  EXPECT_EQ(errors_with(whole.substr(0, whole.size() - 1)),
            "x.yaml:6: auth.key_file names the file keys.yaml, which does not end with a line "
            "break; it looks half written: write it under another name, then rename it\n");
}

TEST(KeyFile, one_that_cannot_be_read_is_an_error) {
  EXPECT_EQ(errors_of(kText),
            "x.yaml:6: auth.key_file names the file keys.yaml, which cannot be read: No such file "
            "or directory; create the file, let this user read it, or remove the key\n");
}

TEST(KeyFile, one_that_everybody_may_read_is_warned_of) {
  FakeEnvironment fake = with("keys: [{name: a, secret: 0123456789abcdef}]\n");
  fake.files["keys.yaml"].others_may_read = true;
  EXPECT_EQ(lines_of(load_text(kText, "x.yaml", fake).warnings),
            "keys.yaml:1: this file holds a secret, and every user may read it; "
            "run `chmod 600 keys.yaml`, or use env:// or file://\n");
}

}  // namespace
}  // namespace sluice::config
