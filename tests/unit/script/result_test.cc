#include "result.h"

#include "script_run.h"

namespace sluice::script {
namespace {

HookOutcome run_as(HookKind kind, std::string_view source) {
  ScriptRun run;
  run.kind = kind;
  return run(source);
}

TEST(Result, verdicts) {
  EXPECT_EQ(ScriptRun()("").verdict, Verdict::kPass);
  EXPECT_EQ(ScriptRun()("return nil").verdict, Verdict::kPass);
  EXPECT_EQ(ScriptRun()("return true").verdict, Verdict::kAllow);
  EXPECT_EQ(ScriptRun()("return false").verdict, Verdict::kRefuse);
  EXPECT_EQ(ScriptRun()("return {}").verdict, Verdict::kPass);
  EXPECT_EQ(ScriptRun()("return {allow = true, message = 'x'}").message, "");
  const HookOutcome refused = ScriptRun()("return {allow = false, message = 'no\\nway'}");
  EXPECT_EQ(refused.verdict, Verdict::kRefuse);
  EXPECT_EQ(refused.message, "no?way");
}

TEST(Result, d132_what_makes_no_sense_is_an_error) {
  expect_error("return 1", "s.lua: returned a number; nil, a boolean or a table is allowed");
  expect_error("return 'true'", "returned a string");
  expect_error("return function() end", "returned a function");
  expect_error("return request", "returned a userdata");
  expect_error("return nil, 'denied'", "returned 2 values; one is allowed");
  expect_error("return false, 'denied'", "returned 2 values");
  expect_error("return unpack({}, 1, 1000)", "returned 1000 values");
  expect_error("return {alow = false}", "returned the unknown field `alow`");
  expect_error("return {allow = 'false'}", "returned `allow` as a string; it is a boolean");
  expect_error("return {allow = 0}", "returned `allow` as a number");
  expect_error("return {false}", "returned a list");
  expect_error("return {message = {}}", "returned `message` as a table");
  expect_error("return {allow = true, metadata = {}}", "`metadata`, which is not for this hook");
  expect_error("return {log = {}}", "`log`, which is not for this hook");
}

TEST(Result, d094_each_hook_gives_what_it_may) {
  EXPECT_EQ(run_as(HookKind::kOnAuth, "return {allow = true, metadata = {a = 1}}").metadata,
            R"({"a":1})");
  for (const std::string_view field :
       {"headers = {}", "tags = {}", "priority = 1", "model = 'm'", "log = {}"}) {
    EXPECT_EQ(run_as(HookKind::kOnAuth, "return {" + std::string(field) + "}").verdict,
              Verdict::kError)
        << field;
  }
  for (const std::string_view field : {"allow = false", "headers = {}", "tags = {}", "priority = 1",
                                       "model = 'm'", "metadata = {}", "message = 'a'"}) {
    EXPECT_EQ(run_as(HookKind::kOnResponse, "return {" + std::string(field) + "}").verdict,
              Verdict::kError)
        << field;
  }
  EXPECT_EQ(run_as(HookKind::kOnResponse, "return false").verdict, Verdict::kError);
  EXPECT_EQ(run_as(HookKind::kOnResponse, "return {log = {a = 1}}").log_fields.size(), 1u);
}

TEST(Result, error_takes_everything_else_with_it) {
  const HookOutcome outcome =
      ScriptRun()("return {headers = {['x-a'] = '1'}, model = 'm', tags = {'a'}, zzz = 1}");
  EXPECT_EQ(outcome.verdict, Verdict::kError);
  EXPECT_TRUE(outcome.headers.empty() && outcome.model.empty() && outcome.tags.empty());
}

TEST(Result, headers) {
  const HookOutcome outcome =
      ScriptRun()("return {headers = {['X-B'] = 'two', ['x-a'] = 1, ['x-c'] = true}}");
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"x-a", "1"}, {"x-b", "two"}, {"x-c", "true"}};
  EXPECT_EQ(outcome.headers, expected) << outcome.message;
}

TEST(Result, d094_headers_that_are_not_a_scripts_are_refused) {
  for (const std::string_view name :
       {"Authorization", "HOST", "content-length", "Transfer-Encoding", "x-api-key", "Connection",
        "proxy-authorization", "X-Forwarded-For", "te", "upgrade", "cookie"}) {
    expect_error("return {headers = {['" + std::string(name) + "'] = 'a'}}",
                 "not a script's to set");
  }
}

TEST(Result, headers_cannot_split_the_head) {
  expect_error("return {headers = {['x-a'] = 'b\\r\\nhost: c'}}", "printable bytes");
  expect_error("return {headers = {['x-a'] = 'b\\0'}}", "printable bytes");
  expect_error("return {headers = {['x-a'] = 'b\\200'}}", "printable bytes");
  expect_error("return {headers = {['x a'] = 'b'}}", "whose name is not one");
  expect_error("return {headers = {['x-a:'] = 'b'}}", "whose name is not one");
  expect_error("return {headers = {[''] = 'b'}}", "whose name is not one");
  expect_error("return {headers = {['x\\r\\n'] = 'b'}}", "whose name is not one");
  expect_error("return {headers = {'b'}}", "not names with texts");
  expect_error("return {headers = {['x-a'] = {}}}", "not names with texts");
  expect_error("return {headers = {['x-a'] = string.rep('b', 513)}}", "printable bytes");
  expect_error("return {headers = {[string.rep('b', 65)] = 'a'}}", "whose name is not one");
  expect_error("return {headers = {['x-a'] = 'b', ['X-A'] = 'c'}}", "twice");
  expect_error("local t = {} for i = 1, 17 do t['x-' .. i] = 'a' end return {headers = t}",
               "more than 16 `headers`");
}

TEST(Result, tags_priority_and_model) {
  const HookOutcome outcome =
      ScriptRun()("return {tags = {'eu', 'fast'}, priority = 3, model = 'm'}");
  EXPECT_EQ(outcome.tags, (std::vector<std::string>{"eu", "fast"})) << outcome.message;
  EXPECT_EQ(outcome.priority, 3);
  EXPECT_EQ(outcome.model, "m");
  EXPECT_EQ(ScriptRun()("return {}").priority, -1);
  for (const std::string_view field :
       {"tags = {1}", "tags = {''}", "tags = {'a b'}", "tags = {a = 'b'}", "tags = {'a', b = 'c'}",
        "tags = {'a', nil, 'c', x = 1}", "tags = 'a'", "priority = -1", "priority = 1.5",
        "priority = 1001", "priority = 0/0", "priority = 1/0", "priority = '1'", "model = ''",
        "model = 'a\\n'", "model = 1", "model = string.rep('a', 257)",
        "tags = {'1','2','3','4','5','6','7','8','9'}", "tags = {string.rep('a', 65)}"}) {
    EXPECT_EQ(ScriptRun()("return {" + std::string(field) + "}").verdict, Verdict::kError) << field;
  }
}

TEST(Result, log_fields_are_bounded) {
  const HookOutcome outcome =
      run_as(HookKind::kOnResponse, "return {log = {a_1 = 'x\\ny', b = string.rep('z', 1000)}}");
  ASSERT_EQ(outcome.log_fields.size(), 2u) << outcome.message;
  EXPECT_EQ(outcome.log_fields[0].second, "x?y");
  EXPECT_EQ(outcome.log_fields[1].second.size(), kLogFieldBytesMax);
  EXPECT_EQ(run_as(HookKind::kOnResponse, "return {log = {['a b'] = 1}}").verdict, Verdict::kError);
  EXPECT_EQ(run_as(HookKind::kOnResponse, "return {log = {A = 1}}").verdict, Verdict::kError);
}

TEST(Result, metatables_of_what_is_returned_do_not_run) {
  const HookOutcome outcome = ScriptRun()(
      "return setmetatable({allow = true}, {__index = error, __pairs = error, __len = error})");
  EXPECT_EQ(outcome.verdict, Verdict::kAllow) << outcome.message;
  // Nor does a field that a metatable would lend count.
  EXPECT_EQ(ScriptRun()("return setmetatable({}, {__index = {allow = true}})").verdict,
            Verdict::kPass);
}

}  // namespace
}  // namespace sluice::script
