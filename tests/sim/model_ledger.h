// The rules of the ledger, in C++: for simulations, and to compare the script with.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <sluice/control/ledger.h>

namespace sluice::support {

// Can be copied: a replica that is behind is an older copy.
class ModelLedger {
 public:
  // As the server would at `now`, in microseconds since the epoch by its clock.
  [[nodiscard]] control::LedgerReply answer(const std::string& gateway,
                                            const control::LedgerCall& call, int64_t now);

 private:
  struct Bucket {
    int64_t since = 0;
    std::map<std::string, int64_t> heard;
  };
  struct Greeting {
    int64_t since = 0;
    int64_t learns = 0;
    int64_t active = 1;
    bool is_learning = false;
    bool is_known = false;
  };
  struct Part {
    int64_t part = 0;
    int64_t held = 0;
    int64_t want = 0;
    int64_t ends = 0;
    int64_t freed = 0;
    int64_t freed_until = 0;
  };
  struct Subject {
    int64_t expires = 0;
    int64_t turn = 0;
    int64_t low = 0;
    int64_t before = 0;
    std::map<int64_t, int64_t> slots;
    int64_t last_slot = 0;
    std::map<std::string, Part> parts;
  };
  // An answer with moments instead of times.
  struct Told {
    int64_t granted = 0;
    int64_t slot = 0;
    int64_t ends = 0;
    int64_t remaining = 0;
    int64_t returns = 0;
    int64_t most = 0;
    int64_t gateways = 1;
    int64_t cap = 0;
  };
  struct Kept {
    uint64_t batch = 0;
    std::map<uint32_t, Greeting> greetings;
    std::vector<Told> told;
    int64_t expires = 0;
  };

  [[nodiscard]] Greeting greet(uint32_t bucket, const std::string& gateway, int64_t known,
                               int64_t now);
  [[nodiscard]] Subject& subject_of(const limit::BankKey& key, int64_t now);
  [[nodiscard]] static int64_t lowest(Subject& subject, int64_t most, int64_t now);
  [[nodiscard]] Told grant(const control::LedgerAsk& ask, const Greeting& bucket, int64_t now);
  [[nodiscard]] Told split(const control::LedgerAsk& ask, const Greeting& bucket,
                           const std::string& gateway, int64_t now);

  std::map<uint32_t, Bucket> buckets_;
  std::map<std::pair<uint64_t, uint64_t>, Subject> subjects_;
  std::map<std::pair<std::string, uint32_t>, Kept> kept_;
};

}  // namespace sluice::support
