#include <sluice/control/small_tls.h>

#include <sluice/config/snapshot.h>
#include <sluice/control/tls_files.h>

namespace sluice::control {

std::expected<std::unique_ptr<net::TlsServer>, std::string> make_small_tls(
    const config::AdminListener& listener, const config::Environment& environment, WallTime now) {
  if (listener.certificate.empty()) return nullptr;
  // Read and checked as those of `listen` are.
  config::Snapshot alone;
  alone.tls.emplace().certificates.push_back(
      {.certificate = listener.certificate, .key = listener.key, .ocsp = {}});
  const TlsReading reading = read_tls_files(alone, environment, now);
  if (!reading.errors.empty()) {
    return std::unexpected("admin.listener: " + config::to_string(reading.errors.front()));
  }
  auto made = net::TlsServer::make(*reading.files.server, net::TicketKeys::generate());
  if (!made) return std::unexpected("admin.listener: " + std::move(made.error()));
  return *std::move(made);
}

}  // namespace sluice::control
