// A directory of partitions with one owner, through the public interface.
#include "oncelog/store.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sim/sim_disk.h"
#include "store/checkpoint_files.h"
#include "store/clean_record.h"
#include "support/log_fixture.h"

namespace oncelog {
namespace {

using test::FailsWith;
using test::make_batch;
using test::Succeeds;
using test::value_of;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

class StoreTest : public test::LogFixture {
 protected:
  [[nodiscard]] bool has(std::string_view file) const {
    return std::filesystem::exists(store_path() + "/" + std::string(file));
  }
  [[nodiscard]] bool has_clean_record() const { return has(store::kCleanRecordFile); }
  [[nodiscard]] bool has_kafka_marker() const { return has(store::kKafkaCleanMarkerFile); }
  std::shared_ptr<PartitionLog> open_partition(const TopicPartition& name) {
    return value_of(store_->open_partition(name, options_));
  }
  /// Two partitions with two batches each, t-0 and u-3, closed cleanly.
  void make_two() {
    open();
    const auto other = open_partition({"u", 3});
    for (int i = 0; i < 2; ++i) {
      append();
      value_of(other->append_as_leader(make_batch()));
    }
    close();
  }
  void open_store() { store_ = value_of(Store::open(store_path(), store_options_)); }
  void close_store() {
    ASSERT_THAT(store_->close(), Succeeds());
    store_.reset();
  }
  [[nodiscard]] bool opens_clean(const TopicPartition& name) {
    return open_partition(name)->recovery_report().was_clean;
  }
};

// ---- one owner

TEST_F(StoreTest, ASecondOwnerInThisProcessIsRefusedWithItsPid) {
  open();
  EXPECT_THAT(Store::open(store_path()),
              FailsWith(ErrorCode::STORE_IN_USE, std::to_string(::getpid())));
  close();
  EXPECT_THAT(Store::open(store_path()), Succeeds());
}

TEST_F(StoreTest, ASecondOwnerInAnotherProcessIsRefusedWithThePidOfTheFirst) {
  open();
  append();
  const pid_t owner = ::getpid();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const auto second = Store::open(store_path());
    const bool is_right = !second && second.error().code == ErrorCode::STORE_IN_USE &&
                          second.error().context.find(std::to_string(owner)) != std::string::npos;
    ::_exit(is_right ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  append();  // the refused attempt has changed nothing
  close_and_open();
  EXPECT_TRUE(report().was_clean);
}

TEST_F(StoreTest, ARefusedOwnerLeavesTheCleanEndAlone) {
  make_two();
  const auto lock = value_of(posix_vfs().lock(store_path() + "/.lock"));
  EXPECT_THAT(Store::open(store_path()), FailsWith(ErrorCode::STORE_IN_USE));
  EXPECT_TRUE(has_clean_record());
  EXPECT_TRUE(has_kafka_marker());
}

// ---- the directory

TEST_F(StoreTest, AMissingStoreIsMadeOnlyOnRequest) {
  store_options_.create_if_missing = false;
  EXPECT_THAT(Store::open(store_path(), store_options_),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "no such store"));
  test::write_text(store_path(), "a file");
  EXPECT_THAT(Store::open(store_path()),
              FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "not a directory"));
}

TEST_F(StoreTest, ADirectoryWhoseMakerDiedHasItsNameSynced) {
  sim::SimDisk disk;
  ASSERT_THAT(disk.create_directory("/store"), Succeeds());  // and no more than that
  value_of(Store::open("/store", {.vfs = &disk})).reset();
  EXPECT_TRUE(value_of(disk.after_power_loss({})->status("/store")));
}

TEST_F(StoreTest, ListsThePartitionsThatLieInIt) {
  make_two();
  std::filesystem::create_directory(store_path() + "/no_partition");
  test::write_text(store_path() + "/file-7", "");
  open_store();
  EXPECT_THAT(value_of(store_->partitions()),
              ElementsAre(TopicPartition{"t", 0}, TopicPartition{"u", 3}));
}

TEST_F(StoreTest, APartitionMadeInADirectoryThatWasThereFindsItsCheckpointsAgain) {
  std::filesystem::create_directories(directory());  // as an interrupted creation leaves it
  open();
  append({.producer_id = 1, .producer_epoch = 0, .sequence = 0});
  value_of(log_->checkpoint());
  crash_and_open();
  EXPECT_EQ(report().replayed_from, Offset(1));
}

TEST_F(StoreTest, NamesThatKafkaWouldNotTakeAreRefused) {
  open_store();
  const auto before = test::file_names(store_path());
  for (const std::string& topic :
       {std::string(), std::string("."), std::string(".."), std::string("a/b"), std::string("a b"),
        std::string("a\nb"), std::string("\xC3\xA9"), std::string(250, 'a')}) {
    EXPECT_THAT(store_->open_partition({topic, 0}), FailsWith(ErrorCode::INVALID_TOPIC_EXCEPTION))
        << topic;
  }
  EXPECT_THAT(store_->open_partition({"t", -1}), FailsWith(ErrorCode::INVALID_TOPIC_EXCEPTION));
  EXPECT_EQ(test::file_names(store_path()), before);
  EXPECT_THAT(store_->open_partition({std::string(240, 'a') + "._-Z9", 0}), Succeeds());
}

TEST_F(StoreTest, ContradictoryOptionsAreRefused) {
  options_.level = Level::kWritten;
  options_.high_watermark = HighWatermarkPolicy::kDurable;
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::INVALID_CONFIG));
  EXPECT_FALSE(has("t-0"));
}

// ---- misuse

TEST_F(StoreTest, ACreationThatWasInterruptedLeavesNoPartition) {
  open_store();
  options_.create_if_missing = false;
  for (const std::string_view left :
       {"", "/partition.metadata.tmp", "/00000000000000000000.index"}) {
    const std::string directory = store_path() + "/half-0";
    std::filesystem::create_directory(directory);
    if (!left.empty()) test::write_text(directory + std::string(left), "");
    EXPECT_THAT(store_->open_partition({"half", 0}, options_),
                FailsWith(ErrorCode::UNKNOWN_TOPIC_OR_PARTITION));
    EXPECT_THAT(store_->create_partition({"half", 0}, options_), Succeeds());
    EXPECT_THAT(store_->create_partition({"half", 0}, options_),
                FailsWith(ErrorCode::TOPIC_ALREADY_EXISTS));
    EXPECT_THAT(store_->delete_partition({"half", 0}), Succeeds());
  }
}

TEST_F(StoreTest, APartitionIsOpenedOnce) {
  open();
  EXPECT_THAT(store_->open_partition(name_), FailsWith(ErrorCode::MISUSE, "open already"));
  EXPECT_THAT(store_->close_partition({"u", 0}), FailsWith(ErrorCode::MISUSE, "not open"));
  EXPECT_THAT(store_->close_partition(name_), Succeeds());
  EXPECT_THAT(log_->append_as_leader(make_batch()), FailsWith(ErrorCode::MISUSE));
  open();
  EXPECT_TRUE(report().was_clean);
  append();
}

TEST_F(StoreTest, AClosedStoreOpensNothing) {
  open();
  ASSERT_THAT(store_->close(), Succeeds());
  EXPECT_THAT(store_->open_partition({"u", 0}), FailsWith(ErrorCode::MISUSE, "closed"));
  EXPECT_THAT(store_->close_partition(name_), FailsWith(ErrorCode::MISUSE));
  EXPECT_THAT(store_->close(), Succeeds());  // a second close has nothing to do
}

// ---- clean and unclean ends

TEST_F(StoreTest, ACleanCloseRecordsItForUsAndForKafka) {
  make_two();
  EXPECT_TRUE(has_clean_record());
  EXPECT_EQ(test::read_text(store_path() + "/.kafka_cleanshutdown"),
            R"({"version":0,"brokerEpoch":-1})");
  open_store();
  EXPECT_FALSE(has_clean_record());  // removed before anything changes
  EXPECT_FALSE(has_kafka_marker());
  EXPECT_TRUE(opens_clean({"t", 0}));
  EXPECT_TRUE(opens_clean({"u", 3}));
}

// A KRaft broker that is killed leaves no marker: what it keeps of its own must not be recovered as
// a partition, and must not keep the marker away.
TEST_F(StoreTest, TheMetadataLogOfABrokerIsNoPartition) {
  open();
  append();
  crash();
  const std::string metadata = store_path() + "/__cluster_metadata-0";
  std::filesystem::create_directory(metadata);
  test::write_file(metadata + "/00000000000000000000.log", test::Buffer(80));
  open_store();
  EXPECT_THAT(value_of(store_->partitions()), ElementsAre(name_));
  open_partition(name_);
  close_store();
  EXPECT_TRUE(has_kafka_marker());
  EXPECT_THAT(test::file_names(metadata), ElementsAre("00000000000000000000.log"));
}

TEST_F(StoreTest, WithoutACloseTheNextOpenRecovers) {
  make_two();
  open();
  append();
  crash();
  EXPECT_FALSE(has_clean_record());
  EXPECT_FALSE(has_kafka_marker());
  open();
  EXPECT_FALSE(report().was_clean);
  EXPECT_EQ(log_->ends().log_end, Offset(3));
  EXPECT_FALSE(opens_clean({"u", 3}));
}

TEST_F(StoreTest, APartitionLeftUnopenedKeepsItsCleanEnd) {
  make_two();
  for (int i = 0; i < 2; ++i) {
    open();
    append();
    close();
  }
  EXPECT_TRUE(has_kafka_marker());
  open_store();
  EXPECT_TRUE(opens_clean({"u", 3}));
  EXPECT_TRUE(opens_clean({"t", 0}));
}

TEST_F(StoreTest, ARefusedPartitionKeepsItsCleanEndAndTheOthersTheirs) {
  make_two();
  test::append_to_file(log_path(0), make_batch({.base = 2}));
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  close_store();
  EXPECT_THAT(try_open(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "clean close"));
  EXPECT_TRUE(opens_clean({"u", 3}));
}

TEST_F(StoreTest, WithoutHandoverThereIsNoMarkerForKafka) {
  store_options_.kafka_handover = false;
  make_two();
  EXPECT_TRUE(has_clean_record());
  EXPECT_FALSE(has_kafka_marker());
  open();
  EXPECT_TRUE(report().was_clean);
}

TEST_F(StoreTest, NoMarkerIsWrittenOverAPartitionWithoutItsSnapshot) {
  store_options_.kafka_handover = false;
  make_two();
  store_options_.kafka_handover = true;
  open();
  close();  // u-3 is clean, but Kafka would take it for one without producers
  EXPECT_TRUE(has_clean_record());
  EXPECT_FALSE(has_kafka_marker());
  open_store();
  EXPECT_TRUE(opens_clean({"u", 3}));
  EXPECT_TRUE(opens_clean({"t", 0}));
  close_store();
  EXPECT_TRUE(has_kafka_marker());
}

TEST_F(StoreTest, NoMarkerIsWrittenOverAPartitionThatIsNotClean) {
  make_two();
  open();
  crash();
  open();
  close();  // u-3 was not opened since the crash
  EXPECT_FALSE(has_kafka_marker());
  open_store();
  EXPECT_TRUE(opens_clean({"t", 0}));
  EXPECT_FALSE(opens_clean({"u", 3}));
}

TEST_F(StoreTest, APartitionThatCannotBeClosedIsRecoveredAndTheOthersAreClean) {
  open();
  open_partition({"u", 3});
  append();
  vfs_.plan().add({.call = test::IoCall::kSync, .path_part = "/t-0"});
  EXPECT_THAT(store_->close(), FailsWith(ErrorCode::PARTITION_POISONED));
  EXPECT_FALSE(has_kafka_marker());
  crash();
  open();
  EXPECT_FALSE(report().was_clean);
  EXPECT_TRUE(opens_clean({"u", 3}));
}

// ---- who wrote here since

TEST_F(StoreTest, ACopiedDirectoryDropsTheCleanRecordAndIsOpenedAsFromKafka) {
  make_two();
  const std::string copy = dir_.file("copy");
  std::filesystem::copy(store_path(), copy, std::filesystem::copy_options::recursive);
  test::write_file(copy + "/t-0/00000000000000000000.index", test::Buffer(80));
  store_ = value_of(Store::open(copy, store_options_));
  EXPECT_FALSE(std::filesystem::exists(copy + "/.clean"));
  const auto log = open_partition({"t", 0});
  EXPECT_TRUE(log->recovery_report().was_clean);  // Kafka's marker stood
  EXPECT_THAT(log->recovery_report().files_rebuilt, Contains(HasSubstr(".index")));
  EXPECT_EQ(log->ends().log_end, Offset(2));
}

TEST_F(StoreTest, ACopyWithoutKafkasMarkerIsRecovered) {
  store_options_.kafka_handover = false;
  make_two();
  const std::string copy = dir_.file("copy");
  std::filesystem::copy(store_path(), copy, std::filesystem::copy_options::recursive);
  store_ = value_of(Store::open(copy, store_options_));
  EXPECT_FALSE(opens_clean({"t", 0}));
}

TEST_F(StoreTest, AWitnessThatSomebodyReplacedDropsTheCleanRecord) {
  store_options_.kafka_handover = false;
  for (const auto file : {store::kRecoveryPointFile, store::kHighWatermarkFile}) {
    make_two();
    const std::string path = store_path() + "/" + std::string(file);
    std::filesystem::rename(path, path + ".old");
    std::filesystem::copy(path + ".old", path);
    open_store();
    EXPECT_FALSE(opens_clean({"t", 0})) << file;
    crash();
    std::filesystem::remove_all(store_path());
  }
}

TEST_F(StoreTest, AWitnessThatWasChangedInPlaceIsNamed) {
  make_two();
  const std::string path = store_path() + "/" + std::string(store::kHighWatermarkFile);
  test::write_text(path, "0\n2\nt 0 1\nu 3 1\n");
  open();
  EXPECT_THAT(report().warnings, Contains(HasSubstr(path)));
}

TEST_F(StoreTest, AnUnreadableCleanRecordIsNamedAndDropped) {
  make_two();
  test::flip_byte(store_path() + "/.clean", 20);
  open();
  EXPECT_THAT(report().warnings, Contains(HasSubstr(".clean")));
  EXPECT_EQ(log_->ends().log_end, Offset(2));
}

TEST_F(StoreTest, AnOpenThatDiesAtItsFirstStepLeavesBothRecordsOrNone) {
  make_two();
  vfs_.plan().add({.call = test::IoCall::kSyncDirectory});
  EXPECT_FALSE(Store::open(store_path(), store_options_));
  EXPECT_FALSE(has_clean_record());
  EXPECT_TRUE(has_kafka_marker());  // ours goes first: what is left is what Kafka would trust
  open();
  EXPECT_EQ(log_->ends().log_end, Offset(2));
}

TEST_F(StoreTest, TheRecordIsWrittenAfterEverythingElse) {
  open();
  append();
  vfs_.plan().add({.call = test::IoCall::kRename, .path_part = ".clean"});
  EXPECT_FALSE(store_->close());
  EXPECT_FALSE(has_clean_record());
  EXPECT_FALSE(has_kafka_marker());
  crash();
  open();
  EXPECT_FALSE(report().was_clean);
  EXPECT_EQ(log_->ends().log_end, Offset(1));
}

}  // namespace
}  // namespace oncelog
