// Documents of an issuer that a test writes.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <sluice/io/event.h>

#include "key_fetch.h"

#include "kept_lines.h"

namespace sluice::auth {

class FakeKeyFetch final : public KeyFetch {
 public:
  explicit FakeKeyFetch(io::Ring& ring) : released_(ring.ready()) {}

  Task<std::expected<FetchedDocument, std::string>> get(std::string url, Deadline) override {
    asked.push_back(url);
    if (hangs && !is_ended_) {
      released_.reset();
      co_await io::first_of(&released_);
    }
    const auto found = documents.find(url);
    if (is_ended_ || found == documents.end()) co_return std::unexpected(url + ": is down");
    co_return found->second;
  }
  Task<void> end() override {
    is_ended_ = true;
    released_.trigger();
    co_return;
  }
  void release() {
    hangs = false;
    released_.trigger();
  }

  std::map<std::string, FetchedDocument> documents;
  std::vector<std::string> asked;
  bool hangs = false;

 private:
  io::Event released_;
  bool is_ended_ = false;
};

}  // namespace sluice::auth
