// Any text gives either a Snapshot that keeps its promises or errors that a person can use, never
// both and never neither; and no diagnostic shows what a variable or a secret file holds.
#include <sluice/config/difference.h>
#include <sluice/config/loader.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <sluice/base/ip_class.h>
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
    if (path == "/p") return FileText{R"({"m": {"input": 1, "output": 2, "cached": 3}})", true};
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
  const auto ip_class = classify_text(upstream.endpoint.host);
  expect(!ip_class || may_dial(*ip_class, upstream.private_addresses), "addresses may be dialled");
  const Capabilities& has = upstream.serves;
  expect(has.chat || has.completions || has.embeddings || has.responses, "it serves something");
  expect(upstream.breaker.failure_ratio > 0 && upstream.breaker.probes >= 1, "breakers can close");
  expect(upstream.cooldown.rules.size() <= kFailureRulesMax, "rules are bounded");
  expect(std::ranges::is_sorted(upstream.tags), "tags are sorted");
  for (const Header& header : upstream.headers) {
    expect(!header.name.empty() && is_clean(header.name), "header names are clean");
    expect(header.value.empty() == (header.op == HeaderOp::kRemove), "operations have values");
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

void check_model(const Snapshot& snapshot, const Model& model, ModelId id) {
  const bool may_be_empty = !snapshot.discovery.empty();
  expect(may_be_empty || !model.routes.empty(), "a model can be served");
  expect(model.routes.size() <= 64, "routes are bounded");
  const bool is_pattern = model.name.find('*') != std::string::npos;
  if (!is_pattern) expect(snapshot.find_model(model.name) == id, "models are found");
  for (const Route& route : model.routes) {
    expect(route.upstream.value < snapshot.upstreams.size(), "routes lead somewhere");
    expect(!route.model.empty() && route.weight >= 1, "routes are whole");
    expect(route.timeouts.connect >= milliseconds(10), "clocks of routes have a floor");
    expect(is_pattern || route.model.find('*') == std::string::npos, "every `*` has a meaning");
  }
  std::vector<ModelId> fallbacks = model.fallbacks;
  expect(fallbacks.size() <= 32, "fallbacks are bounded");
  std::ranges::sort(fallbacks);
  expect(std::ranges::adjacent_find(fallbacks) == fallbacks.end(), "no fallback comes twice");
  for (const ModelId fallback : fallbacks) {
    expect(fallback.value < snapshot.models.size() && fallback != id, "fallbacks are others");
  }
}

void check_rule(const LimitRule& rule) {
  const bool is_concurrency = rule.measure == LimitMeasure::kConcurrency;
  const bool is_money = rule.measure == LimitMeasure::kMicroDollars;
  const bool is_rolling = rule.window == LimitWindow::kRolling;
  expect(rule.most >= 1 && rule.most <= LimitRule::kMostMax, "amounts have bounds");
  expect(rule.name.find('/') != std::string::npos && is_clean(rule.name), "rules have clean names");
  expect(is_concurrency == (rule.window == LimitWindow::kNone), "windows fit what is counted");
  expect(is_rolling == (rule.length > Duration::zero()), "rolling windows have a length");
  expect(is_money != (is_rolling || is_concurrency), "budgets have the calendar's windows");
  expect(rule.burst == 0 || rule.measure == LimitMeasure::kRequests, "bursts are of requests");
  expect(!rule.is_soft || (is_money && !rule.enforce), "soft budgets refuse nothing");
  expect(!rule.stops_streams || rule.enforce, "only what refuses stops streams");
}

// A group that repeats one rule, or one of another scope, would be charged twice or for others.
void check_ids(const Snapshot& snapshot, const std::vector<LimitId>& ids, LimitScope scope) {
  for (size_t i = 0; i < ids.size(); ++i) {
    expect(ids[i].value < snapshot.limit_rules.size(), "limits exist");
    expect(snapshot.limit_rules[ids[i].value].scope == scope, "limits stand where they belong");
    expect(std::ranges::count(ids, ids[i]) == 1, "no limit holds twice");
  }
}

size_t check_tenant(const Snapshot& snapshot, TenantId tenant) {
  size_t limits = 0;
  uint32_t depth = 0;
  for (; tenant.is_valid(); tenant = snapshot.tenants[tenant.value].parent) {
    expect(++depth <= kTenantDepthMost, "tenants end");
    limits += snapshot.tenants[tenant.value].limits.size();
  }
  return limits;
}

void check_limits(const Snapshot& snapshot) {
  for (const LimitRule& rule : snapshot.limit_rules) check_rule(rule);
  check_ids(snapshot, snapshot.gateway_limits, LimitScope::kGateway);
  check_ids(snapshot, snapshot.ip_limits, LimitScope::kIp);
  for (const Upstream& upstream : snapshot.upstreams) {
    check_ids(snapshot, upstream.limits, LimitScope::kUpstream);
  }
  for (const Tenant& tenant : snapshot.tenants) {
    check_ids(snapshot, tenant.limits, LimitScope::kTenant);
  }
  for (const Model& model : snapshot.models) check_ids(snapshot, model.limits, LimitScope::kModel);
  const size_t common = snapshot.gateway_limits.size() + snapshot.ip_limits.size();
  for (const Key& key : snapshot.keys) {
    check_ids(snapshot, key.limits, LimitScope::kKey);
    const size_t own = common + key.limits.size() + check_tenant(snapshot, key.tenant);
    for (uint32_t i = 0; i < snapshot.models.size(); ++i) {
      const auto of_model = std::ranges::count_if(key.model_limits, [&](const ModelLimit& limit) {
        return limit.model == ModelId{i} || !limit.model.is_valid();
      });
      expect(own + snapshot.models[i].limits.size() + static_cast<size_t>(of_model) <=
                 kMatchingLimitsMost,
             "what a request matches is bounded");
    }
    expect(std::ranges::is_sorted(key.model_limits, {}, &ModelLimit::model),
           "limits of models are sorted");
  }
}

void check_redis(const RedisSettings& redis) {
  expect(!redis.addresses.empty() && redis.gateways >= 1, "Redis is somewhere");
  expect(is_clean(redis.space) && redis.space.find('{') == std::string::npos, "keys are clean");
  expect((redis.kind == RedisKind::kSentinel) == !redis.master.empty(), "Sentinels have a master");
  for (const RedisAddress& address : redis.addresses) {
    expect(!address.host.empty(), "Redis has a host");
    expect(address.port != 0 || address.host.starts_with('/'), "Redis has a port");
  }
}

void check_snapshot(const Snapshot& snapshot) {
  const bool knows_others =
      std::ranges::any_of(snapshot.auth.sources, [](const SourceSettings& source) {
        return source.kind != SourceKind::kFile && source.kind != SourceKind::kLua;
      });
  expect(!snapshot.keys.empty() || knows_others ||
             (snapshot.development && snapshot.listen.is_loopback()),
         "without keys only a loopback listener starts");
  expect(!snapshot.auth.sources.empty(), "somebody is asked about keys");
  expect(!snapshot.usage_log || snapshot.journal, "the usage log has its journal");
  expect(!snapshot.development || snapshot.listen.is_loopback(), "development is loopback");
  expect(!snapshot.models.empty(), "there is something to serve");
  expect(!snapshot.upstreams.empty() || !snapshot.discovery.empty(), "and somebody to serve it");
  expect(snapshot.limits.byte_budget >= snapshot.limits.body_bytes_max, "one body fits");
  for (const Upstream& upstream : snapshot.upstreams) check_upstream(upstream);
  for (uint32_t i = 0; i < snapshot.models.size(); ++i) {
    check_model(snapshot, snapshot.models[i], ModelId{i});
  }
  check_limits(snapshot);
  if (snapshot.redis) check_redis(*snapshot.redis);
  if (snapshot.journal)
    expect(snapshot.journal->directory.starts_with('/'), "journals have a path");
  for (const AddressRange& range : snapshot.trusted_proxies) {
    expect(range.bits <= 128, "ranges have bounds");
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

void check_texts(const std::string& text, const std::vector<TextPlace>& secrets) {
  expect(differences({text, secrets}, {text, secrets}).empty(), "equal texts do not differ");
  expect(mask_secrets({text, {}}) == text, "a text without secrets is shown as it is");
  std::vector<Diagnostic> errors;
  const std::string hidden = mask_secrets({text, secrets});
  expect(read_yaml(hidden, "f.yaml", errors).has_value(), "what is shown is still YAML");
  expect(std::ranges::is_sorted(secrets), "places are in order");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const std::string text(reinterpret_cast<const char*>(bytes), size);
  if (text.find(kCanary) != std::string::npos) return -1;
  // Of groups named as in the corpus; what a source may say at its worst.
  const Members members = {
      {"a", {{"10.0.0.7", 1}, {"a b\n", 0}, {"h.example"}, {"fd00::1", 65'535}}},
      {"b", {{"8.8.8.8", 0, 0}, {"169.254.169.254"}, {""}}}};
  const LoadOutcome outcome = load_text(text, "f.yaml", FuzzEnvironment(), members);
  expect((outcome.snapshot == nullptr) == !outcome.errors.empty(), "a snapshot or errors");
  // YAML breaks lines at more than '\n', so the bound is every byte that can end in one.
  const bool has_variable = text.find("${S") != std::string::npos;
  check_diagnostics(outcome.errors, size + 1, has_variable);
  check_diagnostics(outcome.warnings, size + 1, has_variable);
  if (outcome.snapshot) {
    check_snapshot(*outcome.snapshot);
    check_texts(text, outcome.secrets);
  }
  return 0;
}
