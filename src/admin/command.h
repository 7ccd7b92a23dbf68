// The commands of the admin socket, one per file, and how they are found.
#pragma once

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

// Every command there is.
[[nodiscard]] std::span<const Command> commands() noexcept;

}  // namespace sluice::admin
