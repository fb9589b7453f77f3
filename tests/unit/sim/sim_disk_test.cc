// A simulated disk as a Vfs: what io.h promises of each call, and where it can be stopped.
#include "sim/sim_disk.h"

#include <gmock/gmock.h>

#include <cerrno>

#include "support/matchers.h"

namespace oncelog::sim {
namespace {

using test::FailsWith;
using test::Succeeds;
using test::value_of;
using testing::ElementsAre;
using testing::IsEmpty;

class SimDiskTest : public testing::Test {
 protected:
  SimDiskTest() {
    EXPECT_THAT(disk_.create_directory("/d"), Succeeds());
    EXPECT_THAT(disk_.sync_directory("/"), Succeeds());
  }
  static Result<void> write(File& file, std::int64_t position, std::string_view text) {
    const Bytes parts[] = {as_bytes(text.substr(0, text.size() / 2)),
                           as_bytes(text.substr(text.size() / 2))};
    return file.write_at(parts, position);
  }
  std::unique_ptr<File> make(const std::string& path, std::string_view text) {
    auto file = value_of(disk_.open(path, OpenMode::kCreate));
    EXPECT_THAT(write(*file, 0, text), Succeeds());
    return file;
  }
  static std::string read(Vfs& disk, const std::string& path) {
    const auto file = disk.open(path, OpenMode::kRead);
    if (!file) return "no file";
    std::string text(100, '\0');
    text.resize(value_of((*file)->read_at(std::as_writable_bytes(std::span(text)), 0)));
    return text;
  }
  [[nodiscard]] std::string read_after_power_loss(const std::string& path) const {
    return read(*disk_.after_power_loss({}), path);
  }

  ManualClock clock_{Timestamp(1000)};
  SimDisk disk_{{.device = {}, .clock = &clock_}};
};

TEST_F(SimDiskTest, ReadsWhatWasWritten) {
  const auto file = make("/d/f", "hello");
  EXPECT_EQ(read(disk_, "/d/f"), "hello");
  EXPECT_EQ(value_of(file->size()), 5);
  std::string rest(10, 'x');
  EXPECT_EQ(value_of(file->read_at(std::as_writable_bytes(std::span(rest)), 3)), 2u);
  EXPECT_EQ(rest.substr(0, 2), "lo");
  EXPECT_EQ(value_of(file->read_at(std::as_writable_bytes(std::span(rest)), 5)), 0u);
  EXPECT_THAT(file->truncate(2), Succeeds());
  EXPECT_THAT(file->preallocate(4), Succeeds());
  EXPECT_THAT(file->preallocate(1), Succeeds());
  EXPECT_EQ(read(disk_, "/d/f"), std::string("he\0\0", 4));
  EXPECT_EQ(file->native_handle(), -1);
  EXPECT_EQ(disk_.native_path("/d/f"), std::nullopt);
}

TEST_F(SimDiskTest, OpensAsTheModeSays) {
  EXPECT_THAT(disk_.open("/d/f", OpenMode::kRead), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_EQ(disk_.open("/d/f", OpenMode::kWrite).error().os_errno, ENOENT);
  EXPECT_EQ(disk_.open("/none/f", OpenMode::kCreate).error().os_errno, ENOENT);
  EXPECT_EQ(disk_.open("/d", OpenMode::kRead).error().os_errno, EISDIR);
  make("/d/f", "a");
  EXPECT_EQ(disk_.open("/d/f", OpenMode::kCreateNew).error().os_errno, EEXIST);
  const auto reader = value_of(disk_.open("/d/f", OpenMode::kRead));
  EXPECT_FALSE(write(*reader, 0, "b"));
  EXPECT_EQ(read(disk_, "/d/f"), "a");
}

TEST_F(SimDiskTest, ListsAndDescribes) {
  make("/d/b", "12");
  make("/d/a", "");
  EXPECT_THAT(value_of(disk_.list("/d")), ElementsAre("a", "b"));
  EXPECT_THAT(disk_.list("/none"), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_THAT(disk_.list("/d/a"), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
  EXPECT_EQ(value_of(disk_.status("/d/none")), std::nullopt);
  EXPECT_EQ(value_of(disk_.status("/d/a/x")), std::nullopt);
  const auto file = value_of(disk_.status("/d/b"));
  EXPECT_FALSE(file->is_directory);
  EXPECT_EQ(file->bytes, 2);
  EXPECT_EQ(file->modified_ms, 1000);
  EXPECT_TRUE(value_of(disk_.status("/d"))->is_directory);
  EXPECT_NE(file->inode, value_of(disk_.status("/d/a"))->inode);
}

TEST_F(SimDiskTest, ANewFileMayHaveTheNumberOfOneThatIsGone) {
  for (const bool is_reused : {false, true}) {
    SimDisk disk({.reuses_inode_numbers = is_reused});
    std::ignore = disk.open("/a", OpenMode::kCreate);
    const auto old = value_of(disk.status("/a"))->inode;
    EXPECT_THAT(disk.remove("/a"), Succeeds());
    std::ignore = disk.open("/b", OpenMode::kCreate);
    EXPECT_EQ(value_of(disk.status("/b"))->inode == old, is_reused);
  }
}

TEST_F(SimDiskTest, NamesChangeAndDirectoriesGoWhenEmpty) {
  make("/d/a", "1");
  make("/d/b", "2");
  const auto inode = value_of(disk_.status("/d/a"))->inode;
  EXPECT_THAT(disk_.rename("/d/a", "/d/b"), Succeeds());
  EXPECT_EQ(read(disk_, "/d/b"), "1");
  EXPECT_EQ(value_of(disk_.status("/d/b"))->inode, inode);
  EXPECT_FALSE(disk_.rename("/d/a", "/d/c"));
  EXPECT_FALSE(disk_.remove("/d"));
  EXPECT_EQ(disk_.remove_directory("/d").error().os_errno, ENOTEMPTY);
  EXPECT_THAT(disk_.rename("/d", "/e"), Succeeds());
  EXPECT_EQ(read(disk_, "/e/b"), "1");
  EXPECT_THAT(disk_.remove("/e/b"), Succeeds());
  EXPECT_THAT(disk_.remove("/e/b"), Succeeds()) << "a missing one is no error";
  EXPECT_THAT(disk_.remove_directory("/e"), Succeeds());
  EXPECT_THAT(disk_.remove_directory("/e"), Succeeds());
  EXPECT_THAT(disk_.create_directory("/d"), Succeeds());
  EXPECT_THAT(disk_.create_directory("/d"), Succeeds());
  EXPECT_FALSE(disk_.create_directory("/none/d"));
}

TEST_F(SimDiskTest, AnOpenFileOutlivesItsName) {
  const auto file = make("/d/f", "abc");
  EXPECT_THAT(disk_.remove("/d/f"), Succeeds());
  make("/d/f", "other");
  std::string text(3, '\0');
  EXPECT_EQ(value_of(file->read_at(std::as_writable_bytes(std::span(text)), 0)), 3u);
  EXPECT_EQ(text, "abc");
}

TEST_F(SimDiskTest, ALockHasOneHolder) {
  auto lock = value_of(disk_.lock("/d/.lock"));
  EXPECT_THAT(disk_.lock("/d/.lock"), FailsWith(ErrorCode::STORE_IN_USE));
  EXPECT_THAT(disk_.after_process_death()->lock("/d/.lock"), Succeeds());
  lock.reset();
  EXPECT_THAT(disk_.lock("/d/.lock"), Succeeds());
}

// ---- io.h: what survives

TEST_F(SimDiskTest, BytesSurviveTheirSyncAndNamesTheirDirectorys) {
  const auto file = make("/d/f", "abc");
  EXPECT_THAT(file->sync(), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/f"), "no file");
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/f"), "abc");
  EXPECT_THAT(write(*file, 3, "d"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/f"), "abc");
  EXPECT_THAT(disk_.rename("/d/f", "/d/g"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/g"), "no file");
  EXPECT_THAT(disk_.sync_directory("/d/../d"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/g"), "abc");
  EXPECT_THAT(disk_.remove("/d/g"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/g"), "abc");
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/g"), "no file");
  EXPECT_THAT(disk_.sync_directory("/none"), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR));
}

TEST_F(SimDiskTest, EverythingSurvivesTheEndOfTheProcess) {
  make("/d/f", "abc");
  const auto after = disk_.after_process_death();
  EXPECT_EQ(read(*after, "/d/f"), "abc");
  EXPECT_EQ(after->unsynced(), disk_.unsynced()) << "but power may be lost after that";
  EXPECT_EQ(read(*after->after_power_loss({}), "/d/f"), "no file");
  make("/d/g", "");
  EXPECT_EQ(read(*after, "/d/g"), "no file") << "a disk of its own";
}

TEST_F(SimDiskTest, ImagesAreWhatIsUnsynced) {
  make("/d/f", "abc");
  EXPECT_THAT(disk_.unsynced(), ElementsAre("create /d/f", "write /d/f 3 bytes at 0"));
  for (const CrashChoice& choice : disk_.images()) EXPECT_EQ(choice.fates.size(), 2u);
  EXPECT_EQ(read(*disk_.after_power_loss(value_of(parse_choice("+- seed 0"))), "/d/f"), "");
  EXPECT_EQ(read(*disk_.after_power_loss(value_of(parse_choice("++ seed 0"))), "/d/f"), "abc");
}

TEST_F(SimDiskTest, AFailedSyncLosesWhatItDidNotStore) {
  const auto file = make("/d/f", "abc");
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  disk_.faults().add(value_of(parse_faults("sync f #1 EIO")).front());
  EXPECT_THAT(file->sync(), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "fault of the test"));
  EXPECT_THAT(file->sync(), Succeeds());
  EXPECT_EQ(read(disk_, "/d/f"), "abc") << "the page cache looks right";
  EXPECT_EQ(read_after_power_loss("/d/f"), "");
  const auto restarted = disk_.after_process_death();
  EXPECT_EQ(read(*restarted, "/d/f"), "abc") << "for the next process, too";
  EXPECT_THAT(value_of(restarted->open("/d/f", OpenMode::kWrite))->drop_cache(0), Succeeds());
  EXPECT_EQ(read(*restarted, "/d/f"), std::string(3, '\0'));
}

// ---- faults

TEST_F(SimDiskTest, AFaultFailsItsCall) {
  const auto file = make("/d/f", "abcd");
  disk_.faults().add(value_of(parse_faults("write f #1 ENOSPC half")).front());
  EXPECT_THAT(write(*file, 0, "wxyz"), FailsWith(ErrorCode::STORAGE_FULL));
  EXPECT_EQ(read(disk_, "/d/f"), "wxcd");
  disk_.faults().add(value_of(parse_faults("list * #1 EIO")).front());
  EXPECT_THAT(disk_.list("/d"), FailsWith(ErrorCode::KAFKA_STORAGE_ERROR, "list /d"));
  EXPECT_THAT(disk_.list("/d"), Succeeds());
}

TEST_F(SimDiskTest, ALyingDiskSkipsSyncs) {
  const auto file = make("/d/f", "abc");
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  disk_.faults().add(value_of(parse_faults("sync * #1 skipped lasting")).front());
  EXPECT_THAT(file->sync(), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/f"), "");
}

// ---- crash points

TEST_F(SimDiskTest, ChangesAndReadsAreCountedApart) {
  const std::int64_t changes = disk_.change_count();
  const std::int64_t reads = disk_.read_count();
  const auto file = make("/d/f", "abc");
  EXPECT_THAT(file->sync(), Succeeds());
  EXPECT_EQ(disk_.change_count() - changes, 3) << "create, write, sync";
  EXPECT_EQ(disk_.read_count() - reads, 0);
  EXPECT_THAT(disk_.list("/d"), Succeeds());
  EXPECT_THAT(file->drop_cache(0), Succeeds());
  EXPECT_THAT(disk_.open("/d/f", OpenMode::kCreate), Succeeds());
  EXPECT_EQ(disk_.change_count() - changes, 3);
  EXPECT_EQ(disk_.read_count() - reads, 3);
}

TEST_F(SimDiskTest, AStoppedDiskAnswersNothingMore) {
  const auto file = make("/d/f", "abc");
  disk_.stop_at(disk_.change_count() + 2);
  EXPECT_THAT(write(*file, 3, "d"), Succeeds());
  EXPECT_FALSE(disk_.has_stopped());
  const auto stopped = write(*file, 4, "e");
  ASSERT_FALSE(stopped);
  EXPECT_TRUE(is_stopped(stopped.error())) << stopped.error().text();
  EXPECT_TRUE(disk_.has_stopped());
  EXPECT_FALSE(file->sync());
  EXPECT_FALSE(disk_.list("/d"));
  EXPECT_FALSE(disk_.note_commit("c"));
  EXPECT_EQ(read(*disk_.after_process_death(), "/d/f"), "abcd");
  EXPECT_FALSE(is_stopped(disk_.after_process_death()->list("/none").error()));
}

TEST_F(SimDiskTest, AProcessMayDieInTheMiddleOfAWrite) {
  const auto file = make("/d/f", "abc");
  disk_.stop_at(disk_.change_count() + 1, SimDisk::StopKind::kHalfWay);
  EXPECT_FALSE(write(*file, 3, "defg"));
  EXPECT_EQ(read(*disk_.after_process_death(), "/d/f"), "abcde");
}

TEST_F(SimDiskTest, AnObserverSeesEachChangeBeforeItIsMade) {
  std::vector<std::string> seen;
  std::unique_ptr<SimDisk> before_write;
  disk_.set_observer([&](const SimCall& call) {
    seen.push_back(std::string(name_of(call.call)) + " " + call.path);
    if (call.call == IoCall::kWrite) before_write = disk_.after_process_death();
  });
  make("/d/f", "abc");
  EXPECT_THAT(disk_.note_commit("c"), Succeeds());
  disk_.set_observer({});
  EXPECT_THAT(seen, ElementsAre("open /d/f", "write /d/f", "commit c"));
  EXPECT_EQ(read(*before_write, "/d/f"), "");
}

TEST_F(SimDiskTest, DisksThatAreAlikeHaveOneFingerprint) {
  make("/d/f", "abc");
  EXPECT_EQ(disk_.fingerprint(), disk_.after_process_death()->fingerprint());
  EXPECT_NE(disk_.fingerprint(), disk_.after_power_loss({})->fingerprint());
  const std::uint64_t before = disk_.fingerprint();
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  EXPECT_NE(disk_.fingerprint(), before) << "there is less to lose";
}

TEST_F(SimDiskTest, ALinkIsAnotherNameThatWaitsForItsDirectory) {
  const auto file = make("/d/f", "abc");
  EXPECT_THAT(file->sync(), Succeeds());
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  const std::int64_t before = disk_.change_count();
  EXPECT_EQ(value_of(disk_.link("/d/f", "/d/g")), LinkOutcome::kLinked);
  EXPECT_EQ(disk_.change_count(), before + 1);
  EXPECT_EQ(value_of(disk_.status("/d/f"))->link_count, 2u);
  EXPECT_EQ(disk_.link("/d/f", "/d/g").error().os_errno, EEXIST);
  EXPECT_EQ(disk_.link("/d/none", "/d/h").error().os_errno, ENOENT);
  EXPECT_EQ(disk_.link("/d", "/e").error().os_errno, EPERM);
  EXPECT_EQ(read_after_power_loss("/d/g"), "no file");
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/g"), "abc");
  EXPECT_THAT(disk_.remove("/d/f"), Succeeds());
  EXPECT_THAT(disk_.sync_directory("/d"), Succeeds());
  EXPECT_EQ(read_after_power_loss("/d/g"), "abc");
  EXPECT_EQ(value_of(disk_.status("/d/g"))->link_count, 1u);
}

TEST_F(SimDiskTest, ADiskWithoutLinksSaysSo) {
  SimDisk disk{{.has_links = false}};
  EXPECT_THAT(disk.open("/f", OpenMode::kCreate), Succeeds());
  EXPECT_EQ(value_of(disk.link("/f", "/g")), LinkOutcome::kUnsupported);
}

}  // namespace
}  // namespace oncelog::sim
