// The section `cors`, and what of `tls` browsers keep.
#include <gtest/gtest.h>

#include "load.h"

namespace sluice::config {
namespace {

std::string with_cors(std::string_view cors, std::string_view more = "") {
  return with_one_model("cors: {" + std::string(cors) + "}\n" + std::string(more));
}

std::string allowing(std::string_view origin) {
  return with_cors("enabled: true, data_origins: {allow: ['" + std::string(origin) + "']}");
}

constexpr std::string_view kListener =
    "admin: {listen: '127.0.0.1:9465', bootstrap_token: 0123456789abcdef0123456789abcdef}\n";

TEST(SchemaCors, every_field_arrives_as_written) {
  const auto snapshot = loaded(with_cors(
      "enabled: on, allow_credentials: on, allow_methods: [POST], allow_headers: [x-a, X-B],\n"
      "  expose_headers: [], max_age: 90s, data_origins: {allow: ['https://a'], deny: "
      "['https://b']},\n  admin_origins: {allow: ['https://c']}",
      kListener));
  EXPECT_EQ(snapshot->cors, (CorsSettings{.enabled = true,
                                          .allow_credentials = true,
                                          .allow_methods = {"POST"},
                                          .allow_headers = {"x-a", "X-B"},
                                          .expose_headers = {},
                                          .max_age = seconds(90),
                                          .data_origins = {{"https://a"}, {"https://b"}},
                                          .admin_origins = {{"https://c"}, {}}}));
  EXPECT_EQ(loaded(with_cors("enabled: off"))->cors, CorsSettings());
  EXPECT_TRUE(loaded(with_cors("enabled: on, allow_all_origins: on"))->cors.allow_all_origins);
}

TEST(SchemaCors, origins_are_taken_as_browsers_send_them) {
  for (const char* origin :
       {"https://app.example", "http://localhost:5173", "https://a.b-c.example:8443",
        "http://127.0.0.1:1", "http://[::1]:5173", "https://[2001:db8::1]", "https://a:80",
        "chrome-extension://abcdefghijklmnop", "tauri://localhost",
        "https://xn--bcher-kva.example"}) {
    EXPECT_EQ(loaded(allowing(origin))->cors.data_origins.allow, std::vector<std::string>{origin});
  }
  for (const char* origin : {"app.example",
                             "https://",
                             "https://App.example",
                             "HTTPS://app.example",
                             "https://app.example/",
                             "https://app.example/path",
                             "https://app.example:443",
                             "http://app.example:80",
                             "https://app.example:0",
                             "https://app.example:65536",
                             "https://app.example:",
                             "https://app.example:080",
                             "https://user@app.example",
                             "https://*.example",
                             "https://a b",
                             "null",
                             "https://[::1",
                             "https://[::1]x",
                             "https://[app]",
                             "https://a,https://b",
                             "1a://b",
                             "https://a?b",
                             "https://a#b"}) {
    EXPECT_TRUE(holds(errors_of(allowing(origin)),
                      "cors.data_origins.allow[0] is not an origin as browsers send it"))
        << origin;
  }
}

TEST(SchemaCors, bad_settings_are_refused_in_these_words) {
  struct Bad {
    const char* cors;
    const char* sentence;
  };
  for (const Bad& bad : {
           Bad{"enabled: on, data_origins: {allow: ['*']}",
               "x.yaml:5: cors.data_origins.allow[0] is every origin; write "
               "`allow_all_origins: true` if that is meant\n"},
           Bad{"enabled: on, allow_all_origins: on, allow_credentials: on",
               "x.yaml:5: cors.allow_all_origins cannot go with allow_credentials: every page that "
               "a user opens could act as them; name the origins in data_origins.allow, or remove "
               "one of the two\n"},
           Bad{"enabled: on, allow_credentials: on, allow_headers: ['*'], data_origins: "
               "{allow: ['https://a']}",
               "x.yaml:5: cors.allow_headers has `*`, which browsers do not heed with "
               "allow_credentials; write the names\n"},
           Bad{"enabled: on",
               "x.yaml:5: cors is enabled and allows no origin; add `data_origins: {allow: "
               "[https://app.example]}`, or remove `enabled`\n"},
           Bad{"enabled: on, admin_origins: {allow: ['https://a']}",
               "x.yaml:5: cors.admin_origins has no effect without admin.listen; remove it, or add "
               "`listen` below `admin`\n"},
           Bad{"enabled: on, allow_all_origins: on, data_origins: {allow: ['https://a']}",
               "x.yaml:5: cors.data_origins has an `allow` that says nothing beside "
               "allow_all_origins; remove one of the two\n"},
           Bad{"enabled: on, allow_all_origins: on, allow_headers: ['a b']",
               "x.yaml:5: cors.allow_headers[0] is not a name that HTTP allows; write letters, "
               "digits and dashes only\n"},
           Bad{"enabled: on, allow_all_origins: on, allow_methods: [GET, GET]",
               "x.yaml:5: cors.allow_methods[1] repeats `GET`; name each one once\n"},
       }) {
    EXPECT_EQ(errors_of(with_cors(bad.cors)), bad.sentence) << bad.cors;
  }
}

TEST(SchemaCors, no_origin_or_name_can_add_a_field) {
  for (const char* text : {"\"https://a\\r\\nx: y\"", "\"https://a\\0\"", "\"a\\r\\nb: c\""}) {
    EXPECT_NE(
        errors_of(with_cors("enabled: on, data_origins: {allow: [" + std::string(text) + "]}")),
        "");
    EXPECT_NE(errors_of(with_cors("enabled: on, allow_all_origins: on, expose_headers: [" +
                                  std::string(text) + "]")),
              "");
  }
}

}  // namespace
}  // namespace sluice::config
