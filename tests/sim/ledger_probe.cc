// The ledger's script, or its rules in C++ told by lines on the standard input:
//
//   ledger_probe script            prints the script
//   ledger_probe model             for each line a line of numbers, as the script answers
//
// A line is: now gateway lane batch subjects, since when each bucket is known, and of each subject
// rule, subject, then LedgerAsk in order from `kind`.

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <sstream>
#include <string>

#include "model_ledger.h"

namespace sluice {
namespace {

control::LedgerCall read_call(std::istringstream& words) {
  control::LedgerCall call;
  size_t subjects = 0;
  words >> call.lane >> call.batch >> subjects;
  for (int64_t& since : call.since) words >> since;
  call.greets_all = true;
  for (size_t i = 0; i < subjects; ++i) {
    control::LedgerAsk ask;
    uint32_t kind = 0;
    int64_t length = 0;
    words >> ask.key.rule >> ask.key.subject >> kind >> ask.most >> length >> ask.want >>
        ask.least >> ask.returned >> ask.return_slot >> ask.owed;
    ask.kind = static_cast<control::LedgerKind>(kind);
    ask.length = microseconds(length);
    call.asks.push_back(ask);
  }
  return call;
}

void print(const control::LedgerReply& reply) {
  for (const control::LedgerBucket& bucket : reply.buckets) {
    std::cout << bucket.since << ' ' << bucket.learning.count() << ' ';
  }
  for (const control::LedgerAnswer& answer : reply.answers) {
    for (const int64_t number :
         {answer.granted, answer.slot, int64_t{answer.lives.count()}, answer.remaining,
          int64_t{answer.returns.count()}, answer.most, answer.gateways, answer.cap}) {
      std::cout << number << ' ';
    }
  }
  std::cout << std::endl;
}

int answer_lines() {
  support::ModelLedger ledger;
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    int64_t now = 0;
    std::string gateway;
    words >> now >> gateway;
    const control::LedgerCall call = read_call(words);
    for (const control::LedgerAsk& ask : call.asks) {
      if (control::bucket_of(ask.key) >= control::kLedgerBuckets) return 1;
    }
    print(ledger.answer(gateway, call, now));
  }
  return 0;
}

}  // namespace
}  // namespace sluice

int main(int count, char** arguments) {
  if (count == 2 && std::string(arguments[1]) == "script") {
    std::cout << sluice::control::ledger_script();
    return 0;
  }
  if (count == 2 && std::string(arguments[1]) == "model") return sluice::answer_lines();
  std::fputs("usage: ledger_probe script|model\n", stderr);
  return 2;
}
