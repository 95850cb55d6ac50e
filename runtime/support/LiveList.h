//===- LiveList.h - A list that a signal handler may read -------*- C++ -*-===//

#ifndef LATHE_RUNTIME_SUPPORT_LIVELIST_H
#define LATHE_RUNTIME_SUPPORT_LIVELIST_H

#include <atomic>
#include <mutex>
#include <utility>

namespace lathe {

/// Things of which a signal handler must know: mappings, temporary files.
/// Adding and removing lock; reading does not, and never sees freed memory,
/// because nodes are reused but never freed.
template <typename Payload> class LiveList {
public:
  class Node {
    friend class LiveList;
    std::atomic<bool> Live = false;
    Payload Value;
    Node *Next = nullptr;
  };

  Node *add(Payload Value) {
    std::lock_guard<std::mutex> Guard(Lock);
    Node *Free = First.load(std::memory_order_relaxed);
    while (Free && Free->Live.load(std::memory_order_relaxed))
      Free = Free->Next;
    bool IsNew = !Free;
    if (IsNew)
      Free = new Node;
    Free->Value = std::move(Value);
    Free->Live.store(true, std::memory_order_release);
    if (IsNew) {
      Free->Next = First.load(std::memory_order_relaxed);
      First.store(Free, std::memory_order_release);
    }
    return Free;
  }

  void remove(Node *Old) {
    std::lock_guard<std::mutex> Guard(Lock);
    Old->Live.store(false, std::memory_order_release);
  }

  /// Calls `Visit` with every live payload.  Async-signal-safe if `Visit` is.
  template <typename Visitor> void forEach(Visitor Visit) const {
    for (Node *Each = First.load(std::memory_order_acquire); Each; Each = Each->Next)
      if (Each->Live.load(std::memory_order_acquire))
        Visit(static_cast<const Payload &>(Each->Value));
  }

private:
  std::mutex Lock;
  std::atomic<Node *> First = nullptr;
};

} // namespace lathe

#endif // LATHE_RUNTIME_SUPPORT_LIVELIST_H
