#include "inspect/txn_index_check.h"

#include <algorithm>
#include <utility>

#include "segment/txn_index.h"

namespace oncelog::inspect {

namespace {
using segment::TxnIndexEntry;

template <class Entry>
std::string text_of(const Entry& entry) {
  return "aborted transaction of producer " + std::to_string(entry.producer_id.value()) +
         " from offset " + std::to_string(entry.first_offset.value()) + " to " +
         std::to_string(entry.last_offset.value());
}

AbortedTransactionEntry stored_form(const TxnIndexEntry& entry, Offset base) {
  return {base, entry.producer_id, entry.first_offset, entry.last_offset, entry.last_stable_offset};
}

/// What is wrong with an entry, whatever the replay says.
std::string plain_problem(const TxnIndexEntry& entry, Offset base, Offset log_end) {
  if (entry.last_offset < base || entry.last_offset >= log_end) {
    return " has its marker outside of the segment";
  }
  if (entry.first_offset < Offset(0) || entry.first_offset >= entry.last_offset) {
    return " does not begin before its marker";
  }
  if (entry.last_stable_offset < Offset(0) || entry.last_stable_offset > log_end) {
    return " has last stable offset " + std::to_string(entry.last_stable_offset.value()) +
           ", outside of the log";
  }
  return {};
}

/// What is wrong with an entry when the replay has `replayed` at its marker, or null.
std::string replay_problem(const TxnIndexEntry& entry, const AbortedTransactionEntry* replayed,
                           const OffsetGaps& gaps) {
  if (replayed == nullptr) {
    const bool may_be_gone = gaps.contains(entry.first_offset) || gaps.contains(entry.last_offset);
    return may_be_gone ? "" : " is not in the log";
  }
  if (entry.first_offset != replayed->first_offset && !gaps.contains(entry.first_offset)) {
    return ": in the log it begins at offset " + std::to_string(replayed->first_offset.value());
  }
  if (entry.last_stable_offset < replayed->last_stable_offset &&
      !gaps.contains(entry.last_stable_offset)) {
    return " has last stable offset " + std::to_string(entry.last_stable_offset.value()) +
           ", below " + std::to_string(replayed->last_stable_offset.value());
  }
  // A search ends at this offset: it would not find when that transaction was aborted.
  const bool was_other_open = replayed->last_stable_offset <= replayed->last_offset;
  if (was_other_open && entry.last_stable_offset > replayed->last_stable_offset) {
    return " has last stable offset " + std::to_string(entry.last_stable_offset.value()) +
           ", behind the transaction open at " +
           std::to_string(replayed->last_stable_offset.value());
  }
  return {};
}
}  // namespace

bool OffsetGaps::contains(Offset offset) const {
  if (offset < first_base_) return true;
  const auto above = std::ranges::upper_bound(gaps_, offset, {}, &std::pair<Offset, Offset>::first);
  return above != gaps_.begin() && offset < std::prev(above)->second;
}

void check_txn_index(const IndexSource& source, const AbortedInSegment& aborted,
                     ProblemList& problems) {
  std::int64_t end = 0;
  std::vector<std::string> missing;
  compare_txn_index(source, aborted, problems, [&](const ListedAbort& found) {
    if (found.position) end = *found.position + segment::kTxnIndexEntryBytes;
    if (found.problem.empty()) return true;
    if (found.position) {
      problems.add(source.path, *found.position, found.problem);
    } else {
      missing.push_back(found.problem);
    }
    return true;
  });
  for (std::string& problem : missing) problems.add(source.path, end, std::move(problem));
}

bool compare_txn_index(const IndexSource& source, const AbortedInSegment& aborted,
                       ProblemList& problems, const AbortVisitor& visit) {
  const auto bytes = load_entries({source.vfs, source.path, source.base, false},
                                  segment::kTxnIndexEntryBytes, problems);
  const auto entries = segment::decode_txn_index(bytes);
  if (!entries) {
    problems.add(source.path, 0, entries.error().text());
    return true;
  }
  auto replayed = aborted.replayed.begin();
  const auto visit_missing_below = [&](Offset marker) {
    for (; replayed != aborted.replayed.end() && replayed->last_offset < marker; ++replayed) {
      ListedAbort missing{source.path, {}, {}, *replayed, {}};
      const bool may_come = aborted.lags_from && replayed->last_offset >= *aborted.lags_from;
      if (aborted.is_history_whole && !may_come) {
        missing.problem = text_of(*replayed) + " is missing";
      }
      if (!visit(missing)) return false;
    }
    return true;
  };
  Offset last_marker = kNoOffset;
  std::int64_t file_position = 0;
  for (const TxnIndexEntry& entry : *entries) {
    ListedAbort found{source.path, file_position, stored_form(entry, source.base), {}, {}};
    std::string what = plain_problem(entry, source.base, aborted.log_end);
    if (what.empty() && entry.last_offset <= last_marker) {
      what = " is not above the entry before it";
    }
    if (what.empty()) {
      last_marker = entry.last_offset;
      if (!visit_missing_below(entry.last_offset)) return false;
      if (replayed != aborted.replayed.end() && replayed->last_offset == entry.last_offset) {
        found.replayed = *replayed++;
      }
      // Behind damage, too: the marker itself is there.
      if (found.replayed && found.replayed->producer_id != entry.producer_id) {
        what = ": the marker is of producer " + std::to_string(found.replayed->producer_id.value());
      } else if (aborted.is_history_whole) {
        what = replay_problem(entry, found.replayed ? &*found.replayed : nullptr, aborted.gaps);
      }
    }
    if (!what.empty()) found.problem = text_of(entry) + what;
    if (!visit(found)) return false;
    file_position += segment::kTxnIndexEntryBytes;
  }
  return visit_missing_below(aborted.log_end);
}

}  // namespace oncelog::inspect
