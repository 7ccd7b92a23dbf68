#include "table_json.h"

#include "script_run.h"

namespace sluice::script {
namespace {

HookOutcome metadata(std::string_view table) {
  ScriptRun run;
  run.kind = HookKind::kOnAuth;
  return run("local t = " + std::string(table) + " return {metadata = t}");
}

TEST(TableJson, values) {
  EXPECT_EQ(metadata("{}").metadata, "{}");
  EXPECT_EQ(metadata("{b = 1, a = 'x\"y', c = true, d = 1.5, e = -3}").metadata,
            R"({"a":"x\"y","b":1,"c":true,"d":1.5,"e":-3})");
  EXPECT_EQ(metadata("{a = {1, 'b', {c = false}}, o = {}}").metadata,
            R"({"a":[1,"b",{"c":false}],"o":{}})");
  EXPECT_EQ(metadata("{a = 2^53, b = 1e300}").metadata, R"({"a":9007199254740992,"b":1e+300})");
}

TEST(TableJson, what_json_has_not_is_an_error) {
  for (const std::string_view table :
       {"{1, 2}", "{a = function() end}", "{a = request}", "{a = 0/0}", "{a = 1/0}", "{[1] = 'a'}",
        "{a = {1, b = 2}}", "{[true] = 1}", "{a = string.rep('x', 9000)}", "{[{}] = 1}"}) {
    EXPECT_EQ(metadata(table).verdict, Verdict::kError) << table;
  }
}

TEST(TableJson, is_bounded) {
  EXPECT_EQ(metadata("{} t.t = t").verdict, Verdict::kError);
  EXPECT_EQ(metadata("{} t.t = {t}").verdict, Verdict::kError);
  EXPECT_EQ(metadata("{} for i = 1, 1000 do t['k' .. i] = 1 end").verdict, Verdict::kError);
  EXPECT_EQ(metadata("{a = {}} for i = 1, 1000 do t.a[i] = 1 end").verdict, Verdict::kError);
  EXPECT_EQ(metadata("{} for i = 1, 20 do t['k' .. i] = string.rep('x', 500) end").verdict,
            Verdict::kError);
  EXPECT_EQ(metadata("{a = {a = {a = {a = {a = 1}}}}}").verdict, Verdict::kPass);
  EXPECT_EQ(metadata("{a = {a = {a = {a = {a = {a = {a = 1}}}}}}}").verdict, Verdict::kError);
}

TEST(TableJson, table_that_names_each_other_often_ends_soon) {
  // 2^n paths through n tables.
  EXPECT_EQ(metadata("{} for i = 1, 40 do t = {a = t, b = t, c = t, d = t} end").verdict,
            Verdict::kError);
}

TEST(TableJson, numbers) {
  EXPECT_EQ(number_text(0), "0");
  EXPECT_EQ(number_text(-1), "-1");
  EXPECT_EQ(number_text(0.5), "0.5");
  EXPECT_EQ(number_text(1.0 / 0.0), "null");
}

}  // namespace
}  // namespace sluice::script
