// index_checks.h: the stored indexes of a segment, compared with its batches as they are walked.
//
// Each check is fed the batches and the damaged stretches of the segment in order, then finished.
// What a damaged stretch may have made true is not called wrong.
#pragma once

#include <string>
#include <vector>

#include "inspect/problem_list.h"
#include "oncelog/inspect.h"
#include "segment/offset_index.h"
#include "segment/time_index.h"

namespace oncelog::inspect {

/// Where an index lies and how it is to be read.
struct IndexSource {
  Vfs& vfs;
  std::string path{};
  Offset base{};
  bool is_active = false;  ///< of the last segment: zeros of a preallocation may follow its entries
};

/// The bytes of whole entries in an index file; empty if it is missing. A partial entry and a file
/// that cannot be read are problems.
std::vector<std::byte> load_entries(const IndexSource& source, std::int64_t entry_bytes,
                                    ProblemList& problems);

/// Formats 7: an entry (O, P) says that a set of batches starts at P and ends with last offset O,
/// in front of the next entry's set.
class OffsetIndexCheck {
 public:
  OffsetIndexCheck(const IndexSource& source, ProblemList& problems);

  void add_batch(std::int64_t position, const RecordBatchView& batch);
  void add_damage(std::int64_t begin, std::int64_t end);
  void finish();

 private:
  /// An entry whose place in the file is known after wrong ones were left out.
  struct Entry {
    segment::OffsetIndexEntry entry{};
    std::int64_t file_position = 0;
  };
  [[nodiscard]] bool is_next_before(std::int64_t position) const;
  void close_set();
  void report(const Entry& entry, std::string_view what);

  ProblemList& problems_;
  std::string path_;
  std::vector<Entry> entries_;
  std::size_t next_ = 0;      ///< first entry whose set has not begun
  bool is_set_open_ = false;  ///< of entry next_ − 1, its last offset not yet met
  bool is_set_damaged_ = false;
};

/// Formats 8: an entry (T, O) says that T is above all max timestamps before, and that the first
/// batch that has it ends with O.
class TimeIndexCheck {
 public:
  TimeIndexCheck(const IndexSource& source, ProblemList& problems);

  void add_batch(const RecordBatchView& batch);
  void add_damage() { is_damaged_ = true; }
  void finish();

 private:
  struct Entry {
    segment::TimeIndexEntry entry{};
    std::int64_t file_position = 0;
  };
  void report_next(std::string_view what);

  ProblemList& problems_;
  std::string path_;
  std::vector<Entry> entries_;
  std::size_t next_ = 0;
  Timestamp max_timestamp_ = kNoTimestamp;
  bool is_damaged_ = false;
};

}  // namespace oncelog::inspect
