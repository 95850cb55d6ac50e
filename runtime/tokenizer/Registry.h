//===- Registry.h - Entries that register themselves ------------*- C++ -*-===//
//
// Tokenizer kinds, pre-tokenisers and chat formats are each added by one source
// file that defines a static `Registration`; nothing else names them.
//
//===----------------------------------------------------------------------===//

#ifndef LATHE_RUNTIME_TOKENIZER_REGISTRY_H
#define LATHE_RUNTIME_TOKENIZER_REGISTRY_H

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

namespace lathe {

/// All registered values of `EntryT`, which has a member `Name` that views
/// static storage.  Filled before main(); read-only afterwards.
template <typename EntryT> class Registry {
public:
  /// Sorted by name, so that nothing depends on the order of static objects.
  static const std::vector<EntryT> &all() { return entries(); }

  static const EntryT *find(std::string_view Name) {
    for (const EntryT &Entry : entries())
      if (Entry.Name == Name)
        return &Entry;
    return nullptr;
  }

  /// "a, b, c", for messages.
  static std::string names() {
    std::string List;
    for (const EntryT &Entry : entries()) {
      if (!List.empty())
        List += ", ";
      List += Entry.Name;
    }
    return List;
  }

  struct Registration {
    explicit Registration(EntryT Entry) {
      auto Less = [](const EntryT &A, const EntryT &B) { return A.Name < B.Name; };
      std::vector<EntryT> &List = entries();
      List.insert(std::upper_bound(List.begin(), List.end(), Entry, Less), Entry);
    }
  };

private:
  static std::vector<EntryT> &entries() {
    static std::vector<EntryT> List;
    return List;
  }
};

} // namespace lathe

#endif // LATHE_RUNTIME_TOKENIZER_REGISTRY_H
