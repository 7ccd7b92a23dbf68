// A name server for tests, on the loopback's ports that the kernel chose. Answers when it is
// served.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include <sluice/base/assert.h>

namespace sluice::net {

class NameServer {
 public:
  static constexpr uint16_t kA = 1;
  static constexpr uint16_t kAlias = 5;
  static constexpr uint16_t kAaaa = 28;
  static constexpr uint16_t kService = 33;

  NameServer() {
    // Both by one port; the kernel chooses it for one of them only.
    for (int tries = 0; tries < 100 && tcp_ < 0; ++tries) {
      if (udp_ >= 0) ::close(udp_);
      udp_ = open(SOCK_DGRAM, 0);
      sockaddr_in address{};
      socklen_t length = sizeof address;
      SLUICE_ASSERT(::getsockname(udp_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
      port_ = ntohs(address.sin_port);
      tcp_ = open(SOCK_STREAM, port_);
    }
    SLUICE_ASSERT(tcp_ >= 0 && ::listen(tcp_, 4) == 0);
  }
  ~NameServer() {
    for (const int fd : {udp_, tcp_, accepted_}) {
      if (fd >= 0) ::close(fd);
    }
  }
  NameServer(const NameServer&) = delete;
  NameServer& operator=(const NameServer&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  void add(const std::string& name, uint16_t type, uint32_t ttl_s, std::string value) {
    records_[name].push_back({type, ttl_s, std::move(value)});
  }
  void add_v4(const std::string& name, uint32_t ttl_s, const char* address) {
    std::string value(4, '\0');
    SLUICE_ASSERT(::inet_pton(AF_INET, address, value.data()) == 1);
    add(name, kA, ttl_s, value);
  }
  void add_v6(const std::string& name, uint32_t ttl_s, const char* address) {
    std::string value(16, '\0');
    SLUICE_ASSERT(::inet_pton(AF_INET6, address, value.data()) == 1);
    add(name, kAaaa, ttl_s, value);
  }
  void add_service(const std::string& name, uint16_t priority, uint16_t weight, uint16_t port,
                   const std::string& host) {
    add(name, kService, 60, two(priority) + two(weight) + two(port) + encode(host));
  }
  [[nodiscard]] static std::string encode(const std::string& name) {
    std::string bytes;
    for (size_t at = 0; at < name.size();) {
      const size_t dot = std::min(name.find('.', at), name.size());
      bytes += static_cast<char>(dot - at) + name.substr(at, dot - at);
      at = dot + 1;
    }
    return bytes + '\0';
  }

  // What the server does with questions, for tests of a hostile or dead one.
  bool is_silent = false;
  bool is_garbled = false;
  bool is_cut_short = false;  // Answers over UDP say so, that TCP be tried.
  int questions = 0;
  int questions_by_tcp = 0;

  // Answers what has come. Does not wait.
  void serve() {
    char bytes[2048];
    sockaddr_in from{};
    socklen_t length = sizeof from;
    for (;;) {
      const ssize_t count = ::recvfrom(udp_, bytes, sizeof bytes, MSG_DONTWAIT,
                                       reinterpret_cast<sockaddr*>(&from), &length);
      if (count < 12) break;
      ++questions;
      if (is_silent) continue;
      std::string answer = answer_to({bytes, static_cast<size_t>(count)}, is_cut_short);
      if (is_garbled) answer.replace(12, std::string::npos, "\xff\xff\xff\xff");
      ::sendto(udp_, answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    }
    serve_tcp();
  }

 private:
  struct Record {
    uint16_t type;
    uint32_t ttl_s;
    std::string value;
  };

  static int open(int type, uint16_t port) {
    const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    ::close(fd);
    return -1;
  }

  void serve_tcp() {
    if (accepted_ < 0) accepted_ = ::accept4(tcp_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted_ < 0) return;
    char bytes[2048];
    const ssize_t count = ::recv(accepted_, bytes, sizeof bytes, MSG_DONTWAIT);
    if (count > 0) heard_.append(bytes, static_cast<size_t>(count));
    while (heard_.size() >= 2) {
      const size_t size = read_two(heard_, 0);
      if (heard_.size() < 2 + size) break;
      ++questions_by_tcp;
      const std::string answer = answer_to(heard_.substr(2, size), false);
      const std::string framed = two(static_cast<uint16_t>(answer.size())) + answer;
      ::send(accepted_, framed.data(), framed.size(), MSG_NOSIGNAL);
      heard_.erase(0, 2 + size);
    }
  }

  static std::string two(uint16_t number) {
    return {static_cast<char>(number >> 8), static_cast<char>(number & 0xff)};
  }
  static uint16_t read_two(const std::string& bytes, size_t at) {
    return static_cast<uint16_t>(static_cast<uint8_t>(bytes[at]) << 8 |
                                 static_cast<uint8_t>(bytes[at + 1]));
  }

  std::string answer_to(const std::string& question, bool is_cut) const {
    std::string name;
    size_t at = 12;
    while (question[at] != 0) {
      const auto size = static_cast<size_t>(question[at]);
      name += (name.empty() ? "" : ".") + question.substr(at + 1, size);
      at += size + 1;
    }
    const uint16_t type = read_two(question, at + 1);
    std::string answers;
    uint16_t count = 0;
    const auto found = records_.find(name);
    if (found != records_.end() && !is_cut) {
      for (const Record& record : found->second) {
        if (record.type != type && record.type != kAlias) continue;
        // An alias's records follow under the same name, which c-ares does not mind.
        answers += std::string("\xc0\x0c", 2) + two(record.type) + two(1) +
                   two(static_cast<uint16_t>(record.ttl_s >> 16)) +
                   two(static_cast<uint16_t>(record.ttl_s & 0xffff)) +
                   two(static_cast<uint16_t>(record.value.size())) + record.value;
        ++count;
      }
    }
    const uint16_t failure = found == records_.end() ? 3 : 0;  // No such name.
    const uint16_t flags = static_cast<uint16_t>(0x8180 | (is_cut ? 0x0200 : 0) | failure);
    return question.substr(0, 2) + two(flags) + two(1) + two(count) + two(0) + two(0) +
           question.substr(12, at + 5 - 12) + answers;
  }

  int udp_ = -1;
  int tcp_ = -1;
  int accepted_ = -1;
  uint16_t port_ = 0;
  std::string heard_;
  std::map<std::string, std::vector<Record>> records_;
};

}  // namespace sluice::net
