#include <gmock/gmock.h>

#include "oncelog/inspect_partition.h"
#include "unit/inspect/keyed_batch.h"

namespace oncelog {
namespace {

using test::join;
using test::keyed_batch;
using test::make_batch;
using test::make_marker;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

class RecordSearch : public testing::Test {
 protected:
  RecordSearch() {
    files_.append(0, join({keyed_batch({}, {{"a", "1", "trace", 10}, {"b", "2", "", 30}}),
                           make_marker(2, MarkerType::kCommit, 5)}));
    files_.append(3, join({make_batch({.base = 3, .records = 2, .timestamp = 20, .producer = 8}),
                           keyed_batch({.base_offset = Offset(5)}, {{"a", "3", "", 40}})}));
  }
  RecordVisitor keep() {
    offsets_.clear();
    return [this](const LocatedRecord& found) {
      offsets_.push_back(found.record.offset.value());
      places_.emplace_back(found.file, found.position);
      return true;
    };
  }
  std::vector<std::int64_t> find(const RecordQuery& query) {
    auto problems = find_records(files_.path(), query, keep());
    EXPECT_TRUE(problems) << problems.error().text();
    if (problems) problems_ = *std::move(problems);
    return offsets_;
  }
  std::vector<std::int64_t> find_last(std::int64_t count) {
    EXPECT_TRUE(find_last_records(files_.path(), count, keep()));
    return offsets_;
  }

  test::PartitionFiles files_;
  std::vector<std::int64_t> offsets_;
  std::vector<std::pair<std::string, std::int64_t>> places_;
  std::vector<Problem> problems_;
};

TEST_F(RecordSearch, EveryConditionMustHold) {
  EXPECT_THAT(find({}), ElementsAre(0, 1, 3, 4, 5));
  EXPECT_THAT(find({.key = "a"}), ElementsAre(0, 5));
  EXPECT_THAT(find({.offset_begin = Offset(1), .key = "a"}), ElementsAre(5));
  EXPECT_THAT(find({.producer_id = ProducerId(8)}), ElementsAre(3, 4));
  EXPECT_THAT(find({.producer_id = ProducerId(8), .key = "a"}), IsEmpty());
}

TEST_F(RecordSearch, RangesAreHalfOpen) {
  EXPECT_THAT(find({.offset_begin = Offset(1), .offset_end = Offset(4)}), ElementsAre(1, 3));
  EXPECT_THAT(find({.timestamp_begin = Timestamp(20), .timestamp_end = Timestamp(30)}),
              ElementsAre(3, 4));
  EXPECT_THAT(find({.timestamp_begin = Timestamp(30)}), ElementsAre(1, 5));
}

TEST_F(RecordSearch, AHeaderMatchesByNameOrByNameAndValue) {
  EXPECT_THAT(find({.header_key = "trace"}), ElementsAre(0));
  EXPECT_THAT(find({.header_key = "trace", .header_value = "on"}), ElementsAre(0));
  EXPECT_THAT(find({.header_key = "trace", .header_value = "off"}), IsEmpty());
  EXPECT_THAT(find({.header_key = "other"}), IsEmpty());
}

TEST_F(RecordSearch, SaysWhereTheBatchLies) {
  find({.offset_begin = Offset(5)});
  const std::int64_t before =
      std::ssize(make_batch({.base = 3, .records = 2, .timestamp = 20, .producer = 8}));
  EXPECT_THAT(places_, ElementsAre(std::pair(files_.segment(3), before)));
}

TEST_F(RecordSearch, SegmentsOutOfTheRangeAreNotRead) {
  files_.flip(files_.segment(0), 70);
  EXPECT_THAT(find({.offset_begin = Offset(3)}), ElementsAre(3, 4, 5));
  EXPECT_THAT(problems_, IsEmpty());
  EXPECT_THAT(find({}), ElementsAre(3, 4, 5));
  EXPECT_THAT(problems_, SizeIs(1));
}

TEST_F(RecordSearch, TheLastRecordsMayLieInSeveralSegments) {
  EXPECT_THAT(find_last(1), ElementsAre(5));
  EXPECT_THAT(find_last(2), ElementsAre(4, 5));
  EXPECT_THAT(find_last(3), ElementsAre(3, 4, 5));
  EXPECT_THAT(find_last(4), ElementsAre(1, 3, 4, 5));
  EXPECT_THAT(find_last(100), ElementsAre(0, 1, 3, 4, 5));
  EXPECT_THAT(find_last(0), IsEmpty());
}

}  // namespace
}  // namespace oncelog
