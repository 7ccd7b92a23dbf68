// The second admin listener, for management keys.
#include <sluice/control/small_tls.h>

#include "gateway.h"

namespace sluice::app {

Gateway::Step Gateway::open_admin_listener() {
  const auto& listener = loaded_.snapshot->admin.listener;
  if (!listener) return {};
  auto tls = control::make_small_tls(*listener, environment_, clock_.wall());
  if (!tls) return std::unexpected(std::move(tls.error()));
  admin_tls_ = *std::move(tls);
  const auto fd = take_or_open(syscalls_, given::kAdminListener, {listener->host, listener->port},
                               predecessor_.get(), &admin_listen_address_);
  if (!fd) return std::unexpected(fd.error());
  admin_listen_fd_ = *fd;
  return {};
}

void Gateway::serve_admin_listener() {
  if (admin_listen_fd_ < 0) return;
  const config::Snapshot& snapshot = control_->snapshot();
  const Duration hsts = snapshot.tls ? snapshot.tls->hsts : config::ListenerTls{}.hsts;
  const bool has_tls = admin_tls_ != nullptr;
  admin_listener_ = std::make_unique<control::SmallServer>(
      *ring_, admin_listen_fd_, "admin", *admin_service_, *log_, control::SmallServerLimits{},
      control::SmallTransport{
          .is_unix = false, .tls = admin_tls_.get(), .hsts = has_tls ? hsts : Duration::zero()});
}

}  // namespace sluice::app
