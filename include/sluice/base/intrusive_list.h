// A doubly linked list whose links live in the elements: no allocation, removal in constant time.
#pragma once

#include <utility>

#include <sluice/base/assert.h>

namespace sluice {

// Base of every element. An element is in at most one list per link; unlinks itself when it dies.
class ListLink {
 public:
  ListLink() noexcept = default;
  ListLink(const ListLink&) = delete;
  ListLink& operator=(const ListLink&) = delete;
  ~ListLink() { unlink(); }

  [[nodiscard]] bool is_linked() const noexcept { return next_ != nullptr; }
  void unlink() noexcept {
    if (next_ == nullptr) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    prev_ = next_ = nullptr;
  }

 private:
  template <class T>
  friend class IntrusiveList;
  ListLink* prev_ = nullptr;
  ListLink* next_ = nullptr;
};

// T derives from ListLink. The list does not own its elements and must outlive their membership.
template <class T>
class IntrusiveList {
 public:
  IntrusiveList() noexcept { root_.prev_ = root_.next_ = &root_; }
  IntrusiveList(const IntrusiveList&) = delete;
  IntrusiveList& operator=(const IntrusiveList&) = delete;
  ~IntrusiveList() {
    while (!empty()) front().unlink();
    root_.prev_ = root_.next_ = nullptr;
  }

  [[nodiscard]] bool empty() const noexcept { return root_.next_ == &root_; }
  [[nodiscard]] T& front() noexcept { return static_cast<T&>(*root_.next_); }
  [[nodiscard]] const T& front() const noexcept { return static_cast<const T&>(*root_.next_); }
  [[nodiscard]] T& back() noexcept { return static_cast<T&>(*root_.prev_); }

  void push_back(T& element) noexcept { insert(element, root_.prev_, &root_); }
  void push_front(T& element) noexcept { insert(element, &root_, root_.next_); }
  [[nodiscard]] T* pop_front() noexcept {
    if (empty()) return nullptr;
    T& first = front();
    first.unlink();
    return &first;
  }
  // Puts `element` before `next`, which is in this list.
  void insert_before(T& next, T& element) noexcept {
    ListLink& link = next;
    SLUICE_ASSERT(link.is_linked());
    insert(element, link.prev_, &link);
  }
  // The first that `is_wanted` says true of; null when there is none.
  template <class IsWanted>
  [[nodiscard]] T* find_if(IsWanted is_wanted) {
    for (ListLink* link = root_.next_; link != &root_; link = link->next_) {
      T& element = static_cast<T&>(*link);
      if (is_wanted(std::as_const(element))) return &element;
    }
    return nullptr;
  }
  // Moves every element of `other` to the end of this list, in order.
  void splice_back(IntrusiveList& other) noexcept {
    if (other.empty()) return;
    ListLink* first = other.root_.next_;
    ListLink* last = other.root_.prev_;
    other.root_.prev_ = other.root_.next_ = &other.root_;
    first->prev_ = root_.prev_;
    root_.prev_->next_ = first;
    last->next_ = &root_;
    root_.prev_ = last;
  }
  // Visits in order; `visit` may unlink the element it is given, no other.
  template <class Visit>
  void for_each(Visit visit) {
    for (ListLink* link = root_.next_; link != &root_;) {
      ListLink* next = link->next_;
      visit(static_cast<T&>(*link));
      link = next;
    }
  }

 private:
  void insert(T& element, ListLink* before, ListLink* after) noexcept {
    ListLink& link = element;
    SLUICE_ASSERT(!link.is_linked());
    link.prev_ = before;
    link.next_ = after;
    before->next_ = after->prev_ = &link;
  }

  ListLink root_;
};

}  // namespace sluice
