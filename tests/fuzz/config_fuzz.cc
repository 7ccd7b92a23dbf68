// Any text gives either a Snapshot that keeps its promises or errors that a person can use, never
// both and never neither; and no diagnostic shows what a variable or a secret file holds.
#include <sluice/config/loader.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include <sluice/config/upstream_path.h>

namespace {

using namespace sluice;
using namespace sluice::config;

// Not found in an input by chance; one that has it is skipped.
constexpr std::string_view kCanary = "q7Zr3-canary-Xw91";

void expect(bool holds, const char* promise) {
  if (holds) return;
  std::fprintf(stderr, "broken promise: %s\n", promise);
  std::abort();
}

class FuzzEnvironment final : public Environment {
 public:
  [[nodiscard]] std::optional<std::string> variable(const std::string& name) const override {
    if (name == "EMPTY") return "";
    if (name.starts_with('S')) return std::string(kCanary);
    return std::nullopt;
  }
  [[nodiscard]] std::expected<FileText, std::string> read(const std::string& path,
                                                          size_t) const override {
    if (path == "/s") return FileText{std::string(kCanary) + "\n", true};
    return std::unexpected("No such file or directory");
  }
};

// Names of upstreams, models and keys are shown, whatever a variable put into them; so the canary
// counts only where no `${S...}` does.
void check_diagnostics(const std::vector<Diagnostic>& diagnostics, size_t lines,
                       bool has_variable) {
  for (const Diagnostic& diagnostic : diagnostics) {
    const std::string text = to_string(diagnostic);
    expect(!diagnostic.cause.empty() && !diagnostic.remedy.empty(), "cause and remedy are there");
    expect(diagnostic.line <= lines, "the line exists");
    expect(text.find('\n') == std::string::npos, "a diagnostic is one line");
    expect(has_variable || text.find(kCanary) == std::string::npos, "no secret is shown");
  }
}

bool is_clean(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c >= 0x20 && c < 0x7f; });
}

void check_upstream(const Upstream& upstream) {
  expect(!upstream.name.empty() && !upstream.endpoint.host.empty(), "upstreams are whole");
  expect(is_clean(upstream.endpoint.authority), "the authority is clean");
  expect(is_clean(upstream.credential.value), "the credential is clean");
  expect(upstream.weight >= 1, "weights are positive");
  expect(upstream.timeouts.connect >= milliseconds(10), "timeouts have a floor");
  for (const Header& header : upstream.headers) {
    expect(!header.name.empty() && is_clean(header.name), "header names are clean");
    expect(is_clean(header.value), "header values are clean");
    expect(header.name != "host" && header.name != "content-length", "framing is ours");
  }
  std::array<char, 4096> out;
  const std::string_view client_path = "/v1/chat/completions";
  const std::string_view path = upstream_path(upstream.endpoint, client_path, "a=b", out);
  expect(path.starts_with('/') && is_clean(path), "the request target is clean");
  expect(path.find(' ') == std::string_view::npos, "the request target has no space");
  expect(path.find("/v1/v1/") == std::string_view::npos ||
             upstream.endpoint.base_path.find("/v1") != std::string::npos,
         "no version is doubled");
  expect(path.size() <= upstream_path_bytes_max(upstream.endpoint, client_path, "a=b"),
         "the bound of the request target holds");
}

void check_snapshot(const Snapshot& snapshot) {
  expect(!snapshot.keys.empty() || (snapshot.development && snapshot.listen.is_loopback()),
         "without keys only a loopback listener starts");
  expect(!snapshot.development || snapshot.listen.is_loopback(), "development is loopback");
  expect(!snapshot.upstreams.empty() && !snapshot.models.empty(), "there is something to serve");
  expect(snapshot.limits.byte_budget >= snapshot.limits.body_bytes_max, "one body fits");
  for (const Upstream& upstream : snapshot.upstreams) check_upstream(upstream);
  for (const Model& model : snapshot.models) {
    expect(!model.routes.empty() && model.routes.size() <= 64, "routes are bounded");
    expect(snapshot.find_model(model.name).is_valid(), "models are found");
    for (const Route& route : model.routes) {
      expect(route.upstream.value < snapshot.upstreams.size(), "routes lead somewhere");
      expect(!route.model.empty() && route.weight >= 1, "routes are whole");
    }
  }
  expect(snapshot.keys_by_digest.size() == snapshot.keys.size(), "each key has its own secret");
  for (const Key& key : snapshot.keys) {
    expect(key.tenant.value < snapshot.tenants.size(), "tenants exist");
    expect(key.all_models || !key.models.empty(), "a key may call something");
    expect(std::ranges::is_sorted(key.models), "allowed models are sorted");
    for (const ModelId model : key.models) {
      expect(model.value < snapshot.models.size(), "allowed models exist");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  if (text.find(kCanary) != std::string::npos) return -1;
  const LoadOutcome outcome = load_text(text, "f.yaml", FuzzEnvironment());
  expect((outcome.snapshot == nullptr) == !outcome.errors.empty(), "a snapshot or errors");
  // YAML breaks lines at more than '\n', so the bound is every byte that can end in one.
  const bool has_variable = text.find("${S") != std::string::npos;
  check_diagnostics(outcome.errors, size + 1, has_variable);
  check_diagnostics(outcome.warnings, size + 1, has_variable);
  if (outcome.snapshot) check_snapshot(*outcome.snapshot);
  return 0;
}
