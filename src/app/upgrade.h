// The predecessor's side of an upgrade: has the successor started, hands over, or goes on.
#pragma once

#include <optional>
#include <span>
#include <string>

#include <sluice/control/spend_heir.h>
#include <sluice/control/succession.h>
#include <sluice/io/ring.h>

#include "hand_over.h"
#include "starter.h"

namespace sluice::app {

// What is handed over; by the gateway.
class Estate {
 public:
  virtual ~Estate() = default;
  // From now on the files stay where they are and the key store does not change, until there is a
  // successor or there is none. What was begun ends: is_at_rest() says when.
  virtual void close_books() = 0;
  [[nodiscard]] virtual bool is_at_rest() = 0;
  // The successor is ready: nothing is written any more. What was recorded before still is:
  // has_stopped() says when, or in a sentence why it will not.
  virtual void stop_writing() = 0;
  [[nodiscard]] virtual std::expected<bool, std::string> has_stopped() = 0;
  // Everything that a successor may take, by descriptors that stay this process's.
  [[nodiscard]] virtual std::expected<HandOver, std::string> open_estate() = 0;
  // There is no successor: goes on as before. Also without close_books().
  virtual void keep_estate() = 0;
  // The successor is ready and has `taken` those names: admits nothing any more, passes idle
  // connections on through `connections`, which is taken over.
  virtual void leave_estate(std::span<const std::string> taken, int connections,
                            control::SpendHeir& heir) = 0;
};

// Lives as long as the process: its channel to the successor tells that one when it ends.
class Upgrade final : public control::Succession, private control::SpendHeir {
 public:
  // A null starter can start nothing; `why_not` says why.
  Upgrade(io::Ring& ring, const Starter* starter, std::string why_not, Estate& estate);
  ~Upgrade() override;

  Task<control::UpgradeOutcome> run(Duration patience) override;
  void give_up() noexcept override;

 private:
  // How long an order to the starter may take, and the longest time between two looks.
  static constexpr Duration kStarterPatience = seconds(5);
  static constexpr Duration kLook = milliseconds(50);
  // The same while the successor waits, ready.
  static constexpr Duration kSoonLook = milliseconds(2);
  // Of the starter, that are passed over before it is asked.
  static constexpr int kOldReportsMost = 64;

  // control::SpendHeir.
  [[nodiscard]] Fate take(std::string_view batch) override;

  enum class Turn : uint8_t { kWord, kStarter, kLate };
  // Until the successor or the starter has said something, or it is too late.
  Task<Turn> wait(Deadline deadline);
  Task<std::string> start(Deadline deadline);
  Task<std::string> hand_over(Deadline deadline);
  // What stands in the channels now, "" when nothing is wrong.
  [[nodiscard]] std::string hear_starter();
  void forget_reports() noexcept;
  // A sentence when the successor, which is ready, has not waited.
  [[nodiscard]] std::string look_at_successor();
  [[nodiscard]] std::string hear_successor();
  [[nodiscard]] std::string give();
  // Until the books are at rest; a sentence if they will not be.
  Task<std::string> close_books(Deadline deadline);
  // Until the last record is written.
  Task<std::string> stop_writing(Deadline deadline);
  [[nodiscard]] std::string why_over() const;
  // What has been started is to end, and must not serve. At once, as far as this process can say.
  void tell_to_end() noexcept;
  // Until it has ended.
  Task<void> end_successor();
  void close_channels() noexcept;

  io::Ring& ring_;
  const Starter* starter_;
  std::string why_not_;
  Estate& estate_;
  int channel_ = -1;
  int connections_ = -1;      // This process's end.
  int connections_far_ = -1;  // The successor's, until it has it.
  StarterReport last_;
  int64_t pid_ = 0;
  std::string version_;
  std::optional<SuccessorWord> word_;
  bool is_started_ = false;
  bool has_ended_ = false;  // The successor, by the starter.
  bool is_asked_ = false;   // The successor is prepared, and waits.
  bool has_given_ = false;
  bool is_given_up_ = false;
};

}  // namespace sluice::app
