#include "plan/workload.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace sluice::load {
namespace {

constexpr uint64_t kBytesPerToken = 4;
constexpr uint64_t kPromptBytesMax = 64ull * 1024 * 1024;
// Prompts without shared blocks take ids from here on, so that no two of them are alike.
constexpr uint64_t kOwnBlocks = 1ull << 40;
constexpr uint32_t kPartsMax = 256;
constexpr std::string_view kLengthField = "content-length: 1\r\n\r\n";

template <class Items, class Weight>
std::vector<double> add_up(const Items& items, Weight weight) {
  std::vector<double> sums;
  double sum = 0;
  for (const auto& item : items) sums.push_back(sum += weight(item));
  return sums;
}

uint32_t pick(const std::vector<double>& sums, uint64_t seed) noexcept {
  if (sums.size() < 2) return 0;
  const double at = mix_share(seed) * sums.back();
  const auto found = std::upper_bound(sums.begin(), sums.end(), at);
  return static_cast<uint32_t>(
      std::min<size_t>(static_cast<size_t>(found - sums.begin()), sums.size() - 1));
}

BodyTemplate template_of(const Settings& settings, bool has_trace) {
  if (!settings.body.empty()) return BodyTemplate(settings.body);
  return BodyTemplate::chat(settings.streams, settings.answer_tokens > 0 || has_trace);
}

}  // namespace

Workload::Workload(const Settings& settings, std::optional<Trace> trace)
    : settings_(settings),
      trace_(std::move(trace)),
      body_(template_of(settings, trace_.has_value())),
      tenant_sums_(add_up(settings.tenants, [](const Tenant& t) { return t.weight; })),
      model_sums_(add_up(settings.models, [](const Share& s) { return s.weight; })),
      size_sums_(add_up(settings.sizes, [](const auto& s) { return s.second; })) {}

std::expected<Workload, std::string> Workload::make(const Settings& settings,
                                                    std::optional<Trace> trace) {
  Workload workload(settings, std::move(trace));
  std::string why = workload.prepare();
  if (!why.empty()) return std::unexpected(std::move(why));
  return workload;
}

std::string Workload::prepare() {
  const std::vector<Tenant> nobody = {{}};
  const std::vector<Tenant>& tenants = settings_.tenants.empty() ? nobody : settings_.tenants;
  for (const Tenant& tenant : tenants) {
    first_keys_.push_back(static_cast<uint32_t>(keys_.size()));
    keys_.insert(keys_.end(), tenant.keys.begin(), tenant.keys.end());
    if (tenant.keys.empty()) keys_.emplace_back();
    for (const Share& model : settings_.models) {
      parts_.push_back(tenant.name.empty() ? model.name : tenant.name + " " + model.name);
    }
  }
  first_keys_.push_back(static_cast<uint32_t>(keys_.size()));
  if (parts_.size() > kPartsMax) return fmt::format("more than {} tenants with models", kPartsMax);
  for (const std::string& key : keys_) {
    std::string head = render_head(settings_, settings_.target.url, key, 1);
    if (head.empty()) {
      return "header, path, key: these do not make a request of at most 16 KiB of head";
    }
    // The length is another for each body, so it goes to the end and is cut off here.
    const size_t at = head.find("content-length: 1\r\n");
    head.erase(at, kLengthField.size() - 2);
    head.resize(head.size() - 2);
    heads_.push_back(std::move(head));
  }
  if (trace_) return {};
  size_t bytes = 0;
  for (const auto& [size, weight] : settings_.sizes) {
    if (size > kPromptBytesMax) return "sizes: a body may have at most 64 MiB";
    bytes += (size + settings_.body.size() + 1024) * keys_.size() * settings_.models.size();
  }
  if (bytes > kPreparedBytesMax) return {};
  Choice choice;
  for (choice.key = 0; choice.key < keys_.size(); ++choice.key) {
    for (choice.model = 0; choice.model < settings_.models.size(); ++choice.model) {
      for (choice.size = 0; choice.size < settings_.sizes.size(); ++choice.size) {
        render(choice, prepared_.emplace_back());
      }
    }
  }
  return {};
}

std::optional<Duration> Workload::due(uint64_t index) const noexcept {
  if (!trace_ || index >= trace_->records.size()) return std::nullopt;
  return Duration(static_cast<int64_t>(static_cast<double>(trace_->records[index].at.count()) /
                                       settings_.speed));
}

Workload::Choice Workload::choose(uint64_t index) const noexcept {
  const uint64_t seed = mix_bits(settings_.seed ^ (index << 3));
  Choice choice;
  choice.tenant = pick(tenant_sums_, seed + 1);
  choice.model = pick(model_sums_, seed + 2);
  choice.size = pick(size_sums_, seed + 3);
  const uint32_t first = first_keys_[choice.tenant];
  const uint32_t count = first_keys_[choice.tenant + 1] - first;
  choice.key = first + static_cast<uint32_t>(count > 1 ? index % count : 0);
  return choice;
}

Request Workload::request(uint64_t index, std::string& scratch) const {
  const bool is_single = prepared_.size() == 1;
  const Choice choice = is_single ? Choice{} : choose(index);
  Request request;
  request.part = choice.tenant * static_cast<uint32_t>(settings_.models.size()) + choice.model;
  if (settings_.leave_at_event > 0 &&
      mix_share(settings_.seed + index * 7 + 5) < settings_.leave_share) {
    request.leave_at = settings_.leave_at_event;
  }
  if (!prepared_.empty()) {
    const size_t models = settings_.models.size(), sizes = settings_.sizes.size();
    request.bytes = prepared_[(choice.key * models + choice.model) * sizes + choice.size];
    return request;
  }
  scratch.clear();
  trace_ ? render_record(index, choice, scratch) : render(choice, scratch);
  request.bytes = scratch;
  return request;
}

void Workload::append_body(std::string_view model, std::string_view prompt, uint64_t answer_tokens,
                           std::string& out) const {
  const size_t bytes =
      body_.bare_bytes(model, answer_tokens) + (body_.has_prompt() ? prompt.size() : 0);
  fmt::format_to(std::back_inserter(out), "content-length: {}\r\n", bytes);
  // sluice-sim takes the answer's length from a header; others take it from the body, or not.
  if (trace_) fmt::format_to(std::back_inserter(out), "x-sim-tokens: {}\r\n", answer_tokens);
  out += "\r\n";
  body_.append(out, model, prompt, answer_tokens);
}

void Workload::render(const Choice& choice, std::string& out) const {
  const std::string& model = settings_.models[choice.model].name;
  const uint64_t wanted = settings_.sizes[choice.size].first;
  const size_t bare = body_.bare_bytes(model, settings_.answer_tokens);
  std::string prompt;
  if (wanted > bare) append_words(prompt, choice.size, wanted - bare);
  out += heads_[choice.key];
  append_body(model, prompt, settings_.answer_tokens, out);
}

void Workload::render_record(uint64_t index, const Choice& choice, std::string& out) const {
  const TraceRecord& record = trace_->records[index % trace_->records.size()];
  const auto shared = trace_->blocks_of(record);
  const uint64_t bytes = record.prompt_tokens * kBytesPerToken;
  constexpr uint64_t kBlockBytes = Trace::kBlockTokens * kBytesPerToken;
  std::string prompt;
  prompt.reserve(bytes);
  for (uint64_t i = 0; prompt.size() < bytes; ++i) {
    const uint64_t id = i < shared.size() ? shared[i] : kOwnBlocks + (index << 16) + i;
    append_words(prompt, id, std::min(kBlockBytes, bytes - prompt.size()));
  }
  out += heads_[choice.key];
  append_body(settings_.models[choice.model].name, prompt, record.answer_tokens, out);
}

}  // namespace sluice::load
