#include <sluice/http/client.h>

#include <algorithm>

#include <sluice/base/assert.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/http/serializer.h>
#include <sluice/io/timer.h>
#include <sluice/io/watch_set.h>
#include <sluice/net/address_choice.h>
#include <sluice/net/dialer.h>
#include <sluice/net/stream.h>
#include <sluice/net/tls.h>
#include <sluice/shard/gate.h>

#include "client_answer.h"
#include "client_url.h"

namespace sluice::http {
namespace {

constexpr size_t kWaitingMost = 4096;             // Calls that wait for their turn.
constexpr size_t kHeadBytesMost = 32 * 1024;      // Of a request.
constexpr Duration kAddressesMost = seconds(60);  // That addresses are used without asking anew.

struct Request {
  std::string_view method;
  std::string path;
  std::string content_type;  // "" without a body.
  std::string body;
};

// `path` may hold a query of its own; the URL's goes behind it then.
std::string target_of(const ClientUrl& url, std::string_view path) {
  std::string target = url.path;
  target += path;
  if (!target.starts_with('/')) target.insert(0, "/");
  if (!url.query.empty()) {
    const bool has_query = target.find('?') != std::string::npos;
    target += has_query ? "&" : "?";
    target += url.query.substr(1);
  }
  return target;
}

// "" when something in it would break the head.
std::string write_head(const ClientUrl& url, const ClientOptions& options, const Request& request) {
  const std::string target = target_of(url, request.path);
  std::string text(kHeadBytesMost, '\0');
  HeadWriter writer(text);
  writer.request_line(request.method, target)
      .header("host", url.authority)
      .header("accept", "application/json");
  for (const auto& [name, value] : options.headers) writer.any_header(name, value);
  if (!request.content_type.empty()) {
    writer.header("content-type", request.content_type).content_length(request.body.size());
  }
  writer.end();
  text.resize(writer.text().size());
  return text;
}

// One connection; while idle its receive is armed, so that its end is seen.
struct Link {
  Link(io::Ring& ring, int fd) noexcept : stream(ring, fd, Side::kUpstream) {}
  net::Stream stream;
  MonoTime idle_since{};
};
using LinkPtr = std::unique_ptr<Link>;

// One call under way.
struct Call : ListLink {
  explicit Call(io::Ring& ring) noexcept
      : gone(ring.ready()), wake(ring.ready()), timer(ring.ready(), ring.timers()) {}
  io::Event gone;  // The client ends.
  io::Event wake;  // Its turn has come, or addresses have.
  io::Timer timer;
  Deadline deadline;
  bool waits_for_addresses = false;
};

Unexpected late() noexcept {
  return fail(ErrorCode::kUpstreamTimeout, Side::kUpstream, Retry::kYes, "no answer in time");
}
Unexpected ended() noexcept {
  return fail(ErrorCode::kCancelled, Side::kSelf, Retry::kYes, "it is asked no more");
}

std::expected<std::unique_ptr<net::TlsClient>, std::string> make_tls(const ClientUrl& url,
                                                                     const ClientOptions& options) {
  net::TlsClientSettings settings;
  settings.ca_pem = options.tls_ca_pem;
  settings.server_name = url.host;
  const std::optional<net::TlsClientSettings> wanted[] = {std::move(settings)};
  net::SystemAuthorities system;
  auto made = net::TlsClient::make(wanted, system);
  if (!made) return std::unexpected(std::move(made.error()));
  return std::move(made->front());
}

}  // namespace

struct Client::Parts {
  Parts(io::Ring& ring_, net::Resolver& resolver_, ClientOptions options_, ClientUrl url_,
        std::unique_ptr<net::TlsClient> tls_)
      : ring(ring_),
        resolver(resolver_),
        options(std::move(options_)),
        url(std::move(url_)),
        tls(std::move(tls_)),
        inside(ring.ready()),
        reap_timer(ring.ready(), ring.timers()),
        stop(ring.ready()) {
    watch.add(reap_timer);
    watch.add(stop);
  }
  ~Parts() {
    SLUICE_ASSERT(idle.empty() && inside.inside() == 0);
    watch.remove(reap_timer);
    watch.remove(stop);
  }

  Task<Result<ClientAnswer>> run(Request request, Deadline deadline);
  Task<Result<ClientAnswer>> try_twice(Call& call, const std::string& head,
                                       const std::string& body);
  Task<Result<ClientAnswer>> converse(LinkPtr link, Call& call, const std::string& head,
                                      const std::string& body);
  Task<Result<bool>> exchange(net::Stream& stream, Call& call, ClientAnswerReader& reader);

  Task<Result<LinkPtr>> dial(Call& call);
  Task<Result<net::AddressList>> find_addresses(Call& call);
  Task<void> look_up(shard::Gate::Pass pass);

  [[nodiscard]] LinkPtr take_idle();
  void keep(LinkPtr link);
  void discard(LinkPtr link) { io::start_detached(close(std::move(link), inside.enter())); }
  static Task<void> close(LinkPtr link, shard::Gate::Pass) { co_await link->stream.close(); }
  // Closes those that were idle for too long or have ended; runs while any is idle.
  Task<void> reap(shard::Gate::Pass pass);

  // False when too many wait already. Otherwise the call's `wake` is ready once it has its turn.
  [[nodiscard]] bool take_turn(Call& call);
  void give_turn();

  io::Ring& ring;
  net::Resolver& resolver;
  const ClientOptions options;
  const ClientUrl url;
  std::unique_ptr<net::TlsClient> tls;  // Null for http.
  shard::Gate inside;
  IntrusiveList<Call> running;
  IntrusiveList<Call> waiting;
  uint32_t running_count = 0;
  size_t waiting_count = 0;
  std::vector<net::Address> addresses;
  MonoTime addresses_until = MonoTime::min();
  bool is_looking_up = false;
  uint32_t next_address = 0;
  std::vector<LinkPtr> idle;  // The one used last at the end.
  io::WatchSet watch;
  io::Timer reap_timer;
  io::Event stop;
  bool is_reaping = false;
};

bool Client::Parts::take_turn(Call& call) {
  if (running_count < kConnectionsMost) {
    ++running_count;
    running.push_back(call);
    call.wake.trigger();
    return true;
  }
  if (waiting_count >= kWaitingMost) return false;
  ++waiting_count;
  waiting.push_back(call);
  return true;
}

void Client::Parts::give_turn() {
  --running_count;
  Call* next = waiting.pop_front();
  if (next == nullptr) return;
  --waiting_count;
  ++running_count;
  running.push_back(*next);
  next->wake.trigger();
}

Task<Result<ClientAnswer>> Client::Parts::run(Request request, Deadline deadline) {
  const auto pass = inside.enter();
  if (stop.is_ready()) co_return ended();
  const std::string head = write_head(url, options, request);
  if (head.empty()) {
    co_return fail(ErrorCode::kConfig, Side::kSelf, "the request cannot be written");
  }
  Call call(ring);
  call.deadline = deadline;
  call.timer.set(deadline);
  if (!take_turn(call)) {
    co_return fail(ErrorCode::kOverloaded, Side::kSelf, Retry::kYes, "too many calls wait for it");
  }
  co_await io::first_of(&call.wake, &call.timer, &call.gone);
  if (!call.wake.is_ready()) {
    --waiting_count;  // It is still in line; the link takes it out.
    if (call.gone.is_ready()) co_return ended();
    co_return late();
  }
  call.wake.reset();
  Result<ClientAnswer> answer = co_await try_twice(call, head, request.body);
  call.unlink();
  give_turn();
  co_return answer;
}

Task<Result<ClientAnswer>> Client::Parts::try_twice(Call& call, const std::string& head,
                                                    const std::string& body) {
  if (LinkPtr used = take_idle()) {
    Result<ClientAnswer> answer = co_await converse(std::move(used), call, head, body);
    const bool was_closed = !answer && answer.error().retry == Retry::kIfReused;
    if (!was_closed) co_return answer;
  }
  Result<LinkPtr> fresh = co_await dial(call);
  if (!fresh) co_return std::unexpected(fresh.error());
  co_return co_await converse(*std::move(fresh), call, head, body);
}

Task<Result<ClientAnswer>> Client::Parts::converse(LinkPtr link, Call& call,
                                                   const std::string& head,
                                                   const std::string& body) {
  ClientAnswerReader reader(options.answer_bytes_max);
  const std::string_view slices[] = {head, body};
  link->stream.start_send(std::span(slices).first(body.empty() ? 1 : 2));
  const Result<bool> is_usable = co_await exchange(link->stream, call, reader);
  if (!is_usable || !*is_usable) {
    co_await link->stream.close();  // Only then nothing refers to the slices any more.
    if (!is_usable) co_return std::unexpected(is_usable.error());
  } else {
    keep(std::move(link));
  }
  co_return std::move(reader.answer());
}

// Whether the connection can be used again.
Task<Result<bool>> Client::Parts::exchange(net::Stream& stream, Call& call,
                                           ClientAnswerReader& reader) {
  const auto lost = [&] {
    const Retry retry = reader.is_idle() ? Retry::kIfReused : Retry::kNever;
    return fail(ErrorCode::kUpstreamLost, Side::kUpstream, retry, "the connection was lost");
  };
  bool is_sent = false;
  io::Event* sent = &stream.sent();
  for (;;) {
    stream.start_receive();
    co_await io::first_of(sent, &stream.received(), &call.timer, &call.gone);
    if (sent != nullptr && sent->is_ready()) {
      // A server that refuses may close before it has read all; what it said counts.
      is_sent = stream.take_sent().has_value();
      sent = nullptr;
    }
    if (stream.received().is_ready()) {
      const Result<io::Buffer> received = stream.take_received();
      if (!received) co_return lost();
      if (received->is_empty()) {
        if (!reader.take_end()) co_return lost();
        co_return false;
      }
      const Result<bool> is_whole = reader.take(received->bytes());
      if (!is_whole) co_return std::unexpected(is_whole.error());
      if (*is_whole) co_return is_sent&& reader.keeps_alive() && !stop.is_ready();
    }
    if (call.gone.is_ready()) co_return ended();
    if (call.timer.is_ready()) co_return late();
  }
}

Task<Result<LinkPtr>> Client::Parts::dial(Call& call) {
  const Result<net::AddressList> chosen = co_await find_addresses(call);
  if (!chosen) co_return std::unexpected(chosen.error());
  const Result<int> fd = co_await net::dial(ring, *chosen, {}, call.deadline, &call.gone);
  if (!fd) {
    addresses_until = MonoTime::min();
    if (call.gone.is_ready()) co_return ended();
    co_return std::unexpected(fd.error());
  }
  auto link = std::make_unique<Link>(ring, *fd);
  if (tls != nullptr) {
    Result<void> secured = fail(ErrorCode::kLimit, Side::kSelf, Retry::kYes, "no memory for TLS");
    if (tls->secure(link->stream)) {
      secured = co_await net::handshake(link->stream, call.deadline, &call.gone);
    }
    if (!secured) {
      co_await link->stream.close();
      if (call.gone.is_ready()) co_return ended();
      co_return std::unexpected(secured.error());
    }
  }
  co_return std::move(link);
}

Task<Result<net::AddressList>> Client::Parts::find_addresses(Call& call) {
  if (addresses.empty() || ring.now() >= addresses_until) {
    if (!std::exchange(is_looking_up, true)) io::start_detached(look_up(inside.enter()));
    call.waits_for_addresses = true;
    while (is_looking_up && !call.timer.is_ready() && !call.gone.is_ready()) {
      co_await io::first_of(&call.wake, &call.timer, &call.gone);
      call.wake.reset();
    }
    call.waits_for_addresses = false;
    if (call.gone.is_ready()) co_return ended();
    if (is_looking_up) co_return late();
    if (addresses.empty()) {
      co_return fail(ErrorCode::kUpstreamConnect, Side::kUpstream, Retry::kYes,
                     "its name is not known");
    }
  }
  const Result<net::AddressList> chosen =
      net::choose_addresses(addresses, options.private_addresses, next_address++);
  if (!chosen) {
    co_return fail(ErrorCode::kUpstreamConnect, Side::kSelf, Retry::kYes,
                   "its address may not be dialled (private_addresses)");
  }
  co_return *chosen;
}

Task<void> Client::Parts::look_up(shard::Gate::Pass) {
  const auto found = co_await resolver.find_addresses(url.host, url.port);
  addresses.clear();
  if (found) {
    addresses = found->addresses;
    addresses_until = ring.now() + std::min(found->valid_for, kAddressesMost);
  }
  is_looking_up = false;
  running.for_each([](Call& call) {
    if (call.waits_for_addresses) call.wake.trigger();
  });
}

LinkPtr Client::Parts::take_idle() {
  while (!idle.empty()) {
    LinkPtr link = std::move(idle.back());
    idle.pop_back();
    watch.remove(link->stream.received());
    const bool is_fit =
        link->stream.is_receiving() && ring.now() - link->idle_since < Client::kIdleMost;
    if (is_fit) return link;
    discard(std::move(link));
  }
  return nullptr;
}

void Client::Parts::keep(LinkPtr link) {
  // Its tickets have come by now.
  if (tls != nullptr) tls->remember(link->stream);
  link->stream.start_receive();
  // Bytes or the end may be there already; then it is of no use.
  if (!link->stream.is_receiving() || idle.size() >= kConnectionsMost) {
    discard(std::move(link));
    return;
  }
  link->idle_since = ring.now();
  watch.add(link->stream.received());
  idle.push_back(std::move(link));
  if (std::exchange(is_reaping, true)) return;
  reap_timer.set(Deadline::after(ring.now(), kIdleMost));
  io::start_detached(reap(inside.enter()));
}

Task<void> Client::Parts::reap(shard::Gate::Pass) {
  while (!idle.empty()) {
    co_await watch;
    std::vector<LinkPtr> fit;
    MonoTime soonest = MonoTime::max();
    for (LinkPtr& link : std::exchange(idle, {})) {
      const MonoTime until = link->idle_since + kIdleMost;
      if (!stop.is_ready() && link->stream.is_receiving() && ring.now() < until) {
        soonest = std::min(soonest, until);
        fit.push_back(std::move(link));
        continue;
      }
      watch.remove(link->stream.received());
      discard(std::move(link));
    }
    idle = std::move(fit);
    reap_timer.set(Deadline{soonest});
  }
  reap_timer.clear();
  is_reaping = false;
}

std::expected<std::unique_ptr<Client>, std::string> Client::make(io::Ring& ring,
                                                                 net::Resolver& resolver,
                                                                 ClientOptions options) {
  auto url = read_client_url(options.url);
  if (!url) return std::unexpected("the URL " + std::string(url.error()));
  if (write_head(*url, options, {.method = "GET", .path = {}, .content_type = {}, .body = {}})
          .empty()) {
    return std::unexpected("its headers are too long, or one has a name or value that none may");
  }
  std::unique_ptr<net::TlsClient> tls;
  if (url->is_https) {
    auto made = make_tls(*url, options);
    if (!made) return std::unexpected(std::move(made.error()));
    tls = *std::move(made);
  }
  return std::unique_ptr<Client>(new Client(std::make_unique<Parts>(
      ring, resolver, std::move(options), *std::move(url), std::move(tls))));
}

Client::Client(std::unique_ptr<Parts> parts) noexcept : parts_(std::move(parts)) {}
Client::~Client() = default;

Task<Result<ClientAnswer>> Client::get(std::string path, Deadline deadline) {
  return parts_->run({.method = "GET", .path = std::move(path), .content_type = {}, .body = {}},
                     deadline);
}

Task<Result<ClientAnswer>> Client::post(std::string path, std::string content_type,
                                        std::string body, Deadline deadline) {
  return parts_->run({.method = "POST",
                      .path = std::move(path),
                      .content_type = std::move(content_type),
                      .body = std::move(body)},
                     deadline);
}

Task<void> Client::end() {
  Parts& parts = *parts_;
  parts.stop.trigger();
  const auto cut = [](Call& call) { call.gone.trigger(); };
  parts.running.for_each(cut);
  parts.waiting.for_each(cut);
  while (parts.inside.inside() > 0) {
    parts.inside.emptied().reset();
    co_await io::first_of(&parts.inside.emptied());
  }
}

}  // namespace sluice::http
