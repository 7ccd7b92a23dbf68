#include <sluice/base/fixed_ring.h>
#include <sluice/base/intrusive_list.h>
#include <sluice/base/slab.h>

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice {
namespace {

struct Node : ListLink {
  explicit Node(int number) : number(number) {}
  int number;
};

std::vector<int> numbers(IntrusiveList<Node>& list) {
  std::vector<int> found;
  list.for_each([&](Node& node) { found.push_back(node.number); });
  return found;
}

TEST(IntrusiveList, keeps_order_and_unlinks_anywhere) {
  Node a(1), b(2), c(3);
  IntrusiveList<Node> list;
  list.push_back(b);
  list.push_back(c);
  list.push_front(a);
  EXPECT_EQ(numbers(list), (std::vector{1, 2, 3}));
  b.unlink();
  EXPECT_EQ(numbers(list), (std::vector{1, 3}));
  EXPECT_EQ(list.pop_front(), &a);
  EXPECT_FALSE(a.is_linked());
}

TEST(IntrusiveList, an_element_that_dies_leaves_its_list) {
  IntrusiveList<Node> list;
  {
    Node a(1);
    list.push_back(a);
  }
  EXPECT_TRUE(list.empty());
}

TEST(IntrusiveList, splices_all_elements_in_order) {
  Node a(1), b(2), c(3);
  IntrusiveList<Node> first, second;
  first.push_back(a);
  second.push_back(b);
  second.push_back(c);
  first.splice_back(second);
  EXPECT_TRUE(second.empty());
  EXPECT_EQ(numbers(first), (std::vector{1, 2, 3}));
}

TEST(Slab, a_stale_handle_finds_nothing) {
  Slab<std::string> slab(10);
  Slab<std::string>::Handle first, second;
  ASSERT_NE(slab.emplace(&first, "one"), nullptr);
  slab.erase(first);
  ASSERT_NE(slab.emplace(&second, "two"), nullptr);
  EXPECT_EQ(first.index, second.index);
  EXPECT_EQ(slab.find(first), nullptr);
  ASSERT_NE(slab.find(second), nullptr);
  EXPECT_EQ(*slab.find(second), "two");
}

TEST(Slab, refuses_above_its_bound_and_recovers) {
  Slab<int, 4> slab(6);
  std::vector<Slab<int, 4>::Handle> handles(6);
  for (int i = 0; i < 6; ++i) ASSERT_NE(slab.emplace(&handles[static_cast<size_t>(i)], i), nullptr);
  Slab<int, 4>::Handle extra;
  EXPECT_EQ(slab.emplace(&extra, 7), nullptr);
  slab.erase(handles[3]);
  EXPECT_NE(slab.emplace(&extra, 7), nullptr);
  EXPECT_EQ(slab.live_count(), 6u);
}

TEST(FixedRing, is_bounded_and_wraps) {
  FixedRing<int> ring(4);
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(i + round));
    EXPECT_FALSE(ring.push(99));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(ring.pop(), i + round);
  }
  EXPECT_TRUE(ring.empty());
}

}  // namespace
}  // namespace sluice
