#include "schema_usage_log.h"
#include "bounds.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "fields.h"
#include "schema_calls.h"

namespace sluice::config {
namespace {

constexpr size_t kReportersMax = 8;

// In the order of ReporterSettings::Kind.
constexpr std::array<std::string_view, 2> kKinds = {"webhook", "database"};

struct ReporterDraft : ReporterSettings {
  std::optional<Kind> type;
};

template <auto Member>
constexpr auto read_file_path = [](Walk& walk, const Node& node, auto& out) {
  if (auto path = walk.full_path(node, kPathBytesMax)) out.*Member = std::move(*path);
};

void read_reporter_type(Walk& walk, const Node& node, ReporterDraft& reporter) {
  const auto index = walk.choice(node, kKinds);
  if (!index) return;
  reporter.type = reporter.kind = static_cast<ReporterSettings::Kind>(*index);
  reporter.name = kKinds[*index];
}

void read_reporter_url(Walk& walk, const Node& node, ReporterDraft& reporter) {
  auto url = read_call_url(walk, node, reporter.private_addresses);
  if (url) reporter.url = std::move(*url);
}

void read_reporter_table(Walk& walk, const Node& node, ReporterDraft& reporter) {
  if (auto name = read_sql_name(walk, node, true)) reporter.table = std::move(*name);
}

constexpr std::array kReporterFields = {
    Field<ReporterDraft>{"type", read_reporter_type, Presence::kRequired},
    Field<ReporterDraft>{"name", read_label<&ReporterSettings::name>},
    Field<ReporterDraft>{"timeout", read_duration<&ReporterSettings::timeout, 100, 60 * kSecond>},
    Field<ReporterDraft>{"batch_max", read_number<&ReporterSettings::batch_max, 1, 10'000>},
    Field<ReporterDraft>{"interval", read_duration<&ReporterSettings::interval, 100, kHour>},
    Field<ReporterDraft>{"private_addresses", read_boolean<&ReporterSettings::private_addresses>},
    Field<ReporterDraft>{"url", read_reporter_url},
    Field<ReporterDraft>{"headers", read_headers_of},
    Field<ReporterDraft>{"tls", read_tls_of, Presence::kOptional, list_call_tls_keys},
    // Its keys are listed once, as those of a source.
    Field<ReporterDraft>{"sql", read_sql_of}, Field<ReporterDraft>{"table", read_reporter_table}};

void check_reporter(Walk& walk, const Node& item, const ReporterDraft& reporter) {
  if (!reporter.type || item.kind != NodeKind::kMapping) return;
  const bool is_webhook = *reporter.type == ReporterSettings::Kind::kWebhook;
  const std::string_view type = kKinds[is_webhook ? 0 : 1];
  require_with_type(walk, item, is_webhook ? "url" : "sql", type);
  static constexpr std::array<std::string_view, 4> kOfWebhooks = {"private_addresses", "url",
                                                                  "headers", "tls"};
  static constexpr std::array<std::string_view, 2> kOfDatabases = {"sql", "table"};
  if (is_webhook) {
    for (const std::string_view name : kOfDatabases) refuse_with_type(walk, item, name, type);
  } else {
    for (const std::string_view name : kOfWebhooks) refuse_with_type(walk, item, name, type);
  }
}

void read_reporters(Walk& walk, const Node& node, UsageLogSettings& log) {
  NameTable names;
  read_list(walk, node, kReportersMax, [&](const Node& item, size_t i) {
    ReporterDraft reporter;
    read_mapping(walk, item, kReporterFields, reporter);
    check_reporter(walk, item, reporter);
    if (!reporter.type) return;
    if (const auto taken = names.add(reporter.name, {static_cast<uint32_t>(i), item.line})) {
      walk.error(
          item,
          fmt::format("has the name `{}` of the reporter in line {}", reporter.name, taken->line),
          "give each reporter a `name` of its own");
    }
    log.reporters.push_back(std::move(static_cast<ReporterSettings&>(reporter)));
  });
}

constexpr std::array kStoreFields = {
    Field<StoreSettings>{"path", read_file_path<&StoreSettings::path>, Presence::kRequired}};

constexpr std::array kUsageLogFields = {
    Field<UsageLogSettings>{"path", read_file_path<&UsageLogSettings::path>, Presence::kRequired},
    Field<UsageLogSettings>{"retention",
                            read_duration<&UsageLogSettings::retention, kHour, 3650 * 24 * kHour>},
    Field<UsageLogSettings>{
        "bytes_max", read_bytes<&UsageLogSettings::bytes_max, 16 * kMiB, 16 * 1024 * 1024 * kMiB>},
    Field<UsageLogSettings>{"reporters", read_reporters, Presence::kOptional,
                            list_section<kReporterFields>}};

}  // namespace

void read_store(Walk& walk, const Node& node, Snapshot& snapshot) {
  read_mapping(walk, node, kStoreFields, snapshot.store.emplace());
}

void read_usage_log(Walk& walk, const Node& node, Snapshot& snapshot) {
  UsageLogSettings& log = snapshot.usage_log.emplace();
  read_mapping(walk, node, kUsageLogFields, log);
  if (!snapshot.journal) {
    walk.error(node, "needs a `journal`, from which it is written",
               "add a section `journal` with its `directory`");
  }
  if (!log.path.empty() && snapshot.store && snapshot.store->path == log.path) {
    const Walk::Step step(walk, "path");
    walk.error(*find_key(node, "path"), "is the file of `store`", "give each a file of its own");
  }
}

void list_store_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kStoreFields, prefix, names);
}

void list_usage_log_keys(const std::string& prefix, std::vector<std::string>& names) {
  list_keys(kUsageLogFields, prefix, names);
}

}  // namespace sluice::config
