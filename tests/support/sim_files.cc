#include "sim_files.h"

#include <gtest/gtest.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sluice::support {
namespace {

Unexpected failed(int error, std::string_view call) {
  errno = error;
  const bool is_limit = error == EMFILE || error == ENFILE;
  return fail(is_limit ? ErrorCode::kLimit : ErrorCode::kIo, Side::kSelf, call);
}

}  // namespace

SimFile& SimFiles::open() {
  int fd = kFirst;
  while (open_.contains(fd)) ++fd;
  all_.push_back(std::make_unique<SimFile>());
  SimFile& file = *all_.back();
  file.fd = fd;
  open_[fd] = &file;
  return file;
}

SimFile* SimFiles::find(int fd) {
  const auto found = open_.find(fd);
  return found == open_.end() ? nullptr : found->second;
}

void SimFiles::close(SimFile& file) {
  open_.erase(file.fd);
  file.is_open = false;
  release_if_last(file);
}

void SimFiles::end_op(SimFile& file) {
  --file.ops;
  release_if_last(file);
}

void SimFiles::release_if_last(SimFile& file) {
  if (file.is_open || file.ops > 0 || file.is_gone) return;
  file.is_gone = true;
  if (file.end != nullptr) net_.close(*file.end);
  if (file.listener != nullptr) net_.close(*file.listener);
}

std::string SimFiles::describe() const {
  std::string text;
  for (const auto& [fd, file] : open_) {
    text += "\n  fd " + std::to_string(fd);
    if (file->is_eventfd) text += " eventfd " + std::to_string(file->count);
    if (file->listener != nullptr) {
      text += " listener, waiting " + std::to_string(file->listener->backlog.size());
    }
    if (file->end == nullptr) continue;
    const End& end = *file->end;
    text += " end " + std::to_string(end.id) + ", unread " + std::to_string(end.inbox.size()) +
            ", unread there " + std::to_string(end.other->inbox.size());
    if (end.fin_sent) text += ", fin sent";
    if (end.fin_received) text += ", fin received";
    if (end.is_reset) text += ", reset";
  }
  return text;
}

Result<int> SimSyscalls::open_socket(int) {
  if (prng_.chance(plan_.no_descriptor)) return failed(EMFILE, "socket");
  return files_.open().fd;
}

Result<void> SimSyscalls::set_option(int fd, int level, int name, int value) {
  SimFile* file = files_.find(fd);
  if (file == nullptr) return failed(EBADF, "setsockopt");
  if (level == SOL_SOCKET && name == SO_REUSEPORT) file->shares_port = value != 0;
  if (level == SOL_SOCKET && name == SO_RCVBUF) file->window = static_cast<uint32_t>(value);
  return {};
}

Result<void> SimSyscalls::bind(int fd, const sockaddr* address, socklen_t length) {
  SimFile* file = files_.find(fd);
  if (file == nullptr) return failed(EBADF, "bind");
  if (file->bound) return failed(EINVAL, "bind");
  file->bound.emplace();
  std::memcpy(&file->bound->storage, address, length);
  file->bound->length = length;
  // Linux reports a taken port here, so the listener is made here and opened by listen().
  file->listener = net_.listen(*file->bound, file->shares_port);
  if (file->listener == nullptr) {
    file->bound.reset();
    return failed(EADDRINUSE, "bind");
  }
  file->bound = file->listener->address;
  file->listener->is_shut = true;
  return {};
}

Result<void> SimSyscalls::listen(int fd, int) {
  SimFile* file = files_.find(fd);
  if (file == nullptr) return failed(EBADF, "listen");
  if (file->listener == nullptr) return failed(EDESTADDRREQ, "listen");
  file->listener->is_shut = false;
  return {};
}

Result<void> SimSyscalls::local_address(int fd, sockaddr* address, socklen_t* length) {
  SimFile* file = files_.find(fd);
  if (file == nullptr) return failed(EBADF, "getsockname");
  if (!file->bound) return failed(EOPNOTSUPP, "getsockname");
  std::memcpy(address, &file->bound->storage, std::min(*length, file->bound->length));
  *length = file->bound->length;
  return {};
}

Result<void> SimSyscalls::peer_address(int fd, sockaddr* address, socklen_t* length) {
  ++peer_addresses_;
  const SimFile* file = files_.find(fd);
  if (file == nullptr) return failed(EBADF, "getpeername");
  if (file->end == nullptr || file->end->is_reset) return failed(ENOTCONN, "getpeername");
  const net::Address& peer = file->end->other->address;
  std::memcpy(address, &peer.storage, std::min(*length, peer.length));
  *length = peer.length;
  return {};
}

Result<int> SimSyscalls::open_eventfd() {
  SimFile& file = files_.open();
  file.is_eventfd = true;
  return file.fd;
}

void SimSyscalls::shut_down(int fd) noexcept {
  SimFile* file = files_.find(fd);
  if (file == nullptr) return;
  if (file->end != nullptr) {
    net_.shut_read(*file->end);
    net_.shut_write(*file->end);
  } else if (file->listener != nullptr) {
    file->listener->is_shut = true;
  } else if (file->is_connecting) {
    file->is_connecting = false;
    file->connect_error = ECONNABORTED;
  }
}

void SimSyscalls::send_now(int fd, std::string_view bytes) noexcept {
  SimFile* file = files_.find(fd);
  if (file == nullptr || file->end == nullptr) return;
  if (file->is_sending) ADD_FAILURE() << "send_now() beside a send in flight";
  [[maybe_unused]] const int64_t sent = net_.write(*file->end, bytes);
}

void SimSyscalls::shut_down_sending(int fd) noexcept {
  SimFile* file = files_.find(fd);
  if (file != nullptr && file->end != nullptr) net_.shut_write(*file->end);
}

void SimSyscalls::signal_eventfd(int fd) noexcept {
  SimFile* file = files_.find(fd);
  if (file != nullptr) ++file->count;
}

void SimSyscalls::close(int fd) noexcept {
  SimFile* file = files_.find(fd);
  if (file != nullptr) files_.close(*file);
}

uint64_t SimSyscalls::acknowledged_bytes(int fd) noexcept {
  const SimFile* file = files_.find(fd);
  return file == nullptr || file->end == nullptr ? 0 : file->end->other->bytes_arrived;
}

}  // namespace sluice::support
