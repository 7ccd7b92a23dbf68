// What must hold of everything that a scene's clients and the shard's records have seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "answer_checker.h"
#include "scene.h"

namespace sluice::sim {

void Scene::play() {
  bool is_over = false;
  for (Client* client : clients_) {
    shard_.world().after(kPatience, [client] {
      if (client->is_over()) return;
      ADD_FAILURE() << "a client still waits after " << client->reader().complete_count() << " of "
                    << client->sent_count() << " answers";
      client->leave();
    });
  }
  is_over = shard_.run_until([this] {
    return std::ranges::all_of(clients_, [](const Client* client) { return client->is_over(); });
  });
  if (!is_over) return;
  shard_.expect_clean_end();
  for (const Client* client : clients_) check_client(*client);
  check_records();
}

void Scene::check_client(const Client& client) {
  const AnswerReader& reader = client.reader();
  EXPECT_EQ(reader.fault(), "");
  ASSERT_LE(reader.answers().size(), client.sent_count());
  for (size_t i = 0; i < reader.answers().size(); ++i) {
    const Answer& answer = reader.answers()[i];
    answer.is_complete ? ++answered_ : ++broken_;
    AnswerChecker(playbook_, is_hostile()).check(client.plan().requests[i], answer);
  }
  if (!is_hostile()) {
    EXPECT_EQ(reader.complete_count(), client.plan().requests.size());
  }
}

void Scene::check_records() {
  std::set<std::string> seen;
  size_t sent = 0;
  for (const Settled& settled : shard_.records()) {
    EXPECT_TRUE(seen.insert(settled.request_id).second)
        << settled.request_id << " was settled twice";
  }
  for (const Client* client : clients_) {
    sent += client->sent_count();
    const std::vector<Answer>& answers = client->reader().answers();
    for (size_t i = 0; i < answers.size(); ++i) {
      const std::string& tag = client->plan().requests[i].tag;
      if (tag.empty() || answers[i].status == 408 || is_bare_refusal(answers[i])) continue;
      const std::vector<Settled> settled = shard_.records_of(tag);
      ASSERT_EQ(settled.size(), 1u) << tag << " was answered and not settled";
      EXPECT_EQ(settled[0].record.status, answers[i].status) << tag;
    }
  }
  EXPECT_LE(shard_.records().size(), sent);
}

}  // namespace sluice::sim
