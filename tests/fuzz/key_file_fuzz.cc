// Files of keys. One that the configuration names gives the keys that the same text would give
// within the configuration, or errors that quote no secret; one that sluicectl imports reads back
// from what would be sent of it.
#include <sluice/config/loader.h>

#include <algorithm>

#include "fuzz_pieces.h"
#include "key_file.h"  // tidy: allow(private-header) of sluicectl, which is a program

namespace {

using namespace sluice;
using namespace sluice::config;
using fuzz::expect;

constexpr std::string_view kCanary = "q7Zr3-canary-Xw91";
constexpr int64_t kNow = 1'800'000'000;
constexpr std::string_view kText =
    "listen: 127.0.0.1:0\nupstreams: [{name: up, url: 'http://a'}]\n"
    "models: [{name: m, routes: [{upstream: up}]}, {name: n, routes: [{upstream: up}]}]\n"
    "tenants: [{name: t, limits: {concurrency: 3}}]\n"
    "rate_limits: [{name: r, per: key, requests_per_minute: 5}]\n";

class FuzzEnvironment final : public Environment {
 public:
  explicit FuzzEnvironment(std::string_view keys) : keys_(keys) {}
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    if (name.starts_with('S')) return std::string(kCanary);
    return std::nullopt;
  }
  [[nodiscard]] std::expected<FileText, std::string> read(const std::string& path,
                                                          size_t bytes_max) const override {
    if (path == "/s") return FileText{std::string(kCanary) + "\n", true};
    if (path != "/keys.yaml") return std::unexpected("No such file or directory");
    if (keys_.size() > bytes_max) return std::unexpected("File too large");
    return FileText{std::string(keys_), true};
  }

 private:
  std::string_view keys_;
};

void check_key(const Key& key, const Snapshot& snapshot) {
  expect(key.tenant.value < snapshot.tenants.size(), "tenants exist");
  expect(key.all_models || !key.models.empty(), "a key may call something");
  expect(std::ranges::is_sorted(key.models), "models are sorted");
  for (const ModelId model : key.models) {
    expect(model.value < snapshot.models.size(), "models exist");
  }
  for (const LimitId limit : key.limits) {
    expect(limit.value < snapshot.limit_rules.size(), "limits exist");
  }
}

void check_named(std::string_view text) {
  const FuzzEnvironment environment(text);
  const LoadOutcome outcome =
      load_text(std::string(kText) + "auth: {key_file: /keys.yaml}\n", "f.yaml", environment);
  expect((outcome.snapshot == nullptr) == !outcome.errors.empty(), "a snapshot or errors");
  const bool has_variable = text.find("${S") != std::string_view::npos;
  for (const Diagnostic& diagnostic : outcome.errors) {
    const std::string line = to_string(diagnostic);
    expect(!diagnostic.cause.empty() && !diagnostic.remedy.empty(), "cause and remedy are there");
    expect(line.find('\n') == std::string::npos, "a diagnostic is one line");
    expect(has_variable || line.find(kCanary) == std::string::npos, "no secret is shown");
  }
  if (!outcome.snapshot) return;
  expect(text.ends_with('\n'), "what is half written is refused");
  const Snapshot& snapshot = *outcome.snapshot;
  expect(snapshot.keys_by_digest.size() == snapshot.keys.size(), "each key has its own secret");
  for (const Key& key : snapshot.keys) check_key(key, snapshot);

  // Only a text that begins a line of the configuration can stand in it.
  const bool is_plain = text.starts_with("keys:") && text.find("...") == std::string_view::npos &&
                        text.find("---") == std::string_view::npos &&
                        text.find('%') == std::string_view::npos;
  if (!is_plain) return;
  const LoadOutcome inside =
      load_text(std::string(kText) + std::string(text), "f.yaml", environment);
  expect(inside.snapshot != nullptr, "the same keys are good in the configuration");
  const auto is_equal = [](const Key& left, const Key& right) {
    return left.name == right.name && left.digest == right.digest && left.models == right.models &&
           left.tenant == right.tenant && left.limits.size() == right.limits.size();
  };
  expect(std::ranges::equal(snapshot.keys, inside.snapshot->keys, is_equal), "and mean the same");
}

void check_imported(std::string_view text) {
  const auto keys = sluicectl::read_keys(text, kNow);
  if (!keys) {
    expect(!keys.error().empty(), "a refusal is a sentence");
    // Cells may be secrets; names of columns are the file's first line.
    const size_t first_line = std::min(text.find_first_of("\r\n"), text.size());
    const size_t at = text.find("canary");
    const bool is_hidden = at != std::string_view::npos && at > first_line;
    const bool is_named = text.substr(0, first_line).find("canary") != std::string_view::npos;
    expect(!is_hidden || is_named || keys.error().find("canary") == std::string::npos,
           "no cell is shown");
    return;
  }
  std::string sent;
  for (const json::Value& key : *keys) {
    expect(key.as_object() != nullptr, "keys are objects");
    sent += sent.empty() ? "[" : ",";
    key.write(sent);
  }
  sent += sent.empty() ? "[]" : "]";
  const auto again = sluicectl::read_keys(sent, kNow);
  // A file may name one column twice; the gateway refuses such a key.
  const bool repeats = !again && again.error().find("twice") != std::string::npos;
  if (repeats) return;
  expect(again.has_value() && again->size() == keys->size(), "what would be sent reads back");
  for (size_t i = 0; i < keys->size(); ++i) {
    std::string left;
    std::string right;
    (*keys)[i].write(left);
    (*again)[i].write(right);
    expect(left == right, "each key as it was");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::vector<char> copy(bytes, bytes + size);
  const std::string_view text = fuzz::view_of(copy);
  if (text.find(kCanary) != std::string_view::npos) return -1;
  check_named(text);
  check_imported(text);
  return 0;
}
