// The section `admin`.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

constexpr std::string_view kToken = "0123456789abcdef0123456789abcdef";

std::string with_admin(std::string_view admin, std::string_view more = "") {
  return "listen: 127.0.0.1:8080\ndevelopment: true\nupstreams: [{name: up, url: 'http://a'}]\n"
         "models: [{name: m, routes: [{upstream: up}]}]\nadmin: {" +
         std::string(admin) + "}\n" + std::string(more);
}

TEST(SchemaAdmin, every_field_arrives_as_written) {
  FakeEnvironment fake;
  fake.variables["TOKEN"] = kToken;
  const auto snapshot = loaded(
      with_admin(
          "socket: /a.sock, mode: '0660', group: ops, listen: '0.0.0.0:9465', watch_config: on,\n"
          "  certificate: file:///c.pem, key: /k.pem, bootstrap_token: env://TOKEN"),
      fake);
  EXPECT_EQ(snapshot->admin_socket, "/a.sock");
  EXPECT_EQ(snapshot->admin,
            (AdminSettings{.group = "ops",
                           .mode = 0660,
                           .listener = AdminListener{"0.0.0.0", 9465, "/c.pem", "/k.pem"},
                           .bootstrap_token = std::string(kToken),
                           .watch_config = true}));
  EXPECT_EQ(loaded(with_admin("socket: off"))->admin, AdminSettings());
  EXPECT_EQ(loaded(with_admin("socket: /a, mode: 640"))->admin.mode, 0640u);
}

TEST(SchemaAdmin, bad_settings_are_refused_in_these_words) {
  struct Bad {
    const char* admin;
    const char* sentence;
  };
  constexpr const char* kSecret = "bootstrap_token: 0123456789abcdef0123456789abcdef, ";
  constexpr Bad kBad[] = {
      {"socket: /a, mode: '0666'",
       "admin.mode lets every user of this machine command the gateway; write it as \"0600\", or "
       "\"0660\" with a `group`"},
      {"socket: /a, mode: '9'",
       "admin.mode must be an octal file mode; write it as \"0600\", or \"0660\" with a `group`"},
      {"mode: '0600'", "admin.mode has no effect without `socket`; remove it, or add `socket`"},
      {"group: ops", "admin.group has no effect without `socket`; remove it, or add `socket`"},
      {"listen: localhost:1", "admin.listen must be a numeric address with a port; write it as "},
      {"listen: '127.0.0.1:9465'",
       "admin.listen has nobody who may use it: there are no management keys; add a section "
       "`store`, or a `bootstrap_token`"},
      {"bootstrap_token: 0123456789abcdef0123456789abcdef",
       "admin.bootstrap_token has no effect without `listen`; remove it, or add `listen`"},
      {"bootstrap_token: short",
       "admin.bootstrap_token must be 32 to 512 characters long; make one with `openssl rand -hex "
       "24`"},
      {"certificate: /c.pem",
       "admin.certificate has no effect without `listen`; remove it, or add `listen`"},
  };
  for (const Bad& bad : kBad) {
    EXPECT_TRUE(
        errors_of(with_admin(bad.admin)).starts_with("x.yaml:5: " + std::string(bad.sentence)))
        << bad.admin << '\n'
        << errors_of(with_admin(bad.admin));
  }
  const std::string token = kSecret;
  EXPECT_EQ(errors_of(with_admin(token + "listen: '0.0.0.0:9465'")),
            "x.yaml:5: admin.listen can be reached from other machines without TLS; add "
            "`certificate` and `key`, or write \"127.0.0.1:9465\"\n");
  EXPECT_EQ(errors_of(with_admin(token + "listen: '127.0.0.1:9465', key: /k.pem")),
            "x.yaml:5: admin has only one of `certificate` and `key`; add the other, or remove "
            "both\n");
  EXPECT_EQ(errors_of(with_admin(token + "listen: '127.0.0.1:8080'")),
            "x.yaml:5: admin.listen is the address of another listener; choose another port\n");
}

TEST(SchemaAdmin, a_token_is_not_repeated) {
  const std::string errors =
      errors_of(with_admin("listen: '127.0.0.1:1', bootstrap_token: canary"));
  EXPECT_TRUE(holds(errors, "admin.bootstrap_token"));
  EXPECT_FALSE(holds(errors, "canary"));
}

}  // namespace
}  // namespace sluice::config
