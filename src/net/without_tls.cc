// Stands in for TLS in a build without it: nothing can be secured, so nothing of the rest is
// reached.
#include <sluice/base/assert.h>
#include <sluice/net/stream.h>
#include <sluice/net/tls.h>

namespace sluice::net {
namespace {

constexpr std::string_view kAbsent =
    "this build of Sluice has no TLS; use one with it, or put a terminator in front";

}  // namespace

class TlsProfile {
 public:
  void retain() noexcept {}
  void release() noexcept {}
};
struct PeerRules : TlsProfile {};
struct ResumableSession {};

bool has_tls() noexcept { return false; }

std::expected<std::unique_ptr<TlsServer>, std::string> TlsServer::make(const TlsServerSettings&,
                                                                       const TicketKeys&) {
  return std::unexpected(std::string(kAbsent));
}
TlsServer::~TlsServer() = default;
void TlsServer::set_ticket_keys(const TicketKeys&) noexcept {}
bool TlsServer::secure(Stream&) noexcept { return false; }

std::expected<std::vector<std::unique_ptr<TlsClient>>, std::string> TlsClient::make(
    std::span<const std::optional<TlsClientSettings>> settings, SystemAuthorities&) {
  for (const auto& wanted : settings) {
    if (wanted) return std::unexpected(std::string(kAbsent));
  }
  return std::vector<std::unique_ptr<TlsClient>>(settings.size());
}
TlsClient::~TlsClient() = default;
bool TlsClient::secure(Stream&) noexcept { return false; }
void TlsClient::remember(Stream&) noexcept {}

bool speaks_http2(const Stream&) noexcept { return false; }

Task<Result<void>> handshake(Stream&, Deadline, io::Event*) {
  co_return fail(ErrorCode::kInternal, Side::kSelf, kAbsent);
}

void Stream::DropSession::operator()(TlsSession*) const noexcept {}
void Stream::begin_tls() noexcept { SLUICE_ASSERT(false); }
std::string_view Stream::peer_subject() const noexcept { return {}; }
bool Stream::is_resumed() const noexcept { return false; }
std::string_view Stream::tls_failure() const noexcept { return {}; }
void Stream::start_decrypting(char*, uint32_t) noexcept { SLUICE_ASSERT(false); }
void Stream::decrypt_received() noexcept { SLUICE_ASSERT(false); }
void Stream::say_last_words() noexcept {}
void Stream::SendOp::submit_records() noexcept { SLUICE_ASSERT(false); }
void Stream::SendOp::complete_records(size_t) noexcept { SLUICE_ASSERT(false); }
void Stream::SendOp::drop_records() noexcept {}

}  // namespace sluice::net
