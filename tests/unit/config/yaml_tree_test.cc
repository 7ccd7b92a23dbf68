#include <sluice/config/yaml_tree.h>

#include <gtest/gtest.h>

namespace sluice::config {
namespace {

// The first error as "line:column cause"; empty when there is none.
std::string first_error(std::string_view text) {
  std::vector<Diagnostic> errors;
  (void)read_yaml(text, "x.yaml", errors);
  if (errors.empty()) return {};
  return std::to_string(errors[0].line) + ':' + std::to_string(errors[0].column) + ' ' +
         errors[0].cause;
}

TEST(YamlTree, keeps_kinds_places_and_quotes) {
  std::vector<Diagnostic> errors;
  const auto root = read_yaml("a: 1\nb:\n  - x\n  - 'y'\n", "x.yaml", errors);
  ASSERT_TRUE(root);
  EXPECT_TRUE(errors.empty());
  ASSERT_EQ(root->children.size(), 4u);
  EXPECT_EQ(root->children[0].text, "a");
  EXPECT_EQ(root->children[1].text, "1");
  EXPECT_TRUE(root->children[1].is_plain);
  const Node& list = root->children[3];
  EXPECT_EQ(list.kind, NodeKind::kSequence);
  ASSERT_EQ(list.children.size(), 2u);
  EXPECT_FALSE(list.children[1].is_plain);
  EXPECT_EQ(list.children[1].line, 4u);
  EXPECT_EQ(list.children[1].column, 5u);
}

TEST(YamlTree, refuses_repeated_keys_and_keeps_the_first) {
  std::vector<Diagnostic> errors;
  const auto root = read_yaml("a: 1\nb: 2\na: 3\n", "x.yaml", errors);
  ASSERT_TRUE(root);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_EQ(to_string(errors[0]),
            "x.yaml:3: the key `a` stands in line 1 already; keep one of the two");
  ASSERT_EQ(root->children.size(), 4u);
  EXPECT_EQ(root->children[1].text, "1");
}

TEST(YamlTree, finds_a_repeated_key_among_few_and_among_many) {
  for (const int names : {2, 15, 16, 17, 40}) {
    std::string text;
    for (int i = 0; i < names; ++i) text += "k" + std::to_string(i) + ": 1\n";
    std::vector<Diagnostic> errors;
    auto root = read_yaml(text, "x.yaml", errors);
    ASSERT_TRUE(root);
    EXPECT_TRUE(errors.empty());
    EXPECT_EQ(root->children.size(), static_cast<size_t>(2 * names));
    root = read_yaml(text + "k1: 2\nlast: 1\n", "x.yaml", errors);
    ASSERT_TRUE(root);
    EXPECT_EQ(errors.size(), 1u) << names;
    EXPECT_EQ(root->children.size(), static_cast<size_t>(2 * (names + 1)));
    EXPECT_EQ(root->children.back().text, "1");
  }
}

TEST(YamlTree, refuses_what_a_configuration_does_not_need) {
  EXPECT_EQ(first_error("a: &x 1\n"), "1:4 YAML anchors (&name) are not supported");
  EXPECT_EQ(first_error("a: [*x]\n"), "1:5 YAML aliases (*name) are not supported");
  EXPECT_EQ(first_error("a: !!int 1\n"), "1:4 YAML tags (!name) are not supported");
  EXPECT_EQ(first_error("a: 1\n---\nb: 2\n"), "2:1 a second YAML document begins here");
  EXPECT_EQ(first_error("? [a]\n: 1\n"), "1:3 a key must be a plain word");
}

TEST(YamlTree, names_the_place_of_bad_syntax) {
  EXPECT_EQ(first_error("a: 1\n b: 2\n"),
            "2:3 this is not valid YAML: mapping values are not allowed in this context");
  EXPECT_EQ(first_error("a: 1\nb: \x01\n"),
            "2:1 this is not valid YAML: control characters are not allowed");
  EXPECT_EQ(first_error("a: 1\nb: \xff\n"),
            "2:1 this is not valid YAML: invalid leading UTF-8 octet");
}

TEST(YamlTree, refuses_emptiness) {
  EXPECT_EQ(first_error(""), "0:0 the file is empty");
  EXPECT_EQ(first_error("# only a comment\n"), "0:0 the file is empty");
  EXPECT_EQ(first_error(std::string_view()), first_error(""));
}

TEST(YamlTree, nesting_is_bounded) {
  EXPECT_EQ(first_error(std::string(16, '[') + std::string(16, ']')), "");
  EXPECT_EQ(first_error(std::string(17, '[') + std::string(17, ']')),
            "1:17 values are nested more than 16 deep");
  EXPECT_NE(first_error(std::string(100'000, '[')), "");
}

}  // namespace
}  // namespace sluice::config
