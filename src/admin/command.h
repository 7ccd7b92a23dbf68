// The commands of the admin socket, one per file, and how they are found.
#pragma once

#include <optional>
#include <span>
#include <string_view>

#include <sluice/admin/admin_server.h>

namespace sluice::admin {

struct Command {
  http::Method method;
  std::string_view path;
  std::string_view allow;  // For the 405 of another method.
  Task<control::SmallAnswer> (*run)(const AdminParts& parts);
};

// `parts` must live until the task completes. Suspends.
Task<control::SmallAnswer> show_version(const AdminParts& parts);
Task<control::SmallAnswer> show_shards(const AdminParts& parts);
Task<control::SmallAnswer> show_upstreams(const AdminParts& parts);
Task<control::SmallAnswer> reload(const AdminParts& parts);
Task<control::SmallAnswer> drain(const AdminParts& parts);

// What an upstream can be told, by the last part of the path.
struct UpstreamVerb {
  std::string_view name;
  control::UpstreamOrder order;
};
// Null for a path that is not /v1/upstreams/<name>/<verb>. `upstream` is then its name.
[[nodiscard]] const UpstreamVerb* find_upstream_verb(std::string_view path,
                                                     std::string_view* upstream) noexcept;
[[nodiscard]] control::SmallAnswer order_upstream(const AdminParts& parts,
                                                  std::string_view upstream,
                                                  control::UpstreamOrder order,
                                                  std::string_view body);

// What /v1/spend/<subject>/<window> asks for; empty for another path.
struct SpendQuestion {
  control::SpendSubject subject = control::SpendSubject::kKey;
  config::LimitWindow window = config::LimitWindow::kMonth;
};
[[nodiscard]] std::optional<SpendQuestion> find_spend_question(std::string_view path) noexcept;
[[nodiscard]] control::SmallAnswer show_spend(const AdminParts& parts, SpendQuestion question);

// Every command there is with a path of its own.
[[nodiscard]] std::span<const Command> commands() noexcept;

}  // namespace sluice::admin
