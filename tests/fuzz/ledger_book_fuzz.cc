// Whatever a ledger answers, in whatever order and however late: credit is never negative, nothing
// is given back that was not granted, and what is asked keeps its bounds. Whatever a note of a
// predecessor says is gone on from or ignored.
#include <sluice/control/ledger_book.h>

#include <algorithm>
#include <array>
#include <memory>
#include <span>

#include "fuzz_pieces.h"

namespace {

using namespace sluice;
using namespace sluice::control;
using fuzz::expect;
using limit::Bank;
using limit::BankTable;
using limit::BankTerms;

constexpr size_t kStepsMax = 200;
constexpr int64_t kNumberMost = int64_t{1} << 53;  // What a script can say exactly.
constexpr std::array<int64_t, 16> kNumbers = {0,
                                              1,
                                              2,
                                              3,
                                              10,
                                              100,
                                              1'000,
                                              15'000,
                                              60'000,
                                              1'000'000,
                                              2'000'000,
                                              int64_t{1} << 31,
                                              10'000'000'000'000,
                                              kNumberMost - 1,
                                              kNumberMost,
                                              77};

class Input {
 public:
  Input(const uint8_t* bytes, size_t size) : rest_(bytes, size) {}
  [[nodiscard]] bool is_empty() const { return rest_.empty(); }
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const uint8_t value = rest_.front();
    rest_ = rest_.subspan(1);
    return value;
  }
  // Two numbers a byte.
  std::array<int64_t, 2> numbers() {
    const uint8_t value = byte();
    return {kNumbers[value & 15], kNumbers[value >> 4]};
  }
  std::string_view text(size_t most) {
    const std::span<const uint8_t> taken = rest_.first(std::min(most, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

 private:
  std::span<const uint8_t> rest_;
};

class World {
 public:
  explicit World(std::string_view note)
      : banks_(*BankTable::make(
            {.subjects_max = 64, .now = MonoTime{}, .wall = {1'700'000'000'000'000}})),
        book_(std::make_unique<LedgerBook>(parts(), note)) {
    constexpr std::array kKinds = {BankTerms::Kind::kRolling, BankTerms::Kind::kConcurrent};
    for (uint64_t i = 0; i < kKinds.size(); ++i) {
      const bool is_rolling = kKinds[i] == BankTerms::Kind::kRolling;
      opened_.push_back(banks_->open(
          {1 + i, 2}, {.kind = kKinds[i],
                       .most = 1'000,
                       .length = is_rolling ? microseconds(seconds(60)) : microseconds(0)}));
      expect(opened_.back() != nullptr, "there is room for a bank");
    }
  }
  ~World() {
    book_.reset();
    for (Bank* bank : opened_) banks_->close(*bank);
  }
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  void step(Input& input) {
    const uint8_t what = input.byte();
    switch (what % 6) {
      case 0: ask(*opened_[what >> 4 & 1], input.numbers()[0]); break;
      case 1: tick(1 + (what >> 3)); break;
      case 2:
      case 3: answer(input, what % 12 < 6); break;
      case 4: lose(); break;
      default: pass_on(what >> 3); break;
    }
    check();
  }

 private:
  [[nodiscard]] LedgerBook::Parts parts() {
    return {.banks = *banks_, .gateways = 2, .tick = microseconds(20'000)};
  }
  [[nodiscard]] limit::LimitTime now() const { return banks_->clock().at(mono_); }

  void ask(Bank& bank, int64_t amount) {
    bank.ask(std::min<int64_t>(amount, 1'000));
    banks_->mark(bank);
    banks_->ask(ShardId{3});
    book_->look(now());
  }

  void tick(int times) {
    for (int i = 0; i < times; ++i) {
      mono_ += milliseconds(20);
      book_->tick(now());
    }
  }

  [[nodiscard]] const LedgerCall* next() {
    const LedgerCall* const call = book_->next_call(now());
    if (call == nullptr) return nullptr;
    expect(call->lane < Ledger::kLanes && call->asks.size() <= Ledger::kAsksMost,
           "a call has its bounds");
    for (const LedgerAsk& ask : call->asks) {
      expect(ask.want >= 0 && ask.least >= 0 && ask.returned >= 0 && ask.owed >= 0 && ask.most >= 0,
             "amounts are not negative");
      expect(ask.kind == LedgerKind::kSplit || ask.returned <= granted_,
             "what was not granted "
             "is not given back");
    }
    return call;
  }

  void answer(Input& input, bool is_whole) {
    const LedgerCall* const call = next();
    if (call == nullptr) return;
    const auto [late, since] = input.numbers();
    mono_ += microseconds(std::min<int64_t>(late, 2'000'000));
    LedgerReply reply;
    reply.answers.resize(call->asks.size());
    for (LedgerAnswer& told : reply.answers) {
      const auto [granted, slot] = input.numbers();
      const auto [lives, remaining] = input.numbers();
      const auto [returns, most] = input.numbers();
      const auto [gateways, cap] = input.numbers();
      told = {.is_answered = is_whole || granted != 3,
              .granted = granted,
              .slot = slot,
              .lives = microseconds(lives),
              .remaining = remaining,
              .returns = microseconds(returns),
              .most = most,
              .gateways = gateways,
              .cap = cap};
      if (told.is_answered) granted_ += granted;
    }
    const auto [learning, odd] = input.numbers();
    reply.buckets.fill(
        {.is_answered = is_whole || odd != 2, .since = since, .learning = microseconds(learning)});
    book_->on_reply(call->lane, reply, now());
  }

  void lose() {
    if (const LedgerCall* const call = next()) book_->on_loss(call->lane, now());
  }

  // To a successor's book, which shares the banks.
  void pass_on(size_t room) {
    if (book_->has_calls_in_flight()) return;
    const std::string note = book_->leave(room < 8 ? room * 64 : 1u << 16);
    book_ = std::make_unique<LedgerBook>(parts(), note);
    expect(book_->was_restored(), "a book goes on from its own note");
  }

  void check() {
    for (Bank* bank : opened_) expect(bank->credit(now()) >= 0, "credit is not negative");
    expect(book_->hot_count() <= opened_.size(), "no more subjects are hot than there are");
    (void)book_->take_answered();
    (void)book_->take_differing();
  }

  MonoTime mono_{seconds(1'000)};
  std::unique_ptr<BankTable> banks_;
  std::vector<Bank*> opened_;
  std::unique_ptr<LedgerBook> book_;
  int64_t granted_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  if (size < 2) return 0;
  Input input(bytes, size);
  const uint8_t first = input.byte();
  World world(first < 32 ? input.text(first * 8u) : std::string_view());
  for (size_t i = 0; i < kStepsMax && !input.is_empty(); ++i) world.step(input);
  return 0;
}
