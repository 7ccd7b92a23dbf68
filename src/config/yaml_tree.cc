#include <sluice/config/yaml_tree.h>

#include <algorithm>
#include <utility>

#include <absl/container/flat_hash_map.h>
#include <absl/strings/string_view.h>
#include <fmt/format.h>
#include <yaml.h>

namespace sluice::config {
namespace {

constexpr size_t kDepthMax = 16;
// A node costs about 30 times the bytes that can make one, so they are bounded apart from the text.
constexpr size_t kNodesMax = 8'000'000;
constexpr size_t kErrorsMax = 1000;
// Of a collection: most hold a few words, and a list that grows moves what it has.
constexpr size_t kChildrenAtFirst = 4;
// Names that are compared each with each; a table of more of them is made.
constexpr size_t kFewNames = 16;

// Owns the current event, so that every way out of the loop frees it.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw); }
  yaml_event_t raw{};
};

class Parser {
 public:
  explicit Parser(std::string_view text) {
    if (yaml_parser_initialize(&raw) == 0) return;
    is_ready = true;
    yaml_parser_set_encoding(&raw, YAML_UTF8_ENCODING);
    if (text.data() == nullptr) text = "";  // The library would end the process.
    yaml_parser_set_input_string(&raw, reinterpret_cast<const unsigned char*>(text.data()),
                                 text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() {
    if (is_ready) yaml_parser_delete(&raw);
  }
  yaml_parser_t raw{};
  bool is_ready = false;
};

class TreeBuilder {
 public:
  TreeBuilder(std::string_view text, const std::string& file, std::vector<Diagnostic>& errors)
      : text_(text), file_(file), errors_(errors) {}

  std::optional<Node> build();
  static Node node_at(const yaml_event_t& event, NodeKind kind);

 private:
  // False ends the reading; the reason was reported.
  bool take(const yaml_event_t& event);
  bool open(const yaml_event_t& event, NodeKind kind, const yaml_char_t* anchor,
            const yaml_char_t* tag);
  void close();
  void attach(Node node);
  void refuse_extras(const Node& at, const yaml_char_t* anchor, const yaml_char_t* tag);
  static bool are_few_good_names(const Node& mapping) noexcept;
  void drop_repeated(Node& mapping);
  void report(uint32_t line, uint32_t column, std::string cause, std::string remedy);
  void report_syntax(const yaml_parser_t& parser);

  std::string_view text_;
  const std::string& file_;
  std::vector<Diagnostic>& errors_;
  std::vector<Node> open_;
  std::optional<Node> root_;
  size_t nodes_ = 0;
  bool is_complete_ = false;
};

std::optional<Node> TreeBuilder::build() {
  Parser parser(text_);
  if (!parser.is_ready) {
    report(0, 0, "there is no memory to read the file", "free some memory");
    return std::nullopt;
  }
  for (;;) {
    Event event;
    if (yaml_parser_parse(&parser.raw, &event.raw) == 0) {
      report_syntax(parser.raw);
      return std::nullopt;
    }
    if (event.raw.type == YAML_STREAM_END_EVENT) break;
    if (!take(event.raw)) return std::nullopt;
  }
  if (!root_) report(0, 0, "the file is empty", "start from configs/minimal.yaml");
  return std::move(root_);
}

bool TreeBuilder::take(const yaml_event_t& event) {
  // Counts ends of collections too, which costs nothing but a little of the bound.
  if (++nodes_ > kNodesMax) {
    report(0, 0, fmt::format("the file has more than {} values", kNodesMax), "make it smaller");
    return false;
  }
  switch (event.type) {
    case YAML_DOCUMENT_START_EVENT:
      if (!is_complete_) return true;
      report(static_cast<uint32_t>(event.start_mark.line + 1), 1,
             "a second YAML document begins here", "keep one document in a file");
      return false;
    case YAML_DOCUMENT_END_EVENT: is_complete_ = true; return true;
    case YAML_ALIAS_EVENT: {
      const Node node = node_at(event, NodeKind::kBroken);
      report(node.line, node.column, "YAML aliases (*name) are not supported",
             "write the value out");
      attach(node);
      return true;
    }
    case YAML_SCALAR_EVENT: {
      const auto& scalar = event.data.scalar;
      Node node = node_at(event, NodeKind::kScalar);
      node.is_plain = scalar.style == YAML_PLAIN_SCALAR_STYLE;
      node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
      refuse_extras(node, scalar.anchor, scalar.tag);
      attach(std::move(node));
      return true;
    }
    case YAML_SEQUENCE_START_EVENT:
      return open(event, NodeKind::kSequence, event.data.sequence_start.anchor,
                  event.data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
      return open(event, NodeKind::kMapping, event.data.mapping_start.anchor,
                  event.data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: close(); return true;
    default: return true;
  }
}

bool TreeBuilder::open(const yaml_event_t& event, NodeKind kind, const yaml_char_t* anchor,
                       const yaml_char_t* tag) {
  Node node = node_at(event, kind);
  refuse_extras(node, anchor, tag);
  if (open_.size() == kDepthMax) {
    report(node.line, node.column, fmt::format("values are nested more than {} deep", kDepthMax),
           "compare with configs/full.yaml, which needs 5");
    return false;
  }
  open_.push_back(std::move(node));
  return true;
}

void TreeBuilder::close() {
  Node node = std::move(open_.back());
  open_.pop_back();
  if (node.kind == NodeKind::kMapping) drop_repeated(node);
  attach(std::move(node));
}

void TreeBuilder::attach(Node node) {
  if (open_.empty()) {
    root_ = std::move(node);
  } else {
    std::vector<Node>& children = open_.back().children;
    if (children.empty()) children.reserve(kChildrenAtFirst);
    children.push_back(std::move(node));
  }
}

// Whether all names are scalars and none stands twice; only of few names, false for more.
bool TreeBuilder::are_few_good_names(const Node& mapping) noexcept {
  const std::vector<Node>& children = mapping.children;
  if (children.size() > 2 * kFewNames) return false;
  for (size_t i = 0; i < children.size(); i += 2) {
    if (children[i].kind != NodeKind::kScalar) return false;
    for (size_t j = 0; j < i; j += 2) {
      if (children[i].text == children[j].text) return false;
    }
  }
  return true;
}

void TreeBuilder::refuse_extras(const Node& at, const yaml_char_t* anchor, const yaml_char_t* tag) {
  if (anchor != nullptr) {
    report(at.line, at.column, "YAML anchors (&name) are not supported", "write the value out");
  }
  if (tag != nullptr) {
    report(at.line, at.column, "YAML tags (!name) are not supported", "remove the tag");
  }
}

// Keeps the first of equal names; also drops names that are not scalars.
void TreeBuilder::drop_repeated(Node& mapping) {
  if (are_few_good_names(mapping)) return;
  absl::flat_hash_map<absl::string_view, uint32_t> first_lines;
  std::vector<Node> kept;
  kept.reserve(mapping.children.size());
  for (size_t i = 0; i + 1 < mapping.children.size(); i += 2) {
    Node& name = mapping.children[i];
    if (name.kind != NodeKind::kScalar) {
      if (name.kind != NodeKind::kBroken) {
        report(name.line, name.column, "a key must be a plain word", "write `name: value`");
      }
      continue;
    }
    // Views stay valid: `kept` never grows beyond what was reserved.
    const auto known = first_lines.find(name.text);
    if (known != first_lines.end()) {
      report(name.line, name.column,
             fmt::format("the key `{:.64}` stands in line {} already", name.text, known->second),
             "keep one of the two");
      continue;
    }
    kept.push_back(std::move(name));
    kept.push_back(std::move(mapping.children[i + 1]));
    const Node& stored = kept[kept.size() - 2];
    first_lines.emplace(absl::string_view(stored.text), stored.line);
  }
  mapping.children = std::move(kept);
}

void TreeBuilder::report(uint32_t line, uint32_t column, std::string cause, std::string remedy) {
  if (errors_.size() >= kErrorsMax) return;
  errors_.push_back({file_, line, column, std::move(cause), std::move(remedy)});
}

void TreeBuilder::report_syntax(const yaml_parser_t& parser) {
  size_t line = parser.problem_mark.line + 1;
  size_t column = parser.problem_mark.column + 1;
  if (parser.error == YAML_READER_ERROR) {
    // The reader runs ahead of the marks and knows only an offset.
    const size_t end = std::min(parser.problem_offset, text_.size());
    line = static_cast<size_t>(
               std::count(text_.begin(), text_.begin() + static_cast<long>(end), '\n')) +
           1;
    column = 1;
  }
  const char* problem = parser.problem == nullptr ? "out of memory" : parser.problem;
  report(static_cast<uint32_t>(line), static_cast<uint32_t>(column),
         fmt::format("this is not valid YAML: {}", problem),
         "look at indentation, colons and quotes here and in the line before");
}

Node TreeBuilder::node_at(const yaml_event_t& event, NodeKind kind) {
  Node node;
  node.kind = kind;
  node.line = static_cast<uint32_t>(event.start_mark.line + 1);
  node.column = static_cast<uint32_t>(event.start_mark.column + 1);
  return node;
}

// Bytes that the first `count` characters from `at` on take; libyaml counts characters.
size_t skip_characters(std::string_view text, size_t at, size_t count) noexcept {
  while (at < text.size() && count > 0) {
    ++at;
    while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) ++at;
    --count;
  }
  return at;
}

}  // namespace

std::optional<Node> read_yaml(std::string_view text, const std::string& file,
                              std::vector<Diagnostic>& errors) {
  return TreeBuilder(text, file, errors).build();
}

std::string replace_scalars(std::string_view text, std::string_view mask,
                            const std::function<bool(const Node& scalar)>& is_meant) {
  Parser parser(text);
  if (!parser.is_ready) return {};
  std::string out;
  // A byte order mark is no character of the text.
  size_t byte = text.starts_with("\xef\xbb\xbf") ? 3 : 0;
  size_t character = 0;
  size_t copied = 0;
  for (;;) {
    Event event;
    if (yaml_parser_parse(&parser.raw, &event.raw) == 0) return {};
    if (event.raw.type == YAML_STREAM_END_EVENT) break;
    if (event.raw.type != YAML_SCALAR_EVENT) continue;
    const auto& scalar = event.raw.data.scalar;
    Node node = TreeBuilder::node_at(event.raw, NodeKind::kScalar);
    node.text.assign(reinterpret_cast<const char*>(scalar.value), scalar.length);
    if (!is_meant(node)) continue;
    const size_t first = skip_characters(text, byte, event.raw.start_mark.index - character);
    const size_t last =
        skip_characters(text, first, event.raw.end_mark.index - event.raw.start_mark.index);
    byte = last;
    character = event.raw.end_mark.index;
    out += text.substr(copied, first - copied);
    out += mask;
    // A block scalar ends behind its last line break.
    copied = last > first && text[last - 1] == '\n' ? last - 1 : last;
  }
  out += text.substr(copied);
  return out;
}

}  // namespace sluice::config
