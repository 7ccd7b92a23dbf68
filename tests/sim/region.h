// A region: gateways of several shards, their ledger, upstreams and clients of both protocols, in
// one simulated world, all drawn from one seed; and what must hold of it at every step.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "answer_checker.h"
#include "client.h"
#include "gateway.h"
#include "outside_parties.h"
#include "provider.h"
#include "region_plan.h"
#include "sim_threads.h"

namespace sluice::sim {

struct RegionFigures {
  uint64_t exchanges = 0;  // Settled.
  uint64_t answered = 0;   // Whole, as their clients saw it.
  uint64_t broken = 0;
  uint64_t refused = 0;  // 429.
  uint64_t by_http2 = 0;
  uint64_t upgrades = 0;
  uint64_t steps = 0;
};

class Region {
 public:
  explicit Region(const RegionPlan& plan);
  ~Region();
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  // Until every client is gone and every gateway has ended; failures are those of GoogleTest.
  void play();

  [[nodiscard]] const RegionFigures& figures() const noexcept { return figures_; }
  [[nodiscard]] uint64_t trace_hash() const noexcept { return world_.trace_hash(); }
  // Whether somebody else has noted a failure of this region; asked at every step.
  std::function<bool()> when_looked;
  // What happened last, for reports.
  [[nodiscard]] std::string last_events() const;

 private:
  static constexpr uint64_t kStepsMax = 20'000'000;
  static constexpr size_t kNotesKept = 40;
  // How long a request may take that nobody holds up, by all the timeouts that are drawn.
  static constexpr Duration kPatience = seconds(240);
  // The same for a client that reads slowly, which is bounded by the bytes it is to get.
  static constexpr Duration kPatienceWithSlow = seconds(2400);
  // From the last client's end until nothing of it is left anywhere.
  static constexpr Duration kAftermath = seconds(60);
  // From admission to the upstream: lines, connects, attempts that failed.
  static constexpr Duration kAdmissionToUpstream = seconds(20);

  // A gateway and its successors; limits without a ledger are of one line.
  struct Line {
    net::Address address;
    std::vector<std::unique_ptr<SimLedger>> ledgers;
    std::vector<std::unique_ptr<Gateway>> gateways;  // The last one serves.
    std::string config;
  };
  struct Conversation {
    Caller* caller = nullptr;
    bool speaks_http2 = false;
    bool is_slow = false;
    std::vector<BodyWatch> watches;
  };
  struct Account {
    std::string tag;
    bool is_settled = false;
  };

  // region.cc: how it comes to be.
  void start_upstreams();
  void start_line(Line& line);
  void start_clients();
  void start_client(size_t number);
  [[nodiscard]] ClientPlan plan_client(size_t number);
  void plan_leaving(ClientPlan& plan, support::Prng& random);
  void plan_interventions();
  void plan_outages();
  void upgrade(Line& line);
  void reload(Line& line);

  // region_checks.cc: what must hold.
  void look();
  void take_record(const telemetry::AccessRecord& record);
  void take_spend(size_t gateway, const usage::SpendRecord& record);
  void check_spend(const usage::SpendRecord& record);
  void on_sent(size_t conversation, size_t index);
  void on_heard(size_t conversation, size_t index);
  void on_request(uint32_t upstream, ProviderPeer& peer);
  void check_rate(const std::string& tag);
  void check_concurrency();
  void check_places(uint32_t upstream);
  void note_config(const std::string& config);
  [[nodiscard]] int64_t lines_that_count() const;
  [[nodiscard]] int64_t allowed_by_loss(int64_t most) const;
  void check_conversations();
  void check_answers(const Conversation& conversation);
  void check_settled(const Asked& asked);
  void note(const std::string& what);
  void fail(const std::string& what);

  void run_until(const std::function<bool()>& is_done);
  void settle_down();
  void end_gateways();

  RegionPlan plan_;
  support::SimWorld world_;
  support::SimThreads threads_;
  Playbook playbook_;
  LedgerSite ledger_site_;
  SimResolver resolver_;
  support::Prng prng_;
  std::vector<Line> lines_;
  std::vector<Conversation> conversations_;
  std::vector<std::vector<ProviderPeer*>> peers_;          // By upstream.
  std::deque<std::pair<MonoTime, std::string>> arrivals_;  // First ones, of the last minute.
  std::set<std::string> arrived_;
  std::vector<uint32_t> places_most_;  // By upstream, over all configurations; 0 is no limit.
  std::map<std::string, telemetry::AccessRecord, std::less<>> records_;
  std::map<std::string, usage::SpendRecord, std::less<>> spends_;
  std::map<std::pair<size_t, uint64_t>, Account> accounts_;
  std::deque<std::string> notes_;
  RegionFigures figures_;
  uint32_t generation_ = 0;
  uint32_t gateways_ever_ = 0;
  bool has_failed_ = false;
};

}  // namespace sluice::sim
