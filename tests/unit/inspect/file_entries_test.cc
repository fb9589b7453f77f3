// What the listings of single files show of sound and of damaged ones.
#include <gmock/gmock.h>

#include <filesystem>
#include <random>

#include "base/bytes.h"
#include "oncelog/inspect_file.h"
#include "oncelog/store.h"
#include "segment/append_ring.h"
#include "segment/seal.h"
#include "snapshot/kafka_snapshot.h"
#include "snapshot/lmdb_snapshot_store.h"
#include "store/clean_record.h"
#include "support/matchers.h"
#include "unit/inspect/partition_files.h"

namespace oncelog {
namespace {

using test::Buffer;
using test::FailsWith;
using test::Succeeds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class FileEntries : public testing::Test {
 protected:
  std::vector<FileEntry> list(const std::string& path) {
    std::vector<FileEntry> all;
    const auto kind = file_kind_of(path);
    EXPECT_TRUE(kind) << path;
    EXPECT_THAT(list_file_entries(path, *kind,
                                  [&](const FileEntry& entry) {
                                    all.push_back(entry);
                                    return true;
                                  }),
                Succeeds());
    return all;
  }
  /// The number in the field, −99 if there is none.
  static std::int64_t number_in(const FileEntry& entry, std::string_view name) {
    for (const Field& field : entry.fields) {
      if (field.name != name) continue;
      if (const auto* number = std::get_if<std::int64_t>(&field.value.value)) return *number;
      if (const auto* time = std::get_if<Timestamp>(&field.value.value)) return time->value();
    }
    return -99;
  }
  static std::vector<std::int64_t> numbers_in(const std::vector<FileEntry>& all,
                                              std::string_view name) {
    std::vector<std::int64_t> numbers;
    for (const FileEntry& entry : all) numbers.push_back(number_in(entry, name));
    return numbers;
  }
  static std::vector<std::size_t> damaged_in(const std::vector<FileEntry>& all) {
    std::vector<std::size_t> indexes;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (!all[i].damage.empty()) indexes.push_back(i);
    }
    return indexes;
  }
  std::vector<FileEntry> list_text(std::string_view name, std::string_view text) {
    test::PartitionFiles::write(files_.file(name), text);
    return list(files_.file(name));
  }

  test::PartitionFiles files_;
};

TEST_F(FileEntries, KnowsAFileByItsName) {
  EXPECT_EQ(file_kind_of("/a/t-0/00000000000000000031.log"), FileKind::kLog);
  EXPECT_EQ(file_kind_of("00000000000000000031.timeindex.deleted"), FileKind::kTimeIndex);
  EXPECT_EQ(file_kind_of("x.index.cleaned"), FileKind::kOffsetIndex);
  EXPECT_EQ(file_kind_of("d/replication-offset-checkpoint.tmp"), FileKind::kOffsetCheckpoint);
  EXPECT_EQ(file_kind_of("d/.state"), FileKind::kProducerState);
  EXPECT_EQ(file_kind_of("d/.tail"), FileKind::kAppendRing);
  EXPECT_EQ(file_kind_of("notes.txt"), std::nullopt);
  EXPECT_EQ(file_kind_of("t-0/"), std::nullopt);
}

TEST_F(FileEntries, KindsHaveNames) {
  for (int i = 0; i <= static_cast<int>(FileKind::kCleanRecord); ++i) {
    const auto kind = static_cast<FileKind>(i);
    EXPECT_FALSE(name_of(kind).empty());
    EXPECT_EQ(parse_file_kind(name_of(kind)), kind);
  }
  EXPECT_EQ(parse_file_kind("dream"), std::nullopt);
}

TEST_F(FileEntries, BatchesAreNoneOfItsBusiness) {
  EXPECT_THAT(
      list_file_entries(files_.segment(0), FileKind::kLog, [](const FileEntry&) { return true; }),
      FailsWith(ErrorCode::INVALID_REQUEST));
}

TEST_F(FileEntries, OffsetIndexThatGoesBackIsNamedWhereItDoes) {
  files_.write_offset_index(
      1000,
      {{Offset(1057), 4210}, {Offset(1050), 5000}, {Offset(1130), 8560}, {Offset(1140), 8560}});
  const auto all = list(files_.segment(1000, ".index"));
  EXPECT_THAT(numbers_in(all, "offset"), ElementsAre(1057, 1050, 1130, 1140));
  EXPECT_THAT(numbers_in(all, "log_position"), ElementsAre(4210, 5000, 8560, 8560));
  EXPECT_THAT(damaged_in(all), ElementsAre(1, 3));
  EXPECT_EQ(all[1].position, 8);
  EXPECT_THAT(all[1].damage, HasSubstr("not above 1057"));
  EXPECT_THAT(all[3].damage, HasSubstr("not above 8560"));
}

TEST_F(FileEntries, ZerosBehindAnIndexAreRoomSetAside) {
  files_.write_offset_index(0, {{Offset(5), 100}});
  test::PartitionFiles::append(files_.segment(0, ".index"), Buffer(1024));
  const auto all = list(files_.segment(0, ".index"));
  ASSERT_THAT(all, SizeIs(2));
  EXPECT_EQ(all[1].what, "unused");
  EXPECT_EQ(all[1].bytes, 1024);
  EXPECT_THAT(damaged_in(all), IsEmpty());
}

TEST_F(FileEntries, TimeIndexThatGoesBackIsNamed) {
  files_.write_time_index(
      0,
      {{Timestamp(900), Offset(57)}, {Timestamp(900), Offset(60)}, {Timestamp(950), Offset(40)}});
  const auto all = list(files_.segment(0, ".timeindex"));
  EXPECT_THAT(numbers_in(all, "timestamp"), ElementsAre(900, 900, 950));
  EXPECT_THAT(damaged_in(all), ElementsAre(1, 2));
}

TEST_F(FileEntries, TxnIndexEntriesAreLookedAtOneByOne) {
  files_.write_txn_index(100, {{ProducerId(4000), Offset(100), Offset(103), Offset(104)},
                               {ProducerId(4000), Offset(110), Offset(110), Offset(111)},
                               {ProducerId(4000), Offset(90), Offset(95), Offset(96)},
                               {ProducerId(4001), Offset(90), Offset(120), Offset(121)}});
  const std::string path = files_.segment(100, ".txnindex");
  auto all = list(path);
  EXPECT_THAT(numbers_in(all, "pid"), ElementsAre(4000, 4000, 4000, 4001));
  EXPECT_THAT(damaged_in(all), ElementsAre(1, 2));
  test::PartitionFiles::flip(path, 34 + 1);
  test::PartitionFiles::append(path, Buffer(3, std::byte{9}));
  all = list(path);
  EXPECT_EQ(number_in(all[1], "version"), 1);
  EXPECT_THAT(damaged_in(all), ElementsAre(1, 2, 4));
  EXPECT_EQ(all[4].position, 4 * 34);
}

Buffer snapshot_of_two() {
  producer::ProducerEntry entry;
  entry.epoch = ProducerEpoch(2);
  entry.remember({Sequence(4), Offset(102), 2, Timestamp(9)});
  return snapshot::encode_kafka_snapshot({{ProducerId(4000), entry}, {ProducerId(4001), entry}});
}

TEST_F(FileEntries, SnapshotShowsItsProducers) {
  const std::string path = files_.segment(103, ".snapshot");
  test::PartitionFiles::write(path, snapshot_of_two());
  const auto all = list(path);
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_EQ(number_in(all[0], "count"), 2);
  EXPECT_EQ(number_in(all[1], "pid"), 4000);
  EXPECT_EQ(number_in(all[2], "last_offset"), 102);
  EXPECT_THAT(damaged_in(all), IsEmpty());
}

TEST_F(FileEntries, SnapshotWithAWrongCrcOrCountStillShowsThem) {
  const std::string path = files_.segment(103, ".snapshot");
  Buffer bytes = snapshot_of_two();
  bytes[9] = std::byte{0x7f};  // a count of which the bytes would be gigabytes
  bytes[6] = std::byte{0x7f};
  bytes.resize(bytes.size() - 5);
  test::PartitionFiles::write(path, bytes);
  const auto all = list(path);
  ASSERT_THAT(all, SizeIs(3));
  EXPECT_THAT(all[0].damage, HasSubstr("CRC"));
  EXPECT_THAT(all[0].damage, HasSubstr("there are 1 whole entries"));
  EXPECT_EQ(number_in(all[1], "pid"), 4000);
  EXPECT_EQ(all[2].bytes, 41);
  EXPECT_THAT(damaged_in(all), ElementsAre(0, 2));
}

TEST_F(FileEntries, SnapshotThatIsNoneShowsNothing) {
  const std::string path = files_.segment(103, ".snapshot");
  for (const Buffer& bytes : {Buffer(), Buffer(9), Buffer(100, std::byte{1})}) {
    test::PartitionFiles::write(path, bytes);
    const auto all = list(path);
    EXPECT_THAT(all, SizeIs(1));
    EXPECT_THAT(damaged_in(all), ElementsAre(0));
    EXPECT_EQ(all[0].bytes, std::ssize(bytes));
  }
}

TEST_F(FileEntries, CheckpointsAreReadLineByLine) {
  const auto all = list_text("recovery-point-offset-checkpoint", "0\n3\nt 0 42\nt 1\nother 7  9\n");
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_THAT(damaged_in(all), ElementsAre(2));
  EXPECT_EQ(all[2].position, 11);
  EXPECT_EQ(all[2].bytes, 4);
  EXPECT_EQ(number_in(all[3], "offset"), 9);
}

TEST_F(FileEntries, ACheckpointsCountAndVersionAreCompared) {
  EXPECT_THAT(list_text("cleaner-offset-checkpoint", ""), IsEmpty());
  EXPECT_THAT(damaged_in(list_text("cleaner-offset-checkpoint", "0\n")), IsEmpty());
  const auto count = list_text("cleaner-offset-checkpoint", "0\n2\nt 0 1\n");
  EXPECT_THAT(damaged_in(count), ElementsAre(0));
  EXPECT_THAT(count, SizeIs(2));
  const auto version = list_text("cleaner-offset-checkpoint", "7\n1\nt 0 1\n");
  EXPECT_THAT(version, SizeIs(1));
  EXPECT_THAT(version[0].damage, HasSubstr("version"));
  EXPECT_THAT(damaged_in(list_text("cleaner-offset-checkpoint", "x\nmany\nt 0 1\n")),
              ElementsAre(0));
}

TEST_F(FileEntries, LeaderEpochsThatDoNotAscendAreNamed) {
  const auto all = list_text("leader-epoch-checkpoint", "0\n4\n0 0\n3 17\n3 20\n4 18\n");
  EXPECT_THAT(numbers_in(all, "start"), ElementsAre(-99, 0, 17, 20, 18));
  EXPECT_THAT(damaged_in(all), ElementsAre(3));
}

TEST_F(FileEntries, PartitionMetadataIsAVersionAndAnId) {
  EXPECT_THAT(
      damaged_in(list_text("partition.metadata", "version: 0\ntopic_id: AAECAwQFBgcICQoLDA0ODw")),
      IsEmpty());
  EXPECT_THAT(damaged_in(list_text("partition.metadata", "version: 0\ntopic_id: ")),
              ElementsAre(0));
  EXPECT_THAT(list_file_entries(files_.file("partition.metadata"), FileKind::kPartitionMetadata,
                                [](const FileEntry&) { return true; }),
              Succeeds());
}

TEST_F(FileEntries, ASealIsShownAndComparedWithItsName) {
  segment::Seal seal;
  seal.base_offset = Offset(31);
  seal.next_offset = Offset(40);
  seal.open_transactions = {{ProducerId(7), Offset(35)}};
  const Buffer bytes = segment::encode(seal);
  test::PartitionFiles::write(files_.segment(31, ".seal"), bytes);
  const auto all = list(files_.segment(31, ".seal"));
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(number_in(all[0], "next_offset"), 40);
  EXPECT_THAT(damaged_in(all), IsEmpty());
  test::PartitionFiles::write(files_.segment(32, ".seal"), bytes);
  EXPECT_THAT(damaged_in(list(files_.segment(32, ".seal"))), ElementsAre(0));
  test::PartitionFiles::flip(files_.segment(31, ".seal"), 20);
  EXPECT_THAT(list(files_.segment(31, ".seal"))[0].damage, HasSubstr("hash"));
}

TEST_F(FileEntries, AnAppendRingIsShownAsFarAsItsChainGoes) {
  const std::string directory = files_.data_file("store");
  {
    const auto store = Store::open(directory, {.level = Level::kWritten});
    ASSERT_THAT(store, Succeeds());
    const auto log = (*store)->open_partition({"t", 0});
    ASSERT_THAT(log, Succeeds());
    for (int i = 0; i < 3; ++i) {
      ASSERT_THAT((*log)->append_as_leader(test::make_batch({.records = 2})), Succeeds());
    }
    const std::string ring = directory + "/t-0/.tail";
    if (!std::filesystem::exists(ring)) GTEST_SKIP() << "no ring on this file system";
    std::filesystem::copy_file(ring, files_.file(".tail"));
  }
  auto all = list(files_.file(".tail"));
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all[0].what, "fill");
  const auto batches = number_in(all[0], "batches");
  EXPECT_EQ(std::ssize(all), 1 + batches);
  EXPECT_GE(batches, 1);
  EXPECT_EQ(number_in(all.back(), "last"), 5);
  EXPECT_THAT(damaged_in(all), IsEmpty());
  const std::int64_t last = all.back().position;
  test::PartitionFiles::flip(files_.file(".tail"), static_cast<std::size_t>(last) + 65);
  EXPECT_EQ(std::ssize(list(files_.file(".tail"))), batches);
  test::PartitionFiles::flip(files_.file(".tail"), 17);
  EXPECT_THAT(damaged_in(list(files_.file(".tail"))), ElementsAre(0));
}

TEST_F(FileEntries, ARingThatWasNeverFilledIsUnused) {
  test::PartitionFiles::write(files_.file(".tail"), Buffer(8192));
  const auto all = list(files_.file(".tail"));
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_EQ(all[0].what, "unused");
  EXPECT_THAT(all[0].damage, IsEmpty());
  test::PartitionFiles::write(files_.file(".tail"), Buffer(100));
  EXPECT_THAT(damaged_in(list(files_.file(".tail"))), ElementsAre(0));
}

TEST_F(FileEntries, ACleanRecordIsShownWithItsPlaces) {
  store::CleanRecord record;
  record.witnesses = {{"a", 1, 2}, {"longer", 3, 4}};
  record.partitions[{"t", 3}] = {.next_offset = Offset(9), .log_bytes = 77};
  record.state_close_record = 5;
  const Buffer bytes = store::encode_clean_record(record);
  test::PartitionFiles::write(files_.file(".clean"), bytes);
  const auto all = list(files_.file(".clean"));
  ASSERT_THAT(all, SizeIs(4));
  EXPECT_EQ(number_in(all[2], "log_bytes"), 77);
  EXPECT_EQ(all[3].position + all[3].bytes, std::ssize(bytes));
  test::PartitionFiles::flip(files_.file(".clean"), 30);
  EXPECT_THAT(damaged_in(list(files_.file(".clean"))), ElementsAre(0));
}

class StateEntries : public FileEntries {
 protected:
  void SetUp() override {
    producer::ProducerEntry entry;
    entry.epoch = ProducerEpoch(3);
    entry.last_timestamp = Timestamp(3'600'000);
    entry.remember({Sequence(4), Offset(102), 2, Timestamp(9)});
    std::vector<snapshot::ProducerChange> changes;
    for (std::int64_t id = 0; id < kProducers; ++id) changes.push_back({ProducerId(id), &entry});
    const auto store = snapshot::LmdbSnapshotStore::open(posix_vfs(), {.directory = files_.path()});
    ASSERT_THAT(store, Succeeds());
    const auto partition = (*store)->open({"t", 0}, "AAECAwQFBgcICQoLDA0ODw");
    ASSERT_THAT(partition, Succeeds());
    ASSERT_THAT(
        (*partition)
            ->save({.offset = Offset(103), .producer_count = kProducers}, changes, Offset(0)),
        Succeeds());
  }
  [[nodiscard]] std::string path() const { return files_.file(".state"); }
  static std::size_t count_of(const std::vector<FileEntry>& all, std::string_view what) {
    return static_cast<std::size_t>(std::ranges::count(all, what, &FileEntry::what));
  }

  static constexpr std::int64_t kProducers = 300;
};

TEST_F(StateEntries, RowsAreShownByKind) {
  const auto all = list(path());
  EXPECT_EQ(count_of(all, "store"), 1u);
  EXPECT_EQ(count_of(all, "partition"), 1u);
  EXPECT_EQ(count_of(all, "checkpoint"), 1u);
  EXPECT_EQ(count_of(all, "producer"), 300u);
  EXPECT_THAT(damaged_in(all), IsEmpty());
  const auto producer = std::ranges::find(all, "producer", &FileEntry::what);
  EXPECT_EQ(number_in(*producer, "last_offset"), 102);
  EXPECT_EQ(number_in(*producer, "at"), 103);
}

TEST_F(StateEntries, NothingIsMadeOrChanged) {
  std::filesystem::remove(files_.file(".state-lock"));
  const Buffer before = test::PartitionFiles::read(path());
  list(path());
  EXPECT_EQ(test::PartitionFiles::read(path()), before);
  EXPECT_FALSE(std::filesystem::exists(files_.file(".state-lock")));
}

TEST_F(StateEntries, ADamagedRowHidesNoOther) {
  const auto sound = list(path());
  const auto row = std::ranges::find(sound, "producer", &FileEntry::what);
  // Behind the header of the node and its key, which is 25 bytes long.
  test::PartitionFiles::flip(path(), static_cast<std::size_t>(row->position) + 8 + 25 + 4);
  const auto all = list(path());
  EXPECT_THAT(all, SizeIs(sound.size()));
  EXPECT_EQ(count_of(all, "row"), 1u);
  EXPECT_THAT(damaged_in(all), SizeIs(1));
}

TEST_F(StateEntries, ADamagedPageHidesNoOther) {
  const auto sound = list(path());
  const auto row = std::ranges::find(sound, "producer", &FileEntry::what);
  const auto page = static_cast<std::size_t>(row->position) / 4096 * 4096;
  test::PartitionFiles::flip(path(), page + 10, 0x40);  // what kind of page it is
  const auto all = list(path());
  EXPECT_LT(count_of(all, "producer"), 300u);
  EXPECT_GT(count_of(all, "producer"), 200u);
  EXPECT_THAT(damaged_in(all), SizeIs(1));
}

TEST_F(StateEntries, WrongMetaPagesLeaveNothingToShow) {
  test::PartitionFiles::flip(path(), 16);
  const auto all = list(path());
  ASSERT_THAT(all, SizeIs(1));
  EXPECT_THAT(all[0].damage, HasSubstr("magic"));
}

TEST_F(FileEntries, WhateverTheBytesNothingBreaks) {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    Buffer bytes(random() % 9000);
    for (std::byte& byte : bytes) {
      byte = static_cast<std::byte>(random() % 3 == 0 ? random() : 0U);
    }
    test::PartitionFiles::write(files_.segment(3, ".any"), bytes);
    for (int i = 1; i <= static_cast<int>(FileKind::kCleanRecord); ++i) {
      std::int64_t end = 0;
      const auto listed = list_file_entries(files_.segment(3, ".any"), static_cast<FileKind>(i),
                                            [&](const FileEntry& entry) {
                                              end = entry.position + entry.bytes;
                                              return true;
                                            });
      if (!listed) {
        EXPECT_THAT(listed, FailsWith(ErrorCode::CORRUPT_MESSAGE));
      }
      EXPECT_LE(end, std::max<std::int64_t>(std::ssize(bytes), 8192)) << i;
    }
  }
}

}  // namespace
}  // namespace oncelog
