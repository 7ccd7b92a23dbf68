#!/usr/bin/python3
"""Each rule of tidy on a small tree of its own: one that breaks it, one that does not."""

import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import cpp_rules  # noqa: E402
import cpp_text  # noqa: E402
import tidy  # noqa: E402
import tree_rules  # noqa: E402

LAYERS = HERE / "layers.toml"
# Words that tidy refuses in any file are put together here, so that it can read its own test.
LEFTOVER = "FIX" + "ME"
OPEN_POINT = "TO" + "DO"


class RuleTest(unittest.TestCase):
    """Plants files in an empty tree and runs one rule over them."""

    def findings(self, rule, files):
        with tempfile.TemporaryDirectory() as root:
            for path, text in files.items():
                file = Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            return [str(each) for each in tidy.check(tidy.load(root, LAYERS), (rule,))]

    def assert_broken(self, rule, files, *sentences):
        found = self.findings(rule, files)
        self.assertEqual(len(found), len(sentences), found)
        for sentence, line in zip(sentences, found):
            self.assertIn(sentence, line)

    def assert_kept(self, rule, files):
        self.assertEqual(self.findings(rule, files), [])


class Includes(RuleTest):
    def test_sideways_include_in_layer_4_names_the_meeting_place(self):
        text = "// Text.\n#include <sluice/base/error.h>\n#include <sluice/resilience/breaker.h>\n"
        self.assert_broken(
            cpp_rules.includes, {"src/route/router.cc": text},
            "src/route/router.cc:3: route may not include resilience; meet in exchange")

    def test_planted_upward_include_is_refused_in_headers_and_sources(self):
        text = "#include <sluice/exchange/exchange.h>\n"
        self.assert_broken(
            cpp_rules.includes,
            {"include/sluice/io/ring.h": text, "src/relay/relay.cc": text},
            "include/sluice/io/ring.h:1: io may not include exchange; it stands above",
            "src/relay/relay.cc:1: relay may not include exchange; it stands above")

    def test_lower_module_outside_the_list_is_refused(self):
        self.assert_broken(
            cpp_rules.includes, {"src/limit/bank.cc": "#include <sluice/net/stream.h>\n"},
            "limit may not include net; the table")

    def test_server_and_control_never_meet(self):
        self.assert_broken(
            cpp_rules.includes,
            {"src/server/a.cc": "#include <sluice/control/b.h>\n",
             "src/control/a.cc": "#include <sluice/server/b.h>\n#include <sluice/relay/r.h>\n"
                                 "#include <sluice/exchange/e.h>\n"},
            "control may not include server", "control may not include relay",
            "control may not include exchange", "server may not include control")

    def test_allowed_includes_pass(self):
        self.assert_kept(cpp_rules.includes, {
            "src/route/router.cc": '#include <sluice/route/router.h>\n#include "weighted.h"\n',
            "src/route/weighted.h": "#include <sluice/config/snapshot.h>\n",
            "src/exchange/exchange.cc": "#include <sluice/relay/relay.h>\n#include <vector>\n",
            "src/app/main.cc": "#include <sluice/admin/admin_server.h>\n",
            "tests/sim/exchange_sim.cc": "#include <sluice/server/worker.h>\n"})

    def test_include_in_a_comment_or_string_does_not_count(self):
        self.assert_kept(cpp_rules.includes, {"src/io/ring.cc":
                         "// #include <sluice/app/a.h>\n/*\n#include <sluice/app/a.h>\n*/\n"
                         'auto x = R"(\n#include <sluice/app/a.h>\n)";\n'})

    def test_unit_test_sees_what_its_module_sees(self):
        good = "#include <sluice/route/router.h>\n#include <sluice/config/snapshot.h>\n"
        bad = good + "#include <sluice/relay/relay.h>\n"
        self.assert_kept(cpp_rules.includes, {"tests/unit/route/router_test.cc": good})
        self.assert_broken(cpp_rules.includes, {"tests/unit/route/router_test.cc": bad},
                           "route may not include relay")

    def test_tools_stay_on_their_modules(self):
        self.assert_broken(cpp_rules.includes,
                           {"tools/sim/main.cc": "#include <sluice/exchange/exchange.h>\n"},
                           "tools/sim may not include exchange")

    def test_public_header_in_quotes_is_refused(self):
        self.assert_broken(cpp_rules.includes,
                           {"src/io/ring.cc": '#include "sluice/io/ring.h"\n'},
                           "included with <sluice/io/ring.h>")

    def test_private_header_of_another_module_is_refused(self):
        self.assert_broken(
            cpp_rules.includes,
            {"src/io/slots.h": "", "src/relay/relay.cc": '#include "slots.h"\n',
             "src/net/dial.cc": '#include "../io/slots.h"\n',
             "tests/sim/a.cc": '#include "../../src/io/slots.h"\n'},
            "src/net/dial.cc:1: net may not see src/io/slots.h",
            "src/relay/relay.cc:1: relay may not see src/io/slots.h",
            "tests/sim/a.cc:1: tests/sim may not see src/io/slots.h")

    def test_private_header_is_seen_by_its_module_and_its_unit_test(self):
        self.assert_kept(cpp_rules.includes, {
            "src/io/slots.h": "", "src/io/ring.cc": '#include "slots.h"\n',
            "tests/unit/io/slots_test.cc": '#include "slots.h"\n'})

    def test_equal_private_names_in_two_modules_do_not_disturb(self):
        self.assert_kept(cpp_rules.includes, {
            "src/io/table.h": "", "src/http/table.h": "",
            "src/http/headers.cc": '#include "table.h"\n',
            "tests/unit/http/table_test.cc": '#include "table.h"\n'})


class ThirdParty(RuleTest):
    def test_library_outside_its_module_is_refused(self):
        self.assert_broken(
            cpp_rules.third_party,
            {"src/relay/relay.cc": "#include <liburing.h>\n",
             "include/sluice/exchange/e.h": "#include <simdjson.h>\n",
             "src/server/w.cc": "#include <spdlog/spdlog.h>\n"},
            "simdjson.h of simdjson belongs to json", "liburing.h of liburing belongs to io",
            "spdlog/spdlog.h of spdlog belongs to telemetry")

    def test_owner_and_its_tests_may_see_the_library(self):
        self.assert_kept(cpp_rules.third_party, {
            "src/io/uring.cc": "#include <liburing.h>\n",
            "tests/unit/io/uring_test.cc": "#include <liburing.h>\n#include <gtest/gtest.h>\n",
            "src/net/tls.cc": "#include <openssl/evp.h>\n",
            "tools/sluicectl/main.cc": "#include <CLI/CLI.hpp>\n",
            "src/relay/relay.cc": "#include <absl/container/flat_hash_map.h>\n"})


class Sizes(RuleTest):
    def test_long_line(self):
        fits, over = "// " + "x" * 97 + "\n", "// " + "x" * 98 + "\n"
        self.assert_kept(cpp_rules.sizes, {"src/io/a.cc": fits})
        self.assert_broken(cpp_rules.sizes, {"src/io/a.cc": fits + over},
                           "src/io/a.cc:2: 101 columns")

    def test_columns_are_characters_not_bytes(self):
        self.assert_kept(cpp_rules.sizes, {"src/io/a.cc": "// " + "\u00e4" * 97 + "\n"})

    def test_long_header_and_source_need_a_reason(self):
        line = "int x;\n"
        self.assert_kept(cpp_rules.sizes, {"src/io/a.h": line * 250, "src/io/a.cc": line * 600})
        self.assert_broken(cpp_rules.sizes, {"src/io/a.h": line * 251, "src/io/a.cc": line * 601},
                           "601 lines; split it at 600", "251 lines; split it at 250")

    def test_hard_cap_knows_no_exemption(self):
        self.assert_broken(cpp_rules.sizes, {"src/io/a.cc": "int x;\n" * 1001},
                           "1001 lines; split it, 1000 is the cap")

    def test_exemption_with_a_reason_holds_and_a_stale_one_is_named(self):
        with tempfile.TemporaryDirectory() as root:
            layers = Path(root) / "tools/tidy/layers.toml"
            layers.parent.mkdir(parents=True)
            layers.write_text(LAYERS.read_text(encoding="utf-8").replace(
                "[long_files]", '[long_files]\n"src/io/a.cc" = "one table"\n"src/b.cc" = "gone"'))
            source = Path(root) / "src/io/a.cc"
            source.parent.mkdir(parents=True)
            source.write_text("int x;\n" * 700)
            found = [str(each) for each in tidy.check(tidy.load(root), (cpp_rules.sizes,))]
            self.assertEqual(len(found), 1, found)
            self.assertIn("names src/b.cc, which is gone", found[0])


class FunctionLength(RuleTest):
    def body(self, lines):
        return "".join(f"  step({number});\n" for number in range(lines))

    def test_planted_over_long_function(self):
        text = "namespace a {\n\nint run(int x) {\n" + self.body(69) + "}\n\n}  // namespace a\n"
        self.assert_broken(cpp_rules.function_length, {"src/io/a.cc": text},
                           "src/io/a.cc:3: run has 71 lines; split it, 70 is the cap")

    def test_function_of_exactly_the_cap(self):
        text = "int run(int x) {\n" + self.body(68) + "}\n"
        self.assert_kept(cpp_rules.function_length, {"src/io/a.cc": text})

    def test_long_class_table_and_namespace_are_no_functions(self):
        members = "".join(f"  int get{n}() const {{ return {n}; }}\n" for n in range(100))
        text = ("class A final : public B<int(int)> {\n public:\n" + members + "};\n"
                "constexpr int kTable[] = {\n" + "  1,\n" * 100 + "};\n"
                "const Map kMap{\n" + "  {1, 2},\n" * 100 + "};\n"
                "enum class E : int {\n" + "  kA,\n" * 100 + "};\n")
        self.assert_kept(cpp_rules.function_length, {"src/io/a.cc": text})

    def test_each_shape_of_a_function_is_measured(self):
        shapes = {
            "member": "class A {\n public:\n  void member() const noexcept override {\n%s  }\n};\n",
            "A::A": "A::A(int x) : a_{x}, b_(x, {1, 2}), c_{{3}} {\n%s}\n",
            "~A": "struct A {\n  virtual ~A() {\n%s  }\n};\n",
            "make": "template <class T, int N = (1 > 0)>\nstruct A<T>* make(T t = {}) {\n%s}\n",
            "operator==": "bool operator==(const A& a, const A& b) {\n%s}\n",
            "operator()": "struct A {\n  int operator()(int x) const {\n%s  }\n};\n",
            "trailing": "auto trailing(int x) -> std::vector<int> {\n%s}\n",
            "kPick": "const auto kPick = [](int x) {\n%s};\n",
            "Suite.name": "TEST(Suite, name) {\n%s}\n",
            "main": 'extern "C" {\nint main() {\n%s}\n}\n',
            "bounded": "template <class T>\n  requires(sizeof(T) > 1)\nvoid bounded(T t) {\n%s}\n",
        }
        for name, shape in shapes.items():
            with self.subTest(name):
                self.assert_broken(cpp_rules.function_length,
                                   {"src/io/a.cc": shape % self.body(80)}, f"{name} has ")

    def test_nested_lambdas_and_blocks_belong_to_their_function(self):
        text = "int run() {\n" + "  auto f = [&] { if (a) { b(); } };\n" * 30 + "}\n"
        found = cpp_text.functions(text)
        self.assertEqual([(each.name, each.lines) for each in found], [("run", 32)])

    def test_braces_in_literals_comments_and_macros_do_not_count(self):
        text = ("int a() {\n  auto s = \"}}{\"; char c = '{'; int n = 1'000'000;\n"
                '  auto r = R"x(}" })x"; // }\n  /* } */\n}\n'
                "#define OPEN {\n#define TWO \\\n  { {\n"
                "int b() {\n#if X\n  if (x) {\n#else\n  if (y) {\n#endif\n  }\n}\n"
                "int c() { return 1; }\n")
        found = cpp_text.functions(text)
        self.assertEqual([(each.name, each.first_line, each.lines) for each in found],
                         [("a", 1, 5), ("b", 9, 8), ("c", 17, 1)])

    def test_declarations_and_defaulted_members_are_no_functions(self):
        text = ("struct A {\n  A() = default;\n  A& operator=(const A&) = delete;\n"
                "  int x = f({1, 2});\n  std::vector<int> y{1, 2};\n  int z(int) const;\n};\n")
        self.assertEqual(cpp_text.functions(text), [])


class BannedNames(RuleTest):
    def assert_banned(self, code, path, elsewhere=None, rule=cpp_rules.banned_names):
        self.assert_broken(rule, {path: code}, f"{path}:1: ")
        if elsewhere:
            self.assert_kept(rule, {elsewhere: code})

    def test_thread(self):
        self.assert_banned("std::jthread t;\n", "src/relay/a.cc", "src/shard/a.cc")
        self.assert_banned("std::thread t;\n", "src/io/ring.cc", "src/io/offload.cc")

    def test_thread_names_that_start_no_thread_pass(self):
        self.assert_kept(cpp_rules.banned_names,
                         {"src/relay/a.cc": "auto id = std::this_thread::get_id();\n"})

    def test_mutex(self):
        self.assert_banned("std::mutex m;\n", "src/limit/a.cc", "src/telemetry/a.cc")

    def test_shared_ptr(self):
        self.assert_banned("std::shared_ptr<int> p;\n", "include/sluice/route/a.h",
                           "include/sluice/config/a.h")

    def test_function(self):
        self.assert_banned("std::function<void()> f;\n", "src/exchange/a.cc", "src/control/a.cc")

    def test_printf(self):
        self.assert_banned("std::fprintf(stderr, x);\n", "src/net/a.cc", "src/app/a.cc")
        self.assert_banned("std::cout << x;\n", "src/net/a.cc")
        self.assert_kept(cpp_rules.banned_names,
                         {"src/net/a.cc": "snprintf(b, n, f); w.puts(x);\n"})

    def test_blocking_calls(self):
        for code in ("std::this_thread::sleep_for(x);\n", "usleep(1);\n", "::getaddrinfo(a, b);\n"):
            self.assert_banned(code, "src/server/a.cc")
        self.assert_kept(cpp_rules.banned_names, {
            "src/net/resolver.cc": "getaddrinfo(a, b);\n", "src/io/a.cc": "timer.sleep(1);\n"})

    def test_sleep_in_tests(self):
        self.assert_banned("std::this_thread::sleep_for(x);\n", "tests/unit/io/a_test.cc")
        self.assert_banned("time.sleep(1)\n", "tests/integration/a.py")

    def test_capturing_coroutine(self):
        self.assert_banned("auto f = [this](int x) -> Task<int> { co_return x; };\n",
                           "src/server/a.cc")
        self.assert_banned("run([&]() -> io::Task<void> { co_return; });\n", "tests/sim/a.cc")
        self.assert_kept(cpp_rules.banned_names, {
            "src/server/a.cc": "auto f = [](int x) -> Task<int> { co_return x; };\n"})

    def test_names_that_say_nothing(self):
        for code in ("class PoolManager {\n", "struct RequestContext {\n",
                     "using PeerInfo = int;\n", "class EventHandler {\n",
                     "enum class UserData {\n"):
            self.assert_banned(code, "include/sluice/route/a.h")
        self.assert_banned("void process_events();\n", "include/sluice/route/a.h")
        self.assert_kept(cpp_rules.banned_names, {
            "include/sluice/http/a.h": "class RequestHandler {\n",
            "include/sluice/route/a.h": "struct Information;\nLogLevel kInfo;\n"})

    def test_doc_tags(self):
        self.assert_banned("// @param x the x\n", "include/sluice/route/a.h")
        self.assert_kept(cpp_rules.banned_names, {"src/io/a.cc": "// mail to a@returns\n"})

    def test_words_in_comments_and_strings_pass(self):
        self.assert_kept(cpp_rules.banned_names, {
            "src/relay/a.cc": '// no std::thread here\nauto x = "std::mutex";\n'})

    def test_file_names(self):
        self.assert_banned("", "src/io/string_utils.cc", "src/io/utility.cc", cpp_rules.file_names)


class Guards(RuleTest):
    def test_a_header_without_its_guard(self):
        self.assert_broken(
            cpp_rules.guards, {"src/io/ring.h": "// #pragma once\nstruct Ring;\n"},
            "src/io/ring.h:1: has no `#pragma once`")

    def test_headers_with_it_and_sources_pass(self):
        self.assert_kept(cpp_rules.guards, {"src/io/ring.h": "// A ring.\n#pragma once\n",
                                            "src/io/ring.cc": "#include <sluice/io/ring.h>\n"})


class BannedText(RuleTest):
    def test_leftovers(self):
        self.assert_broken(cpp_rules.banned_text, {
            "src/io/a.cc": f"// {LEFTOVER} later\n", "src/io/b.cc": f"// {OPEN_POINT}: later\n"},
            "[fixme]", "[todo]")
        self.assert_kept(cpp_rules.banned_text,
                         {"src/io/b.cc": f"// {OPEN_POINT}(12): Widen the table.\n"})

    def test_paths_of_one_machine(self):
        for path in ("/home" + "/me/x", "/ro" + "ot/.cache"):
            self.assert_broken(cpp_rules.banned_text, {"docs/a.md": f"see {path}\n"},
                               "[machine-path]")
        self.assert_kept(cpp_rules.banned_text, {
            "docs/a.md": "see src/home/x, $X/root/y, https://a.example/root/z\n"})

    def test_package_hosts(self):
        self.assert_broken(cpp_rules.banned_text, {
            "a/package-lock.json": '"resolved": "https://' + 'registry.example.org/x.tgz"\n'},
            "[package-host]")
        self.assert_kept(cpp_rules.banned_text, {"README.md": "https://api.example.com/v1\n"})


class Exceptions(RuleTest):
    def test_exception_covers_its_rule_on_its_line_and_the_next(self):
        self.assert_kept(cpp_rules.banned_names, {"src/limit/a.cc":
                         "std::mutex a;  // tidy: allow(mutex) guards a test seam\n"})
        self.assert_kept(cpp_rules.banned_names, {"src/limit/a.cc":
                         "// tidy: allow(mutex) guards a test seam\nstd::mutex a;\n"})

    def test_exception_covers_no_other_rule_and_no_other_line(self):
        self.assert_broken(cpp_rules.banned_names, {"src/limit/a.cc":
                           "std::mutex a;  // tidy: allow(thread) wrong rule\n"}, "[mutex]")
        self.assert_broken(cpp_rules.banned_names, {"src/limit/a.cc":
                           "// tidy: allow(mutex) first\nstd::mutex a;\nstd::mutex b;\n"},
                           "src/limit/a.cc:3")

    def test_exception_without_a_reason_is_none(self):
        files = {"src/limit/a.cc": "std::mutex a;  // tidy: allow(mutex)\n"}
        self.assert_broken(cpp_rules.banned_names, files, "[mutex]")
        self.assert_broken(cpp_rules.reasons, files, "give the reason")


class Targets(RuleTest):
    def test_source_that_no_target_names(self):
        self.assert_broken(tree_rules.targets, {
            "src/io/meson.build": "lib = static_library('io', 'ring.cc')  # 'lost.cc'\n",
            "src/io/ring.cc": "", "src/io/lost.cc": "", "tools/x/main.cc": ""},
            "src/io/lost.cc:1: no target uses it", "tools/x/main.cc:1: no target uses it")

    def test_named_here_above_or_by_stem_and_suffix(self):
        self.assert_kept(tree_rules.targets, {
            "src/io/meson.build": "lib = static_library('io', 'ring.cc')\n", "src/io/ring.cc": "",
            "tools/meson.build": "executable('x', 'x/main.cc')\n", "tools/x/main.cc": "",
            "tests/fuzz/meson.build": "foreach n : ['sse']\n  executable(n, n + '_fuzz.cc')\n",
            "tests/fuzz/sse_fuzz.cc": ""})


class Modules(RuleTest):
    PAGE = f"# Architecture\n{tree_rules.BEGIN}\n{tree_rules.END}\n"

    def test_table_that_lags_behind_the_folders_is_named_and_rewritten(self):
        with tempfile.TemporaryDirectory() as root:
            for path, text in {"src/io/meson.build": "", "docs/ARCHITECTURE.md": self.PAGE}.items():
                file = Path(root) / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
            tree = tidy.load(root, LAYERS)
            found = [str(each) for each in tidy.check(tree, (tree_rules.modules,))]
            self.assertIn("run tools/tidy/tidy.py --write", found[0])
            self.assertTrue(tree_rules.write_module_table(tree))
            tree = tidy.load(root, LAYERS)
            self.assertEqual(tidy.check(tree, (tree_rules.modules,)), [])
            self.assertFalse(tree_rules.write_module_table(tree))
            page = (Path(root) / "docs/ARCHITECTURE.md").read_text()
            self.assertIn("| 1 | `io` | drive one io_uring", page)
            self.assertRegex(page, "Not built yet: .*`relay`")

    def test_folder_that_layers_does_not_know(self):
        files = {"src/gossip/meson.build": "", "include/sluice/rumour/a.h": "",
                 "docs/ARCHITECTURE.md": self.PAGE}
        found = self.findings(tree_rules.modules, files)
        self.assertIn("src/gossip:1: the module is not in tools/tidy/layers.toml", found[-1])
        self.assertTrue(any("no module rumour" in each for each in found))

    def test_missing_page_or_markers(self):
        self.assert_broken(tree_rules.modules, {"README.md": ""}, "the page is missing")
        self.assert_broken(tree_rules.modules, {"docs/ARCHITECTURE.md": "# A\n"}, "markers")

    def test_readme_missing_short_or_long(self):
        self.assert_broken(tree_rules.readmes, {"src/io/meson.build": ""}, "missing")
        for lines in (9, 26):
            self.assert_broken(tree_rules.readmes, {
                "src/io/meson.build": "", "src/io/README.md": "x\n" * lines}, f"{lines} lines")
        self.assert_kept(tree_rules.readmes,
                         {"src/io/meson.build": "", "src/io/README.md": "x\n" * 10})


class Links(RuleTest):
    def test_d080_dangling_links_anchors_and_paths(self):
        self.assert_broken(tree_rules.links, {
            "docs/a.md": "[x](b.md)\n[y](#nowhere)\n`src/io/gone.cc`\n[z](../../out.md)\n"},
            "docs/a.md:1: b.md does not exist", "docs/a.md:2: docs/a.md has no heading #nowhere",
            "docs/a.md:3: src/io/gone.cc does not exist", "docs/a.md:4: ../../out.md")

    def test_links_that_resolve_outside_and_in_fences_pass(self):
        self.assert_kept(tree_rules.links, {
            "docs/a.md": "# One Thing: here\n[x](b.md#two-words) [y](#one-thing-here)\n"
                         "[w](https://a.example/x)\n```\n[z](gone.md) `src/gone.cc`\n```\n"
                         "`src/io/*.cc` `docs/b.md` `tools/`\n",
            "docs/b.md": "## Two words\n", "tools/x": ""})


class SecretArguments(RuleTest):
    def test_d079_a_secret_on_a_command_line(self):
        self.assert_broken(tree_rules.secret_arguments, {
            "docs/a.md": "```sh\nsluice run x.yaml --key abc\n"
                         "$ build/sluicectl --token=x top\n```\n"},
            "docs/a.md:2: a secret on a command line", "docs/a.md:3: a secret on a command line")

    def test_d079_references_and_headers_pass(self):
        self.assert_kept(tree_rules.secret_arguments, {
            "docs/a.md": "sluice run x.yaml\n    secret: env://KEY\n"
                         "curl -H 'authorization: Bearer sk-x' http://127.0.0.1\n"})


class Skipped(RuleTest):
    def test_build_folders_and_binary_files_are_not_read(self):
        self.assert_kept(cpp_rules.sizes, {
            "build/x.cc": "x" * 200, "build-asan/x.cc": "x" * 200, ".cache/x.cc": "x" * 200,
            "tests/fuzz/corpus/x.cc": "x" * 200, "src/io/x.cc": "\0" + "x" * 200})


if __name__ == "__main__":
    unittest.main()
