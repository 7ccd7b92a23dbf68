// Descriptors of the simulated kernel, and the system calls that make them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <sluice/io/syscalls.h>

#include "sim_net.h"

namespace sluice::support {

// An open file: lives until its descriptor is closed and no operation is armed on it, as in Linux.
struct SimFile {
  int fd = -1;
  bool is_eventfd = false;
  bool is_open = true;
  bool is_gone = false;
  bool shares_port = false;
  bool is_connecting = false;
  bool is_sending = false;  // An armed send; a second one would interleave with it.
  uint32_t ops = 0;         // Armed operations.
  uint32_t window = 64 * 1024;
  std::optional<int> connect_error;  // Set when a connect has ended; 0 for success.
  std::optional<net::Address> bound;
  SimListener* listener = nullptr;
  End* end = nullptr;
  uint64_t count = 0;  // Of an eventfd.
};

// Numbers from 1000 on, the lowest free one first: a use after close meets the next owner, as it
// would in earnest.
class SimFiles {
 public:
  static constexpr int kFirst = 1000;

  explicit SimFiles(SimNet& net) noexcept : net_(net) {}
  SimFile& open();
  // Null when the descriptor is not open.
  [[nodiscard]] SimFile* find(int fd);
  // Takes the number away; the file itself goes when its last operation has ended.
  void close(SimFile& file);
  void end_op(SimFile& file);
  [[nodiscard]] size_t open_count() const noexcept { return open_.size(); }
  [[nodiscard]] std::string describe() const;

 private:
  void release_if_last(SimFile& file);

  SimNet& net_;
  std::map<int, SimFile*> open_;
  std::vector<std::unique_ptr<SimFile>> all_;
};

class SimSyscalls final : public io::Syscalls {
 public:
  SimSyscalls(SimFiles& files, SimNet& net, const FaultPlan& plan, Prng prng)
      : files_(files), net_(net), plan_(plan), prng_(prng) {}

  [[nodiscard]] Result<int> open_socket(int family) override;
  [[nodiscard]] Result<void> set_option(int fd, int level, int name, int value) override;
  [[nodiscard]] Result<void> bind(int fd, const sockaddr* address, socklen_t length) override;
  [[nodiscard]] Result<void> listen(int fd, int backlog) override;
  [[nodiscard]] Result<void> local_address(int fd, sockaddr* address, socklen_t* length) override;
  [[nodiscard]] Result<void> peer_address(int fd, sockaddr* address, socklen_t* length) override;
  // How often it was asked.
  [[nodiscard]] uint64_t peer_addresses() const noexcept { return peer_addresses_; }
  [[nodiscard]] Result<int> open_eventfd() override;
  void signal_eventfd(int fd) noexcept override;
  void close(int fd) noexcept override;
  void shut_down(int fd) noexcept override;
  void send_now(int fd, std::string_view bytes) noexcept override;
  void shut_down_sending(int fd) noexcept override;
  [[nodiscard]] uint64_t acknowledged_bytes(int fd) noexcept override;

 private:
  SimFiles& files_;
  SimNet& net_;
  const FaultPlan& plan_;
  Prng prng_;
  uint64_t peer_addresses_ = 0;
};

}  // namespace sluice::support
